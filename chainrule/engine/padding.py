"""Padded results of a few steps, computed where they are read instead of stored.

The gradient of x[1:] − x[:-1]² adds up padded arrays. Stored first and padded when read, each of
them is a pass through memory. Here pad(f(a, b)) becomes f(pad(a), pad(b)) with zeros outside: a and
b are read at shifted places, and the steps are done over in the loop that wants them.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from chainrule.engine.building import Builder
from chainrule.engine.program import Op, Program

CHEAP = frozenset(
    {
        "add", "subtract", "multiply", "divide", "negative", "square", "absolute", "where", "copy",
        "maximum", "minimum", "reciprocal", "sqrt", "greater", "greater_equal", "less",
        "less_equal", "equal", "not_equal", "sign",
    }
)  # fmt: skip
FEW = 16  # elements, which are done in one go whatever they are
MOST = 16  # steps that are done over for one padded array
Bounds = tuple[tuple[int, ...], tuple[int, ...]]  # where the elements begin, and how many there are


def sunk(program: Program, build: Builder) -> Program:
    """The same program with padded arrays computed where they are read, if that is cheap.

    A sum over what a padded array is made from goes through the padded array's space as well, so
    that one loop does both.
    """
    readers = program.readers()
    results = {y for y in program.outputs if isinstance(y, Op)}
    places: dict[Op, tuple[Bounds, tuple[int, ...]]] = {}  # a step -> where it is done over
    chosen: set[Op] = set()
    for op in program.ops:
        if op.name != "pad" or op in results or op.dtype.kind != "f":
            continue
        if FEW < op.size >= 2 * op.args[0].size:  # most would be done for nothing
            continue
        chain = _chain(op.args[0])
        if chain and all(y.is_pointwise and y.name != "pad" for y in readers.get(op, ())):
            chosen.add(op)
            place = (op.params["lows"], op.params["counts"]), op.shape
            for step in chain:
                if step not in places or not any(place[0][0]):
                    places[step] = place
    if not chosen:
        return program
    sinking = _Sinking(build)
    for op in program.ops:
        if op in chosen:
            bounds = op.params["lows"], op.params["counts"]
            sinking.new[op] = sinking.within(op.args[0], bounds, op.shape, 0.0)
        elif op.name == "sum" and op.args[0] in _summed(op, places):
            place = places[_summed(op, places)[op.args[0]]]
            y = sinking.within(op.args[0], *place, -0.0)
            sinking.new[op] = build.op("sum", (y,), op.shape, op.dtype, **op.params)
        else:
            sinking.new[op] = sinking.renewed(op)
    outputs = [sinking.new[y] if isinstance(y, Op) else y for y in program.outputs]
    return Program([sinking.new[x] for x in program.inputs], outputs)


def _chain(op: Op) -> list[Op]:
    """The cheap steps that an operation is made of, none where it is not worth doing over."""
    found: dict[Op, None] = {}
    waiting = [op]
    while waiting:
        step = waiting.pop()
        if step in found or not _is_step(step, op):
            continue
        found[step] = None
        waiting += step.sources()
        if any(a.shape not in ((), op.shape) for a in step.sources()):
            return []
    return list(found) if len(found) <= MOST else []


def _is_step(step: Op, last: Op) -> bool:
    return step.name in CHEAP and step.shape == last.shape and step.dtype.kind in "fb"


def _summed(op: Op, places: dict[Op, Any]) -> dict[Op, Op]:
    """What a sum adds up → one of its steps that is done over elsewhere, if there is one."""
    given = op.args[0]
    if op.dtype.kind != "f" or op.shape != ():
        return {}
    common = Counter(places[step] for step in _chain(given) if step in places)
    if not common:
        return {}
    best = common.most_common(1)[0][0]
    return {given: next(step for step in _chain(given) if places.get(step) == best)}


class _Sinking:
    """Makes the operations of the new program.

    Attributes:
        new: an operation of the old program → the one of the new.
    """

    def __init__(self, build: Builder) -> None:
        self.build = build
        self.new: dict[Op, Any] = {}
        self._moved: dict[Any, Any] = {}

    def renewed(self, op: Op) -> Op:
        """An operation with the new arguments."""
        args = tuple(self.new.get(a, a) for a in op.args)
        if all(a is b for a, b in zip(args, op.args, strict=True)):
            return op
        self.build.node = op.node
        return self.build.op(op.name, args, op.shape, op.dtype, **op.params)

    def within(self, op: Op, bounds: Bounds, shape: tuple[int, ...], outside: float) -> Any:
        """An operation done over in a larger space, with a number outside of the bounds."""
        moved = self._shifted(op, bounds, shape, op)
        lows, counts = bounds
        self.build.node = op.node
        return self.build.op(
            "within", (moved,), shape, op.dtype, lows=lows, counts=counts, outside=outside
        )

    def _shifted(self, op: Any, bounds: Bounds, shape: tuple[int, ...], last: Op) -> Any:
        if getattr(op, "shape", ()) == ():
            return self.new.get(op, op)
        key = op, bounds, shape
        if key not in self._moved:
            if _is_step(op, last):
                args = [self._shifted(a, bounds, shape, last) for a in op.args]
                self.build.node = op.node
                made = self.build.op(op.name, args, shape, op.dtype, **op.params)
            else:
                lows, counts = bounds
                source = self.new.get(op, op)
                made = self.build.op("pad", (source,), shape, op.dtype, lows=lows, counts=counts)
            self._moved[key] = made
        return self._moved[key]


__all__ = ["sunk"]
