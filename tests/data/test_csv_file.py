"""Reading CSV: what is accepted, and the text of every refusal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chainrule.data import read_csv, read_text
from chainrule.errors import ArgumentError, DataError


def refused(path: Path, content: bytes, **options: str) -> str:
    """The message with which a file of this content is refused, its folder left out."""
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_csv(path, **options)
    return str(caught.value).replace(f"{path.parent}{os.sep}", "")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "t.csv"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found(file: Path, delimiter: str) -> None:
    file.write_text(f"a b{delimiter}c\n1{delimiter} x \n\n2{delimiter}y z\n")
    table = read_csv(file)
    assert table.delimiter == delimiter
    assert table.cells == {"a b": ("1", "2"), "c": ("x", "y z")}
    assert table.lines == (2, 4)


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_data(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfa,b\r\n1,caf\xc3\xa9\r\n")
    assert read_csv(file).cells == {"a": ("1",), "b": ("café",)}


def test_quoted_cells_hold_delimiters_quotes_and_line_ends() -> None:
    table = read_text('a,b\n"1,2","x ""y""\nz"\n3,4\n')
    assert table.cells == {"a": ("1,2", "3"), "b": ('x "y"\nz', "4")}
    assert table.lines == (2, 4)


def test_the_encoding_can_be_named(file: Path) -> None:
    file.write_bytes("a,b\n1,é\n".encode("cp1252"))
    assert read_csv(file, encoding="cp1252").column("b") == ("é",)
    with pytest.raises(ArgumentError, match="no such text encoding"):
        read_csv(file, encoding="klingon")


def test_a_delimiter_that_is_none() -> None:
    with pytest.raises(ArgumentError, match=r"(?s)comma, a semicolon or a tab.*received: '\|'"):
        read_text("a|b\n1|2\n", delimiter="|")


def test_a_missing_file_suggests_its_neighbour(file: Path) -> None:
    file.with_name("patients.csv").write_text("a\n1\n")
    with pytest.raises(DataError) as caught:
        read_csv(file.with_name("patient.csv"))
    assert str(caught.value) == (
        f"there is no file {file.parent}/patient.csv\n"
        f"  received: a path below {file.parent}\n"
        "  remedy:   did you mean 'patients.csv'?"
    )


def test_a_directory_names_the_tables_in_it(file: Path) -> None:
    file.write_text("a\n1\n")
    with pytest.raises(DataError) as caught:
        read_csv(file.parent)
    assert str(caught.value) == (
        f"{file.parent} is a directory, not a CSV file\n"
        "  received: a directory with t.csv\n"
        f"  remedy:   name a file in it: {file}"
    )


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b" \n\n"])
def test_an_empty_file(file: Path, content: bytes) -> None:
    assert refused(file, content) == (
        "t.csv is empty\n"
        "  received: a file without text\n"
        "  remedy:   give a CSV file: a header line with the column names, then one line a row"
    )


def test_a_header_without_rows(file: Path) -> None:
    assert refused(file, b"age,sex\n\n") == (
        "t.csv has a header and no rows\n"
        "  received: the columns age, sex\n"
        "  remedy:   add rows below the header line"
    )


def test_ragged_rows_name_the_first_line(file: Path) -> None:
    assert refused(file, b"a,b,c\n1,2,3\n\n4,5\n6,7,8,9\n") == (
        "the rows of t.csv differ in length\n"
        "  received: 2 cells where the header has 3, read with a comma between cells; "
        "the same is so of 1 more\n"
        "  at:       t.csv:4\n"
        "  remedy:   give every row one cell for each column, and quote a cell that holds a comma"
    )


def test_bytes_that_are_not_utf8(file: Path) -> None:
    assert refused(file, b"name,n\nana,1\ncaf\xe9,2\n") == (
        "t.csv is not text in utf-8\n"
        "  received: byte 0xe9 at offset 16\n"
        "  at:       t.csv:3\n"
        "  remedy:   save the file as UTF-8, or name its encoding: encoding='cp1252' "
        "(command line: --encoding cp1252)"
    )
    assert "--encoding utf-16" in refused(file, "a,b\n1,2\n".encode("utf-16"))


def test_a_spreadsheet(file: Path) -> None:
    assert refused(file, b"PK\x03\x04\x14\x00") == (
        "t.csv is not a CSV file\n"
        "  received: a spreadsheet or a ZIP archive, by its first bytes\n"
        "  remedy:   save it as CSV (UTF-8) from the spreadsheet program"
    )


def test_duplicate_column_names(file: Path) -> None:
    assert refused(file, b"age,sex,age\n1,2,3\n") == (
        "the column name 'age' occurs more than once\n"
        "  received: 'age' as columns 1 and 3\n"
        "  at:       t.csv:1\n"
        "  remedy:   give each column a name of its own"
    )


def test_a_missing_header(file: Path) -> None:
    assert refused(file, b"1,2.5\n3,4\n") == (
        "the first line holds numbers where the column names should be\n"
        "  received: '1', '2.5'\n"
        "  at:       t.csv:1\n"
        "  remedy:   add a first line with a name for each column"
    )


def test_a_header_all_in_quotes() -> None:
    """As R and others write it: no other delimiter than the true one makes sense of it."""
    table = read_text('"x, y";"b"\n"1,5";2\n')
    assert table.names == ("x, y", "b")
    assert table.numbers("x, y").tolist() == [1.5]
    assert read_text('"x","b"\n1,2\n').names == ("x", "b")


def test_an_unclosed_quote_names_the_line_it_opens_on(file: Path) -> None:
    assert refused(file, b'a,b\n1,2\n3,"4\n5,6\n') == (
        "a row of t.csv cannot be read as CSV\n"
        "  received: unexpected end of data\n"
        "  at:       t.csv:3\n"
        "  remedy:   close every quote, and double a quote inside a quoted cell"
    )


def test_a_column_without_a_name_gets_one_and_that_is_said() -> None:
    table = read_text(",a\n1,2\n")
    assert table.names == ("column_1", "a")
    assert table.notes == ("column 1 has no name and is called column_1",)


def test_a_first_line_that_looks_like_data() -> None:
    [note] = read_text("0.126,y,yes\n0.3,x,no\n").notes
    assert "taken for the column names, and '0.126' is a number" in note
    assert read_text("0,1,label\n0.3,4,no\n").notes == ()  # pixels by number
