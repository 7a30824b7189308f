"""How much a group has to do: whether threads share it, and about how long it takes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

from chainrule.engine.native import nesting, pieces, ufuncs
from chainrule.engine.native.accesses import divisible
from chainrule.engine.native.assembling import Tape
from chainrule.engine.native.correlations import Correlation
from chainrule.engine.native.groups import ALONE, Group, Grouping, space_of
from chainrule.engine.native.products import Product, product_of
from chainrule.engine.native.repertoire import REDUCTIONS, RUNNING, SIMPLE
from chainrule.engine.native.running import shared_rows
from chainrule.engine.native.stacks import Stack, stack_of
from chainrule.engine.native.target import Target
from chainrule.engine.native.weight_correlations import WeightCorrelation
from chainrule.engine.program import POLYGAMMA, Op

SPLIT = 8e-6  # seconds of a group that are worth splitting
# What takes such a part of a run together, if a run takes so many seconds, need not have good code.
BRIEF, LONG = 0.01, 100e-6
# Seconds, about. Of a vector of multiplications in a product, and of a product besides.
PRODUCT, BEGIN = 0.25e-9, 10e-9
# Of a byte that is read or written, and of one beyond so many as the caches hold.
NEAR, FAR, CACHE = 0.025e-9, 0.1e-9, 2**24
# Of an element, or row, by itself: that is in few bytes, that is looked for in many.
ONE, LOST, FEW = 1e-9, 8e-9, 2**22
# Of a vector of results, for each byte of one of them: by a simple step, a division, a function.
STEP, DIVISION, FUNCTION, SPECIAL = 0.02e-9, 0.4e-9, 2e-9, 15e-9
CHEAP = SIMPLE | REDUCTIONS | {
    "ceil", "copysign", "deg2rad", "floor", "fmax", "fmax_constant", "fmin", "fmin_constant",
    "heaviside", "index_put", "isfinite", "isinf", "isnan", "leaky_relu", "pad", "rad2deg", "relu",
    "rint", "scatter", "signbit", "take", "trunc", "within",
}  # fmt: skip
RATES = {
    **dict.fromkeys(CHEAP | RUNNING, STEP),
    **dict.fromkeys(("divide", "floor_divide", "fmod", "mod", "reciprocal", "sqrt"), DIVISION),
    **dict.fromkeys(("digamma", "gammaln", "norm_cdf", "power", *POLYGAMMA.values()), SPECIAL),
}


class Work:
    """The work of the groups of a program on a processor.

    Args:
        grouping: the groups.
        target: the processor.
        tapes: the instructions of those that are tapes.
    """

    def __init__(self, grouping: Grouping, target: Target, tapes: Mapping[Group, Tape]) -> None:
        self.layout, self.target, self.tapes = grouping.layout, target, tapes
        self.groups = grouping.groups
        self._split: dict[Group, bool] = {}

    def spec(self, group: Group) -> Product | Correlation | WeightCorrelation:
        """What a group of the kind "product" begins with."""
        head = group.head
        assert head is not None
        if head.name != "matmul":
            kind = Correlation if head.name == "correlate2d" else WeightCorrelation
            return kind(head.params["geometry"], head.shape[1], head.kind)
        return product_of(head, self.layout)

    def scratch(self, group: Group) -> int:
        """Bytes that each thread needs while it works on a group, for itself if not in pieces."""
        if group.kind == "stack":
            return self.stack(group).product.scratch(self.target)
        if group.kind == "loop":
            return pieces.bytes_of(group) if self.in_pieces(group) else 0
        return self.spec(group).scratch(self.target) if group.kind == "product" else 0

    def in_pieces(self, group: Group) -> bool:
        """Do threads leave sums of pieces in memory that they have in common, to be added up?"""
        if group.kind == "loop":
            return self.is_split(group) and not divisible(group)
        if group.kind != "product":
            return False
        spec = self.spec(group)
        return isinstance(spec, WeightCorrelation) and spec.pieces(self.target) > 1

    def copies(self, group: Group, threads: int) -> int:
        """How many times there is the memory that a group needs while it is worked on."""
        return threads if self.is_split(group) and not self.in_pieces(group) else 1

    def stack(self, group: Group) -> Stack:
        """The products of a group of the kind "stack"."""
        assert group.head is not None
        return stack_of(group.head, self.layout)

    def is_split(self, group: Group) -> bool:
        """Is a group worth splitting among threads?"""
        known = self._split.get(group)
        if known is None:
            known = self._split[group] = self._is_split(group)
        return known

    def _is_split(self, group: Group) -> bool:
        if group.kind == "control":
            return nesting.of(group).is_shared
        if group.kind == "product":
            can = self.spec(group).parts(self.target)[0] > 1
        elif group.kind == "take":
            can = group.ops[0].name == "take" or shared_rows(group.ops[0]) > 1
        elif group.kind == "loop":
            can = divisible(group) or pieces.pays(group)
        else:
            can = group.kind in ("stack", "rows")
        return can and self.seconds(group) > SPLIT

    def shared(self) -> float:
        """About how long one thread takes for what threads may share."""
        return sum(self.seconds(group) for group in self.groups if self.is_split(group))

    def alone(self) -> float:
        """The same of NumPy's loops: LAPACK has threads of its own, which waiting ones disturb."""
        return sum(self.seconds(group) for group in self.groups if group.kind == "ufunc")

    def seconds(self, group: Group) -> float:
        """About how long a group takes in one thread."""
        if group.kind in ("product", "stack"):
            whole = self.spec(group) if group.kind == "product" else self.stack(group)
            first = group.ops[0]
            vectors = whole.multiplications / self.target.lanes(first.kind)
            moved = whole.size * first.dtype.itemsize if isinstance(whole, (Product, Stack)) else 0
            count = whole.count if isinstance(whole, Stack) else 1
            found = max(vectors * PRODUCT, _moving(moved)) + count * BEGIN
            return found + self._steps(group.ops[1:])
        if group.kind == "tape":
            return self.tapes[group].seconds
        if group.kind == "ufunc":
            return ufuncs.seconds(group.ops[0])
        if group.kind == "control":
            return nesting.of(group).seconds
        size = max((math.prod(space_of(op)) for op in group.ops), default=0)
        if group.kind == "take":
            size = max(a.size for a in (group.ops[0], *group.ops[0].sources()))
        read = {self.layout(a).root for op in group.ops for a in op.sources()} - set(group.ops)
        moved = sum(min(op.size, size) * op.dtype.itemsize for op in [*read, *group.stored])
        return max(self._steps(group.ops), _moving(moved)) + sum(map(self._apart, group.ops))

    def brief(self, groups: Sequence[Group]) -> set[Group]:
        """The groups that are such a small part of a run that their code need not be good.

        No products: of all code theirs suffers most.
        """
        seconds = {group: self.seconds(group) for group in groups}
        whole = sum(seconds.values())
        if whole < LONG:
            return set()
        others = (group for group in groups if group.kind not in ("product", "stack"))
        ordered = sorted(others, key=seconds.__getitem__)
        together = itertools.accumulate(seconds[group] for group in ordered)
        return {group for group, x in zip(ordered, together, strict=True) if x < BRIEF * whole}

    def _steps(self, ops: Iterable[Op]) -> float:
        """About how long steps take that are done for each number."""
        found = 0.0
        for op in ops:
            vectors = math.prod(space_of(op)) / self.target.lanes(op.kind)
            found += vectors * op.dtype.itemsize * RATES.get(op.name, FUNCTION)
        return found

    def _apart(self, op: Op) -> float:
        """About how long it takes to find what does not lie side by side, or comes one by one."""
        if op.name in RUNNING:
            return op.size * ONE
        if op.name in ALONE:
            array = op.args[0] if op.name == "take" else op
            few = array.size * array.dtype.itemsize <= FEW
            return op.sources()[-1].size * (ONE if few else LOST)
        steps = [s for a in op.sources() for s in self.layout(a).strides[-1:]]
        return op.size * ONE / 2 if any(s > 1 for s in steps) else 0.0


def _moving(size: float) -> float:
    """About how long it takes to read or write so many bytes."""
    return size * NEAR + max(size - CACHE, 0) * (FAR - NEAR)


__all__ = ["Work"]
