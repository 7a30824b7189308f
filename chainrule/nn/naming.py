"""Looking things up by name, with the nearest name suggested for one that does not exist."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from types import FrameType
from typing import Any

from chainrule.errors import ArgumentError, code_line
from chainrule.graph import user_code


def user_line() -> str:
    """The user's line that led here, beyond the ``__init__`` that dataclasses make from text."""
    for depth in range(2, 50):
        code, instruction = user_code(depth)
        if (code.co_filename, code.co_name) != ("<string>", "__init__"):
            return code_line(code, instruction)
    return ""


def warn(text: str) -> None:
    """Warn at the user's line that led here."""
    frame: FrameType | None = sys._getframe(1)
    level = 2
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] == "chainrule":
        frame, level = frame.f_back, level + 1
    warnings.warn(text, UserWarning, stacklevel=level)


def lookup(kind: str, name: Any, table: Mapping[str, Any], also: str = "") -> Any:
    """The entry of a table, whatever the case of the name.

    Args:
        kind: what is looked up, for the message: "loss", "activation".
        name: as the user wrote it.
        table: entries by their lower-case names.
        also: what may be given instead of a name, for the message.

    Raises:
        ArgumentError: there is no such name; the message has the nearest one, or all of them.

    >>> lookup("loss", "MSE", {"mse": 1, "mae": 2})
    1
    """
    key = name.lower() if isinstance(name, str) else ""
    if key in table:
        return table[key]
    import difflib

    near = difflib.get_close_matches(key, table, 1, cutoff=0.6) if key else []
    names = f"'{near[0]}'" if near else f"one of {', '.join(table)}"
    raise ArgumentError(
        f"unknown {kind}",
        got=repr(name),
        line=user_line(),
        remedy=f"{'did you mean' if near else 'use'} {names}{'?' if near else ''}"
        + (f" Or give {also}" if also and near else f", or {also}" if also else ""),
    )
