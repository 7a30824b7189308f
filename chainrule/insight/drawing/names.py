"""The variable that a step's value was assigned to in the user's code: ``h`` in ``h = tanh(z)``."""

from __future__ import annotations

import dis
from collections.abc import Sequence
from itertools import pairwise
from types import CodeType

from chainrule.graph import Node

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
    stores: dict[CodeType, dict[int, str]] = {}
    found: dict[int, str] = {}
    for node, following in zip(nodes, [*nodes[1:], None], strict=False):
        code = node.code
        if code is None or node.fn is None:
            continue
        if following is not None and following.code is code and following.lasti == node.lasti:
            continue
        if code not in stores:
            stores[code] = _stores(code)
        if node.lasti in stores[code]:
            found[node.index] = stores[code][node.lasti]
    return found


def _stores(code: CodeType) -> dict[int, str]:
    """For each instruction that is followed by a store, the variable."""
    found = {}
    for now, following in pairwise(dis.get_instructions(code)):
        if following.opname in _STORES:
            found[now.offset] = str(following.argval)
        elif following.opname.startswith("STORE_FAST_"):  # two instructions in one, from 3.13 on
            first = following.argval[0] if isinstance(following.argval, tuple) else ""
            if first:
                found[now.offset] = str(first)
    return found
