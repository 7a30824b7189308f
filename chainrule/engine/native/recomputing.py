"""Cheap steps done over where they are read, instead of stored.

The mask of a relu or of a maximum, or x − mean, is made from something that stays in memory
anyway until it is read: then it needs no memory of its own, and one pass through it is saved.

Source: Griewank & Walther, *Evaluating Derivatives* (2nd ed., SIAM 2008), chapter 12, for giving
up memory for recomputation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from chainrule.engine.native.groups import Group, Grouping, beside, in_registers
from chainrule.engine.native.layouts import Layout, squeezed
from chainrule.engine.native.repertoire import COMPARISONS, LOGIC
from chainrule.engine.program import Op, contiguous

CHEAP = COMPARISONS | LOGIC | {
    "add", "subtract", "multiply", "negative", "maximum", "minimum", "where", "astype", "square",
}  # fmt: skip
MOST = 4  # steps that are done over for one value
GROUP = 60  # steps of a group
SMALL = 8  # so many times smaller, what is read may be kept longer for it


def recompute(grouping: Grouping, donated: int) -> None:
    """Let groups compute what they would read, where that is cheap and saves memory.

    Args:
        grouping: the groups, which are changed.
        donated: so many of the first inputs are changed in place, and not read longer than needed.
    """
    _Recomputing(grouping, donated).run()


class _Recomputing:
    def __init__(self, grouping: Grouping, donated: int) -> None:
        self.grouping, self.layout = grouping, grouping.layout
        program = grouping.program
        self.changing = set(program.inputs[:donated])
        self.outputs = {y for y in grouping.outputs if isinstance(y, Op)}
        # What is read from memory → by which groups' steps, as which argument.
        self.readers: dict[Op, list[tuple[Group, Op, int]]] = {}
        for group in grouping.groups:
            for op in group.ops:
                self._note(group, op)

    def _note(self, group: Group, op: Op) -> None:
        for k, a in enumerate(op.args):
            if isinstance(a, Op) and not in_registers(group, self.layout(a), op, k):
                self.readers.setdefault(self.layout(a).root, []).append((group, op, k))

    def run(self) -> None:
        freed: dict[Op, int] = {}  # bytes that are saved if something is kept longer
        for group, op in self._values():
            missing = self._missing(group, op)
            if missing is not None and len(missing) == 1:
                freed[missing[0]] = freed.get(missing[0], 0) + op.size * op.dtype.itemsize
        worth = {x for x, size in freed.items() if size > x.size * x.dtype.itemsize}
        for group, op in self._values():
            missing = self._missing(group, op)
            if missing is not None and worth.issuperset(missing):
                self._do_over(op, self._steps(group, op))
                self._drop(group, op)

    def _values(self) -> Iterator[tuple[Group, Op]]:
        """The values of cheap steps that others read."""
        for group in self.grouping.groups:
            if group.kind in ("loop", "product"):
                for op in list(group.ops):
                    if op.name in CHEAP and op in self.readers and op not in self.outputs:
                        yield group, op

    def _steps(self, group: Group, op: Op) -> list[Op]:
        """The steps that make a value from what is in memory, in order; none if it is not cheap."""
        wanted, waiting = {op}, [op]
        while waiting:
            step = waiting.pop()
            for k, a in enumerate(step.args):
                if not isinstance(a, Op):
                    continue
                root = self.layout(a).root
                if in_registers(group, self.layout(a), step, k) and root not in self.readers:
                    if root.name not in CHEAP:
                        return []
                    if root not in wanted:
                        wanted.add(root)
                        waiting.append(root)
        return [step for step in group.ops if step in wanted] if len(wanted) <= MOST else []

    def _missing(self, group: Group, op: Op) -> list[Op] | None:
        """What would have to be kept longer for a value to be done over; None if it cannot be."""
        steps, readers = self._steps(group, op), self.readers[op]
        if not steps or not all(self._fits(group, op, steps, *reader) for reader in readers):
            return None
        sources = {self.layout(a).root: None for step in steps for a in step.sources()}
        read = [source for source in sources if source not in steps]
        if 2 * sum(source.size for source in read) > 3 * op.size or self.changing & set(read):
            return None
        last = max(reader.index for reader, _, _ in readers)
        return [source for source in read if not self._lasts(source, last, op)]

    def _fits(self, group: Group, op: Op, steps: list[Op], reader: Group, step: Op, k: int) -> bool:
        """Can the reader have the value in its registers?"""
        layout = self.layout(step.args[k])
        moved = reader.space == group.space or all(map(self._is_even, steps))
        small = len(reader.ops) + len(steps) <= GROUP
        return moved and small and reader is not group and beside(reader, layout, step, k)

    def _is_even(self, step: Op) -> bool:
        """Has each element of a step the same place as those that it is made from?"""
        layouts = map(self.layout, step.sources())
        return all(layout.is_flat() and layout.root.size == step.size for layout in layouts)

    def _lasts(self, source: Op, last: int, op: Op) -> bool:
        """Is it still in memory then?"""
        if source.name in ("input", "constant") or source in self.outputs:
            return True
        if SMALL * source.size * source.dtype.itemsize <= op.size * op.dtype.itemsize:
            return True
        return any(reader.index >= last for reader, _, _ in self.readers.get(source, ()))

    def _do_over(self, op: Op, steps: list[Op]) -> None:
        readers = self.readers.pop(op)
        found: dict[Group, list[int]] = {}
        for group, reader, _ in readers:
            found.setdefault(group, []).append(group.ops.index(reader))
        made = {group: self._copies(group, min(at), steps) for group, at in found.items()}
        for group, reader, k in readers:
            args = list(reader.args)
            args[k] = self._moved(args[k], made[group])
            reader.args = tuple(args)

    def _copies(self, group: Group, place: int, steps: list[Op]) -> dict[Op, Op]:
        """The same steps in another group, before its step at a place."""
        new: dict[Op, Op] = {}
        same = squeezed(steps[0].shape) == group.space
        for step in steps:
            shape = step.shape if same else group.space
            args = [self._moved(a, new) if isinstance(a, Op) else a for a in step.args]
            if not same:
                args = [self._shaped(a, shape) if isinstance(a, Op) else a for a in args]
            copy = Op(step.name, tuple(args), step.params, shape, step.dtype, step.node)
            self.grouping.layouts[copy] = Layout(copy, 0, shape, contiguous(shape))
            self.grouping.place[copy] = group.index
            new[step] = copy
        group.ops[place:place] = new.values()
        group.members.update(new.values())
        for copy in new.values():
            self._note(group, copy)
        return new

    def _moved(self, a: Op, new: dict[Op, Op]) -> Op:
        """An argument, or the same view of the copy of what it is a view of."""
        layout = self.layout(a)
        if layout.root not in new:
            return a
        if layout.root is a:
            return new[a]
        view = Op(a.name, a.args, a.params, a.shape, a.dtype, a.node)
        self.grouping.layouts[view] = replace(layout, root=new[layout.root])
        return view

    def _shaped(self, a: Op, shape: tuple[int, ...]) -> Op:
        """The same elements in another shape."""
        if a.shape == shape:
            return a
        view = Op("reshape", (a,), {"shape": shape}, shape, a.dtype, a.node)
        self.grouping.layouts[view] = Layout(self.layout(a).root, 0, shape, contiguous(shape))
        return view

    def _drop(self, group: Group, op: Op) -> None:
        """Leave out steps whose values nobody reads any more."""
        waiting = [op]
        while waiting:
            step = waiting.pop()
            if step in self.outputs or step in self.readers or step is group.head:
                continue
            if step not in group.members or step in set(self._read(group)):
                continue
            group.ops.remove(step)
            group.members.remove(step)
            for a in step.sources():
                root = self.layout(a).root
                left = [r for r in self.readers.get(root, ()) if r[1] is not step]
                if left:
                    self.readers[root] = left
                else:
                    self.readers.pop(root, None)
                waiting.append(root)

    def _read(self, group: Group) -> Iterator[Op]:
        for op in group.ops:
            for a in op.sources():
                yield self.layout(a).root


__all__ = ["recompute"]
