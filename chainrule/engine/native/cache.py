"""Object code on disk: what was compiled once is loaded in a few milliseconds.

An entry is a file named after a hash of everything that the code depends on. It is written to a
temporary file and renamed, and begins with a hash of its name and what follows, so that a torn or
foreign file is seen and made anew. The folder is kept near a size; what was used longest ago goes
first.
"""

from __future__ import annotations

import functools
import hashlib
import os
import struct
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import llvmlite

if TYPE_CHECKING:
    from chainrule.engine.native.target import Target

LIMIT = 256 * 2**20  # bytes in the folder
TIDY = "0"  # an entry whose name ends so, one in sixteen, lets the folder be looked through
MAGIC = b"chainrule\n"
NEW = ".new-"  # what the names of files begin with that are not yet written to the end
# Packages that no step of a function or of a training is made of.
APART = frozenset({"cli", "data", "diagnose", "formula", "insight", "plot", "report"})
ABANDONED = 3600  # seconds after which nobody writes to such a file any more


def folder() -> str | None:
    """Where entries lie: $CHAINRULE_CACHE, or the user's cache folder.

    None if it is "off", or where there is no home folder.
    """
    chosen = os.environ.get("CHAINRULE_CACHE")
    if chosen is not None:
        return None if chosen.lower() in ("", "0", "off", "no") else chosen
    # No pathlib here, which takes longer to load than code does.
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~\\AppData\\Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    found = os.path.expanduser(base)
    return None if found.startswith("~") else os.path.join(found, "chainrule")


@functools.cache
def version() -> str:
    """A hash that changes with the library's own source: other rules make other code.

    It is made of the names, sizes and times of the files, as Python tells whether byte code is old.
    """
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    rows, waiting = [], [root]
    with suppress(OSError):  # no folder, where Python imports from an archive
        while waiting:
            for entry in os.scandir(waiting.pop()):
                if entry.name.endswith(".py"):
                    found, path = entry.stat(), entry.path[len(root) :]
                    rows.append(f"{path} {found.st_size} {found.st_mtime_ns}")
                elif entry.is_dir(follow_symlinks=False) and entry.name not in APART:
                    waiting.append(entry.path)
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()


def key(text: str, target: Target) -> str:
    """The name of the code for a text that describes it, on a processor."""
    return named(target.triple, target.cpu, target.features, str(target.bits), text)


def named(*parts: str) -> str:
    """The name of an entry for what some texts describe, made by these versions."""
    parts = version(), llvmlite.__version__, *parts
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def load(name: str) -> bytes | None:
    """An entry, or None where there is none that is whole."""
    path = _path(name)
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    head = len(_head("", b""))
    image = data[head:]
    if data[:head] != _head(name, image):
        with suppress(OSError):
            os.unlink(path)
        return None
    with suppress(OSError):
        os.utime(path)
    return image


def store(name: str, image: bytes) -> None:
    """Keep an entry. A folder that cannot be written to is no error: it is compiled anew."""
    path = _path(name)
    if path is None:
        return
    import tempfile

    try:
        place = os.path.dirname(path)
        os.makedirs(place, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=place, prefix=NEW)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_head(name, image) + image)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        if name.endswith(TIDY):
            _shrink(place)
    except OSError:
        return


def joined(parts: Sequence[bytes]) -> bytes:
    """Several pieces as one, with their sizes in front."""
    sizes = [len(parts), *map(len, parts)]
    return struct.pack(f"<{len(sizes)}Q", *sizes) + b"".join(parts)


def parted(whole: bytes) -> list[bytes]:
    """The pieces again.

    Raises:
        ValueError: it is not what :func:`joined` made.
    """
    try:
        (count,) = struct.unpack_from("<Q", whole)
        sizes = struct.unpack_from(f"<{count}Q", whole, 8)
    except (struct.error, MemoryError, OverflowError):
        raise ValueError("no sizes in front") from None
    start, found = 8 + 8 * count, []
    for size in sizes:
        found.append(whole[start : start + size])
        start += size
    if start != len(whole):
        raise ValueError("sizes that do not fit")
    return found


def _head(name: str, image: bytes) -> bytes:
    return MAGIC + hashlib.sha256(name.encode() + b"\0" + image).digest()


def _path(name: str) -> str | None:
    place = folder()
    return None if place is None else os.path.join(place, f"{name}.o")


def _shrink(place: str) -> None:
    """Drop the entries that were used longest ago until the folder is below the limit.

    What a process left that was killed while it wrote goes first.
    """
    entries, total = [], 0
    with os.scandir(place) as found:
        for entry in found:
            with suppress(OSError):
                known = entry.stat()
                if entry.name.endswith(".o"):
                    entries.append((known.st_mtime, known.st_size, entry.path))
                    total += known.st_size
                elif entry.name.startswith(NEW) and time.time() - known.st_mtime > ABANDONED:
                    os.unlink(entry.path)
    for _, size, path in sorted(entries):
        if total <= LIMIT:
            return
        with suppress(OSError):
            os.unlink(path)
        total -= size
