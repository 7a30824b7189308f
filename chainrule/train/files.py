"""Files that are whole or not there, and trees of arrays in them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.errors import ArgumentError
from chainrule.nn.naming import user_line

if TYPE_CHECKING:
    from pathlib import Path

# What safetensors and these files can hold.
_DTYPES = ("float64", "float32", "float16", "int64", "int32", "int16", "int8",
           "uint64", "uint32", "uint16", "uint8", "bool")  # fmt: skip


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place, have it on the disk, and move it there.

    Whoever reads the path sees the old file or the new one, whatever happens in between.

    Raises:
        ArgumentError: the file cannot be written.
    """
    import tempfile

    folder = path.absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=f".{path.name}-", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(beside, 0o666 & ~_umask())
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
        sync_folder(folder)
    except OSError as error:
        raise ArgumentError(
            f"{path} cannot be written",
            got=error.strerror or type(error).__name__,
            line=user_line(),
            remedy="make room there, or choose another place",
        ) from None


def _umask() -> int:
    """What new files are not allowed to be; reading it means setting it for a moment."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def sync_folder(folder: Path) -> None:
    """Have the names of a folder's files on the disk, where the system knows how."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def pack(tree: Any, tensors: dict[str, np.ndarray]) -> Any:
    """A tree as JSON, its arrays put into ``tensors`` and referred to by name.

    Args:
        tree: dicts with text as keys, lists, tuples, text, numbers, None and arrays.

    >>> tensors = {}
    >>> pack({"w": np.zeros(2), "step": 3}, tensors), list(tensors)
    ({'dict': {'w': {'array': '0'}, 'step': 3}}, ['0'])
    """
    if tree is None or type(tree) in (bool, int, float, str):
        return tree
    if isinstance(tree, dict):
        return {"dict": {str(key): pack(part, tensors) for key, part in tree.items()}}
    if isinstance(tree, (list, tuple)):
        return {"list": [pack(part, tensors) for part in tree]}
    array = np.array(tree, order="C")
    if array.dtype.name not in _DTYPES:
        raise TypeError(f"{type(tree).__name__} has no place in a file: {tree!r}"[:200])
    name = str(len(tensors))
    tensors[name] = array
    return {"array": name}


def unpack(content: Any, tensors: dict[str, np.ndarray]) -> Any:
    """What `pack` had packed; tuples come back as lists."""
    if not isinstance(content, dict):
        return content
    [(kind, inside)] = content.items()
    if kind == "array":
        return tensors[inside]
    if kind == "list":
        return [unpack(part, tensors) for part in inside]
    return {key: unpack(part, tensors) for key, part in inside.items()}
