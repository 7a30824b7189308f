"""The nodes of a tape in columns, so that NumPy looks at all of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, compress
from operator import attrgetter
from typing import Any

import numpy as np

from chainrule.elementary.base import Pointwise
from chainrule.elementary.indexing import Index
from chainrule.graph import Node
from chainrule.sweeps import Sweep

_ARGS, _FN, _VALUE = map(attrgetter, ("args", "fn", "value"))
_FLOATS = (float, np.float64)
_PLAIN = (int, str, slice, type, np.generic, np.dtype)


class Columns:
    """Functions, types and arguments of nodes.

    Args:
        nodes: those of a tape, from its beginning.
        outputs: nodes, or constant values.
        sweeps: those that were made.

    Attributes:
        functions, types: those that there are.
        fn, kind: for each node the numbers of its function and of the type of its value.
        count, start: how many arguments it has, and where they begin in ``args``.
        args: each argument: the position of a node, −1 for a constant.
        constants, kinds: the constants among them, and the numbers of their types.
        params: of the nodes that have some, by their positions.
        outputs: each output: the position of a node, or a constant in a tuple.
        sweeps: where each began, its number of inputs, and from which node it went.
    """

    def __init__(
        self, nodes: Sequence[Node], outputs: Sequence[Any], sweeps: Iterable[Sweep] = ()
    ) -> None:
        self.functions, self.fn = _numbered(list(map(_FN, nodes)))
        arity = [len(fn.partials) if type(fn) is Pointwise else -1 for fn in self.functions]
        self.count = np.array(arity, np.int32)[self.fn]
        others = [(i, nodes[i]) for i in np.flatnonzero(self.count < 0).tolist()]
        self.count[self.count < 0] = [len(node.args) for _, node in others]
        self.start = np.cumsum(self.count, dtype=np.int32) - self.count
        flat = list(chain.from_iterable(map(_ARGS, nodes)))
        positions = (a.index if isinstance(a, Node) else -1 for a in flat)
        self.args = np.fromiter(positions, np.int32, len(flat))
        self.constants = [flat[k] for k in np.flatnonzero(self.args < 0).tolist()]
        del flat
        self.types, kinds = _numbered(list(map(type, chain(map(_VALUE, nodes), self.constants))))
        self.kind, self.kinds = kinds[: len(nodes)], kinds[len(nodes) :]
        self.params = {i: node.params for i, node in others if node.params}
        self.outputs: list[Any] = [y.index if isinstance(y, Node) else (y,) for y in outputs]
        self.sweeps = [(sweep.start, sweep.inputs, sweep.seed) for sweep in sweeps]

    def cut(self, sweeps: Iterable[Sweep]) -> None:
        """Let go of the steps of reverse sweeps: what they found is there as if it was given."""
        kept, given = np.ones(len(self.fn), bool), np.zeros(len(self.fn), bool)
        for sweep in sweeps:
            kept[sweep.begin : sweep.end] = False
            given[list(sweep.values)] = True
        kept |= given
        number = np.append(np.where(kept, np.cumsum(kept) - 1, -2), -1)  # −1 stays −1
        left = np.repeat(kept & ~given, self.count)
        constant = left[self.args < 0]
        self.fn = np.where(given, self.functions.index(None), self.fn)[kept]
        self.kind = self.kind[kept]
        self.count = np.where(given, 0, self.count)[kept]
        self.args = number[self.args[left]]
        self.constants = list(compress(self.constants, constant.tolist()))
        self.kinds = self.kinds[constant]
        whole = (kept & ~given).tolist()
        self.params = {int(number[i]): p for i, p in self.params.items() if whole[i]}
        self.outputs = [y if type(y) is tuple else int(number[y]) for y in self.outputs]
        self.sweeps = [(int(number[a]), inputs, int(number[y])) for a, inputs, y in self.sweeps]

    def is_same(self, other: Columns) -> bool:
        """Are all nodes and outputs surely the same?"""
        return (
            len(self.fn) == len(other.fn)
            and self.sweeps == other.sweeps
            and np.array_equal(self.count, other.count)
            and np.array_equal(self.args, other.args)
            and _are_same(self.functions, self.fn, other.functions, other.fn)
            and _are_same(self.types, self.kind, other.types, other.kind)
            and _are_same(self.types, self.kinds, other.types, other.kinds)
            and _floats(self.constants) == _floats(other.constants)
            and all(map(equal, _others(self.constants), _others(other.constants)))
            and self.params.keys() == other.params.keys()
            and all(equal(params, other.params[i]) for i, params in self.params.items())
            and len(self.outputs) == len(other.outputs)
            and all(map(equal, self.outputs, other.outputs))
        )


def _numbered(items: list[Any]) -> tuple[list[Any], np.ndarray]:
    """The distinct ones of some items, and the number that each item has among them."""
    number = {x: k for k, x in enumerate(dict.fromkeys(items))}
    return list(number), np.fromiter(map(number.__getitem__, items), np.int32, len(items))


def _are_same(one: list[Any], numbers: np.ndarray, two: list[Any], others: np.ndarray) -> bool:
    """Do numbers stand for the same items, in two numberings?"""
    known = {x: k for k, x in enumerate(one)}
    place = np.array([known.get(x, -1) for x in two], np.int32)
    return np.array_equal(numbers, place[others])


def _floats(constants: list[Any]) -> bytes:
    return np.array([x for x in constants if type(x) in _FLOATS]).tobytes()


def _others(constants: list[Any]) -> list[Any]:
    return [x for x in constants if type(x) not in _FLOATS]


def equal(a: Any, b: Any) -> bool:
    """Are two constants, or parameters, surely the same?"""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, Index):
        return equal(a.key, b.key)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(x, b[key]) for key, x in a.items())
    if isinstance(a, (float, np.floating, np.ndarray)):
        x, y = np.asarray(a), np.asarray(b)
        return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
    return isinstance(a, _PLAIN) and bool(a == b)


__all__ = ["Columns", "equal"]
