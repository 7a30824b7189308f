"""What a compiled program consists of: its kernels, their work, and how long each takes."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from chainrule.engine.native import nesting
from chainrule.engine.native.compiler import Compiled
from chainrule.engine.native.groups import Group, space_of
from chainrule.engine.native.repertoire import SIMPLE
from chainrule.engine.native.roofline import Roofline, roofline
from chainrule.records import dataclass

FUNCTION = 20  # operations of an exponential function and its like, about


@dataclass(frozen=True)
class Kernel:
    """One kernel.

    Attributes:
        kind: "product", "loop", "take", "ufunc" (a loop of NumPy's), "control" (a
            branch or loop) or "numpy".
        space: what it works through.
        steps: the elementary functions in it.
        line: the user's line that its first step comes from.
        operations: arithmetic operations, a function counted as one.
        bytes: what it reads and writes.
        seconds: how long it takes, measured in one thread or as many as it is split among.
        estimate: the least time that one thread needs, by the processor's roofline; for a tape
            what its instructions take, for a loop of NumPy's, a branch or a loop about what it
            takes; None for steps that NumPy does.
    """

    kind: str
    space: tuple[int, ...]
    steps: tuple[str, ...]
    line: str
    operations: int
    bytes: int
    seconds: float
    estimate: float | None = None

    @property
    def rate(self) -> float:
        """10⁹ operations a second."""
        return self.operations / self.seconds / 1e9 if self.seconds else math.inf


class Report(tuple[Kernel, ...]):
    """The kernels in the order in which they run; prints as a table.

    Attributes:
        roof: the limits of the processor.
        summary: what the program has become.
    """

    roof: Roofline
    summary: str

    def __str__(self) -> str:
        total = sum(k.seconds for k in self)
        lines = [f"{'µs':>9} {'least':>9} {'%':>5} {'Gop/s':>7} {'GB/s':>6}  kernel"]
        for k in self:
            share = 100 * k.seconds / total if total else 0.0
            speed = k.bytes / k.seconds / 1e9 if k.seconds else math.inf
            least = "–" if k.estimate is None else f"{k.estimate * 1e6:.1f}"
            what = f"{k.kind} {'×'.join(map(str, k.space)) or '1'}  {_in_short(k.steps)}"
            row = (
                f"{k.seconds * 1e6:9.1f} {least:>9} {share:5.1f} {k.rate:7.1f} {speed:6.1f}  {what}"
            )
            lines.append(row if len(row) <= 110 else row[:109] + "…")
        roof = self.roof
        return "\n".join([
            *lines,
            f"{total * 1e6:9.1f} in all, measured one by one",
            f"one thread reaches {roof.float32 / 1e9:.0f} Gop/s in float32, "
            f"{roof.float64 / 1e9:.0f} in float64, and reads {roof.near / 1e9:.0f} GB/s from its "
            f"caches, {roof.far / 1e9:.0f} from memory",
            self.summary,
        ])  # fmt: skip


def _in_short(steps: Sequence[str]) -> str:
    """The steps in their order, or, of a long tape, how many there are of each."""
    if len(steps) <= 100:
        return " ".join(steps)
    return ", ".join(f"{n:,} {name}" for name, n in Counter(steps).most_common())


def report(compiled: Compiled, values: Sequence[Any], repeats: int = 20) -> Report:
    """Measure each kernel of a program by itself at some values of the inputs.

    Args:
        compiled: the program.
        values: of the inputs.
        repeats: how often each runs; the quickest counts, since other work can only add to it.
    """
    apart = Compiled(compiled.original, compiled.target, apart=True)
    times: list[list[float]] = [[] for _ in apart.stretches]

    def timed(index: int, run: Any) -> None:
        began = time.perf_counter()
        run()
        times[index].append(time.perf_counter() - began)

    for _ in range(repeats):
        apart.call(values, timed)
    empty = 0.3e-6  # of a call by itself
    kernels = []
    for stretch, found in zip(apart.stretches, times, strict=True):
        group = stretch.groups[0]
        seconds = max(min(found) - empty, 1e-8)
        kernels.append(_kernel(group, apart, seconds))
    made = Report(kernels)
    made.roof, made.summary = roofline(compiled.target), compiled.summary()
    return made


def _kernel(group: Group, compiled: Compiled, seconds: float) -> Kernel:
    grouping = compiled.grouping
    first = group.ops[0]
    line = first.node.line if first.node is not None else ""
    if first.name == "stretch":
        line = first.params["steps"].line(0)
    steps, work = _steps(group, compiled)
    touched: dict[Any, int] = {}
    stored = set(group.stored)
    for op in group.ops:
        for a in op.sources():
            root = grouping.layout(a).root
            if root not in group.members or root in stored:
                touched[root] = min(root.size, math.prod(a.shape)) * root.dtype.itemsize
    for op in group.stored:
        touched[op] = op.size * op.dtype.itemsize
    size = sum(touched.values())
    estimate = _least(group, compiled, work, size)
    space = group.space if group.kind != "control" else (_times(group),)
    return Kernel(group.kind, space, steps, line, work, size, seconds, estimate)


def _steps(group: Group, compiled: Compiled) -> tuple[tuple[str, ...], int]:
    """The elementary functions in a kernel, and how many operations they are."""
    first = group.ops[0]
    if group.kind == "control":
        kernel = nesting.of(group)
        bodies = [body.program for body in kernel.bodies]
        found = [_steps(inner, body) for body in bodies for inner in body.grouping.groups]
        names = [name for steps, _ in found for name in steps]
        return (first.name, *names), _times(group) * sum(work for _, work in found)
    if first.name == "stretch":
        names = list(first.params["steps"].names().elements())
        return tuple(names), len(names)
    work = 0
    for op in group.ops:
        if op is group.head and group.kind == "product":
            work += 2 * compiled.work.spec(group).multiplications
        elif group.kind == "stack":
            work += 2 * compiled.work.stack(group).multiplications
        elif group.kind != "numpy":
            work += math.prod(space_of(op))
    return tuple(op.name for op in group.ops), work


def _times(group: Group) -> int:
    """How often a branch or loop does what it does, as far as that is known."""
    loop = nesting.of(group).loop
    return (loop and loop.length) or 1


def _least(group: Group, compiled: Compiled, work: int, size: int) -> float | None:
    """The least time for a kernel. A function counts for as many operations as its polynomial."""
    if group.kind == "numpy":
        return None
    if group.kind in ("tape", "ufunc", "control"):
        return compiled.work.seconds(group)
    extra = sum(math.prod(space_of(op)) for op in group.ops[1:] if op.name not in SIMPLE)
    narrow = all(op.kind != "float64" for op in group.ops)
    dtype = "float32" if narrow else "float64"
    return roofline(compiled.target).seconds(work + FUNCTION * extra, size, dtype)


__all__ = ["Kernel", "Report", "report"]
