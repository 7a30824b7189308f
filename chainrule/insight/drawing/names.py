"""The variable that a step's value was assigned to in the user's code: ``h`` in ``h = tanh(z)``.

Most are read off the code after the fact, at no cost. What a function of the user's returns is
stored by its caller, which is seen only while the function runs (`Returns`).
"""

from __future__ import annotations

import dis
import sys
from bisect import bisect_right
from collections.abc import Sequence
from types import CodeType, FrameType
from typing import Any

from chainrule.graph import Node, is_users

_STORES = ("STORE_FAST", "STORE_NAME", "STORE_DEREF", "STORE_GLOBAL")


def assigned_names(nodes: Sequence[Node]) -> dict[int, str]:
    """For the position of a node, the variable that the user's line stored it in.

    It is read off the code: the instruction after the one that made the node stores its result.
    Where one instruction made several nodes (``cr.softmax(z)``), the last one is its result.

    >>> import chainrule as cr
    >>> def f(x):
    ...     half = x / 2
    ...     return half * half
    >>> assigned_names(cr.trace(f)(3.0).nodes)
    {1: 'half'}
    """
    stores = _Stores()
    found: dict[int, str] = {}
    for node, following in zip(nodes, [*nodes[1:], None], strict=False):
        code = node.code
        if code is None or node.fn is None:
            continue
        if following is not None and following.code is code and following.lasti == node.lasti:
            continue
        name = stores.after(code, node.lasti)
        if name:
            found[node.index] = name
    return found


class _Stores:
    """Which instructions of codes store a value in a variable."""

    def __init__(self) -> None:
        self._found: dict[CodeType, tuple[list[int], dict[int, str]]] = {}

    def after(self, code: CodeType, lasti: int) -> str:
        """The variable that the instruction after another one stores in, or ""."""
        if code not in self._found:
            instructions = list(dis.get_instructions(code))
            names = {i.offset: _stored(i) for i in instructions}
            self._found[code] = [i.offset for i in instructions], names
        offsets, names = self._found[code]
        # lasti may lie behind the beginning of a call, in what the interpreter caches for it.
        following = bisect_right(offsets, lasti)
        return names[offsets[following]] if following < len(offsets) else ""


def _stored(instruction: dis.Instruction) -> str:
    if instruction.opname in _STORES:
        return str(instruction.argval)
    if instruction.opname.startswith("STORE_FAST_"):  # two instructions in one, from 3.13 on
        return str(instruction.argval[0]) if isinstance(instruction.argval, tuple) else ""
    return ""


class Returns:
    """While it is entered, notes the variables that callers store the results of functions in.

    For ``p = sigmoid(z)`` with a ``sigmoid`` of the user's, the node that it returns is ``p``. A
    profiler that runs already is left alone, and then nothing is noted.

    Attributes:
        names: by the identity of a node, its variable; that of the outermost call.
    """

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self._stores = _Stores()

    def __enter__(self) -> Returns:
        self._idle = sys.getprofile() is not None
        if not self._idle:
            sys.setprofile(self._happened)
        return self

    def __exit__(self, *error: object) -> None:
        if not self._idle:
            sys.setprofile(None)

    def _happened(self, frame: FrameType, event: str, arg: Any) -> None:
        if event != "return" or not isinstance(arg, Node) or frame.f_back is None:
            return
        caller = frame.f_back.f_code
        if is_users(frame.f_code) and is_users(caller):
            name = self._stores.after(caller, frame.f_back.f_lasti)
            if name:
                self.names[id(arg)] = name
