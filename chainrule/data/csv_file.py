"""Reading a CSV file into a table; whatever is wrong with the file is told with its line."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import replace

from chainrule.data.table import Table, listed, nearest
from chainrule.errors import ArgumentError, DataError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}


def read_csv(
    path: str | os.PathLike[str], *, delimiter: str | None = None, encoding: str = "utf-8"
) -> Table:
    """Read a CSV file whose first line names the columns.

    Blank lines are skipped and the blanks around a cell are dropped; quoting is as in RFC 4180.
    A UTF-8 byte-order mark is allowed.

    Args:
        path: the file.
        delimiter: a comma, a semicolon or a tab; by default the one that gives the header the
            most columns.
        encoding: how the file spells its characters, as Python names it: utf-8, cp1252, utf-16.

    Returns:
        The table, every cell still text.

    Raises:
        DataError: the file is missing, a directory, empty, not in this encoding, or malformed:
            rows of different lengths, unclosed quotes, two columns of one name, no rows.
        ArgumentError: Python knows no such encoding, or the delimiter is none of the three.
    """
    source = os.fspath(path)
    return read_text(_decoded(_bytes(source), source, encoding), source, delimiter=delimiter)


def read_text(text: str, source: str = "<text>", *, delimiter: str | None = None) -> Table:
    """Read CSV from a string; ``source`` names it in messages. See `read_csv`.

    >>> read_text("a;b\\n1,5;x\\n").numbers("a")
    array([1.5])
    """
    if not text.strip():
        raise DataError(
            f"{source} is empty",
            got="a file without text",
            remedy="give a CSV file: a header line with the column names, then one line a row",
        )
    if delimiter is None:
        delimiter = max(DELIMITERS, key=lambda d: _columns(text, d, source))
    elif delimiter not in DELIMITERS:
        raise ArgumentError(
            "the delimiter of a CSV file must be a comma, a semicolon or a tab",
            got=repr(delimiter),
            remedy='pass delimiter=",", ";" or "\\t", or leave it out',
        )
    rows = _rows(text, delimiter, source)
    line, header = next(rows)
    names, notes = _names(header, f"{source}:{line}")
    lines, cells = _body(rows, names, source, delimiter)
    table = Table(source, names, {**cells}, lines, delimiter)
    if delimiter == ";" and any(
        "," in c and table.number(c) is not None for col in cells.values() for c in col
    ):
        notes.append("decimal commas are read as decimal points")
    return replace(table, notes=tuple(notes))


def _bytes(source: str) -> bytes:
    """The file's bytes; every way in which it cannot be had, told with its remedy."""
    folder = os.path.dirname(source) or "."
    try:
        if os.path.isdir(source):
            tables = sorted(n for n in os.listdir(source) if n.lower().endswith((".csv", ".tsv")))
            raise DataError(
                f"{source} is a directory, not a CSV file",
                got=f"a directory with {listed(tables)}" if tables else "a directory",
                remedy=f"name a file in it: {os.path.join(source, tables[0])}"
                if tables
                else "name a file",
            )
        with open(source, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        there = os.listdir(folder) if os.path.isdir(folder) else []
        raise DataError(
            f"there is no file {source}",
            got=f"a path below {os.path.abspath(folder)}",
            remedy=nearest(os.path.basename(source), there, cutoff=0.75)
            or "check the spelling and the folder you are in",
        ) from None
    except OSError as error:
        raise DataError(
            f"{source} cannot be read",
            got=error.strerror or type(error).__name__,
            remedy="check that it is a file and that you may read it",
        ) from None
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise DataError(
            f"{source} is not a CSV file",
            got="a spreadsheet or a ZIP archive, by its first bytes",
            remedy="save it as CSV (UTF-8) from the spreadsheet program",
        )
    return data


def _decoded(data: bytes, source: str, encoding: str) -> str:
    """The file's text. A wrong encoding is told with the byte and the line it was found at."""
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding, data = "utf-8", data.removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        other = "utf-16" if wide else "cp1252" if encoding == "utf-8" else "utf-8"
        raise DataError(
            f"{source} is not text in {encoding}",
            got=f"byte 0x{data[error.start]:02x} at offset {error.start}",
            line=f"{source}:{line}",
            remedy=f"save the file as UTF-8, or name its encoding: encoding={other!r} "
            f"(command line: --encoding {other})",
        ) from None
    except LookupError:
        raise ArgumentError(
            "Python knows no such text encoding",
            got=repr(encoding),
            remedy="use utf-8, cp1252, latin-1 or utf-16",
        ) from None


def _columns(text: str, delimiter: str, source: str) -> int:
    """How many cells the header has, were this the delimiter; none where it then makes no sense."""
    try:
        return len(next(_rows(text, delimiter, source))[1])
    except DataError:  # such as "a","b" with semicolons: text follows a closing quote
        return 0


def _rows(text: str, delimiter: str, source: str) -> Iterator[tuple[int, list[str]]]:
    """(first line, stripped cells) of each row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"a row of {source} cannot be read as CSV",
                got=str(error),
                line=f"{source}:{line}",
                remedy="close every quote, and double a quote inside a quoted cell",
            ) from None
        if any(cell.strip() for cell in row) or len(row) > 1:
            yield line, [cell.strip() for cell in row]
        line = reader.line_num + 1


def _names(header: list[str], where: str) -> tuple[tuple[str, ...], list[str]]:
    """The column names, every one different; an empty one is named by its position."""
    names, notes = list(header), []
    if all(_is_number(name) for name in header):
        raise DataError(
            "the first line holds numbers where the column names should be",
            got=listed([repr(name) for name in header]),
            line=where,
            remedy="add a first line with a name for each column",
        )
    fraction = next((n for n in header if _is_number(n) and any(c in n for c in ".eE")), None)
    if fraction is not None:
        notes.append(
            f"the first line is taken for the column names, and {fraction!r} is a number: where "
            "the file has no names, add a line with them"
        )
    for i, name in enumerate(header):
        if not name:
            names[i] = f"column_{i + 1}"
            notes.append(f"column {i + 1} has no name and is called {names[i]}")
    twice = {name: [i + 1 for i, n in enumerate(names) if n == name] for name in names}
    twice = {name: at for name, at in twice.items() if len(at) > 1}
    if twice:
        name, at = next(iter(twice.items()))
        raise DataError(
            f"{len(twice)} column names occur more than once"
            if len(twice) > 1
            else f"the column name {name!r} occurs more than once",
            got=f"{name!r} as columns {' and '.join(map(str, at))}",
            line=where,
            remedy="give each column a name of its own",
        )
    return tuple(names), notes


def _body(
    rows: Iterator[tuple[int, list[str]]], names: tuple[str, ...], source: str, delimiter: str
) -> tuple[tuple[int, ...], dict[str, tuple[str, ...]]]:
    """The rows below the header as columns; all rows must be as long as the header."""
    body = list(rows)
    if not body:
        raise DataError(
            f"{source} has a header and no rows",
            got=f"the columns {listed(names)}",
            remedy="add rows below the header line",
        )
    ragged = [(line, len(row)) for line, row in body if len(row) != len(names)]
    if ragged:
        line, fields = ragged[0]
        others = f"; the same is so of {len(ragged) - 1} more" if len(ragged) > 1 else ""
        raise DataError(
            f"the rows of {source} differ in length",
            got=f"{fields} cells where the header has {len(names)}, "
            f"read with a {DELIMITERS[delimiter]} between cells{others}",
            line=f"{source}:{line}",
            remedy="give every row one cell for each column, and quote a cell that holds "
            f"a {DELIMITERS[delimiter]}",
        )
    columns = zip(*(row for _, row in body), strict=True)
    return tuple(line for line, _ in body), dict(zip(names, columns, strict=True))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
