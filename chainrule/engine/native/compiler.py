"""A program becomes native code: groups, memory, one function for each run of native groups."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.engine.native import gathered, gathers, ir, machine, running, sweeps, tape
from chainrule.engine.native.assembling import assembled
from chainrule.engine.native.groups import Group, Grouping
from chainrule.engine.native.loops import Loops
from chainrule.engine.native.memory import ALIGNMENT, address_of
from chainrule.engine.native.numpy_steps import NumpySteps
from chainrule.engine.native.orders import arrange
from chainrule.engine.native.pieces import Pieces
from chainrule.engine.native.recomputing import recompute
from chainrule.engine.native.repeats import emit_repeat
from chainrule.engine.native.repertoire import RUNNING
from chainrule.engine.native.rowloops import RowLoops
from chainrule.engine.native.rows import gather_rows
from chainrule.engine.native.sharing import own_functions
from chainrule.engine.native.storage import Storage
from chainrule.engine.native.stretches import comment, named, parts, stretches
from chainrule.engine.native.target import I8, I64, TYPES, Target, host
from chainrule.engine.native.threads import MOST, POOL, alone, barrier, share, worth
from chainrule.engine.native.vectors import copy_bytes
from chainrule.engine.native.weight_correlations import WeightCorrelation
from chainrule.engine.native.work import Work
from chainrule.engine.program import Op, Program
from chainrule.records import dataclass

POINTER = ir.PointerType()
PAYS = 700e-6  # seconds of work in one call from which on it pays to wake other threads
_STEP = ir.FunctionType(ir.VoidType(), [POINTER, I64, I64, POINTER])
_SIGNATURE = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)


@dataclass(frozen=True)
class Place:
    """Where the code of a group finds what it needs.

    Attributes:
        pointer: the address of a stored operation.
        table, slot, arena: the table of addresses, the address in a slot of it, the address so
            many bytes from the start of the arena.
        scratch: the thread's own memory for a group, or what all have in common.
        part: (thread, threads) where the group is split.
        wait: writes a barrier.
    """

    pointer: Callable[[Op], ir.Value]
    table: ir.Value
    slot: Callable[[int], ir.Value]
    arena: Callable[[int], ir.Value]
    scratch: Callable[[Group], ir.Value]
    part: tuple[ir.Value, ir.Value] | None
    wait: Callable[[], None]


class Compiled:
    """A program as native code.

    Args:
        program: what to compile; it stays as it is.
        target: the processor.
        donated: so many of the first inputs give their memory to the outputs of the same number,
            where the order of the steps allows it; the others are copied there at the end.
        moving: the inputs and outputs (numbered after all inputs) that a function ``repeat`` of
            many steps goes through, one part of an array after the other; None for no such
            function.
        until: the output, a truth value, that lets ``repeat`` go on.
        backward: ``repeat`` goes from the last part of an array to the first.
        apart: one function for each group, to measure them.

    Attributes:
        original: the program as it was given.
        grouping: the groups.
        stretches: what runs one after the other.
        tapes: the instructions of groups of single numbers.
        work: what the groups have to do.
        storage: where the values lie.
        estimate: about how many seconds a run takes in one thread.
        splits: is that worth several threads?
        code: the machine code.
        seconds: how long it took to make.
    """

    def __init__(
        self,
        program: Program,
        target: Target | None = None,
        *,
        donated: int = 0,
        moving: Sequence[int] | None = None,
        until: int | None = None,
        backward: bool = False,
        apart: bool = False,
    ) -> None:
        began = time.perf_counter()
        self.original = program
        self.target = target or host()
        self._group(donated, apart)
        if donated and not self.is_native:  # only native code changes its inputs in place
            self._group(0, apart)
        layout = self.grouping.layout
        self.tapes = {
            group: assembled(group, layout)
            for group in self.grouping.groups
            if group.kind == "tape"
        }
        self.work = Work(self.grouping, self.target, self.tapes)
        self.storage = Storage(self.grouping, self.work, self.tapes, self.donated)
        self.estimate = sum(map(self.work.seconds, self.grouping.groups))
        self.splits = self.storage.threads > 1 and self.estimate > PAYS
        most, split = min(self.storage.threads, worth(self.estimate)), self.work.is_split
        self._shares = [most if any(map(split, s.groups)) else 1 for s in self.stretches]
        self.repeats = moving is not None and self.is_native
        self.moving, self.until, self.backward = tuple(moving or ()), until, backward
        self.runners: dict[str, machine.Code] = {}  # of the tapes
        self._comments = False
        # With a tape the code does not depend on all the steps.
        key = self._text() if self.tapes else program.key()
        key += f"\n{donated} {self.repeats} {self.moving} {until} {backward} {apart}"
        key += f" {self.storage.threads}"
        symbols = [stretch.symbol for stretch in self.stretches if stretch.symbol]
        if self.repeats:
            symbols.append("repeat")
        self.code = machine.build(self.emit, key, symbols, self.target, self.runners)
        self._functions: list[Any] = [
            self.code.function(stretch.symbol, *_SIGNATURE) if stretch.symbol else None
            for stretch in self.stretches
        ]
        self._numpy = NumpySteps(self.grouping, self.storage, self._runners())
        self._arenas: list[np.ndarray] = []  # free ones; a call takes one and brings it back
        self.seconds = time.perf_counter() - began

    def _group(self, donated: int, apart: bool) -> None:
        self.program = gathered.sunk(self.original.copy())  # it and grouping change operations
        self.grouping = Grouping(self.program, donated)
        recompute(self.grouping, donated)
        arrange(self.grouping)
        gather_rows(self.grouping)
        self.grouping.find_stored()
        self.stretches = stretches(self.grouping.groups, apart)
        self.donated = donated

    def source(self) -> str:
        """The LLVM IR; before each kernel stand the steps that it does, and the user's lines."""
        self._comments = True
        try:
            return self._text()
        finally:
            self._comments = False

    def _text(self) -> str:
        return "\n".join(map(str, self.emit()))

    def emit(self) -> Iterator[ir.Module]:
        """The LLVM IR, in modules that LLVM can compile side by side."""
        written: set[str] = set()
        self._kernels: dict[Any, str] = {}
        self._own = own_functions(self.grouping.groups, self.grouping.layout, self.work.is_split)
        times = Counter(key for key, _ in self._own.values())
        repeated = {group for group, (key, _) in self._own.items() if times[key] > 1}
        for stretch in self.stretches:
            pieces = parts(stretch.groups, repeated) if stretch.symbol else []
            names = [f"{stretch.symbol}_{k}" for k in range(len(pieces))]
            if len(pieces) == 1:
                names = [stretch.symbol]
            for name, groups in zip(names, pieces, strict=True):
                self.module = ir.Module("chainrule", self.target.triple, written)
                is_last = groups is pieces[-1]
                self._function(name, groups, self.storage.copies if is_last else [])
                if is_last:
                    self._emit_whole(stretch.symbol, names)
                yield self.module

    def _emit_whole(self, symbol: str, names: Sequence[str]) -> None:
        """The function of a stretch that is in pieces, and the one that repeats it."""
        if len(names) > 1:
            function = ir.Function(self.module, _STEP, symbol)
            b = ir.Builder(function.append_basic_block())
            for name in names:
                b.call(self.module.declared(name, _STEP), function.args)
            b.ret_void()
        if self.repeats:
            slots = self.storage.output_slots
            until = None if self.until is None else slots[self.until]
            emit_repeat(self.module, symbol, self._moves(), until)

    def _moves(self) -> list[tuple[int, int]]:
        """(slot, bytes) of what moves on after each step."""
        given = self.program.inputs
        places = [
            *enumerate(given),
            *zip(self.storage.output_slots, self.grouping.outputs, strict=True),
        ]
        rows = (places[k] for k in self.moving)
        sign = -1 if self.backward else 1
        # A constant has no slot.
        return [(slot, sign * op.size * op.dtype.itemsize) for slot, op in rows if slot >= 0]

    def _runners(self) -> dict[Op, Callable[[Sequence[Any]], Sequence[Any]]]:
        """What runs the branches and loops of the program."""
        if not any(op.name in ("cond", "loop") for op in self.program.ops):
            return {}
        from chainrule.engine.native.control import runners

        return runners(self.program, self.target)

    def summary(self) -> str:
        """What it has become, and how long that took."""
        kernels = [g for g in self.grouping.groups if g.kind not in ("tape", "numpy")]
        how = "loaded" if self.code.cached else "compiled"
        words = [f"{len(kernels)} kernels {how} in {self.code.seconds:.3f} s"]
        if self.tapes:
            steps = sum(made.steps for made in self.tapes.values())
            count = sum(len(made.words) for made in self.tapes.values())
            words.append(
                f"{steps:,} steps on single numbers on a tape of {count:,} instructions (compiled "
                f"one by one they would take LLVM about {self.grouping.unrolled:.2g} s)"
            )
        return "; ".join([*words, *self.rest()])

    def rest(self) -> list[str]:
        """What is not in kernels: loops, branches, steps by NumPy."""
        return self._numpy.words()

    @property
    def is_native(self) -> bool:
        """Is all of it one native function?"""
        return len(self.stretches) == 1 and bool(self.stretches[0].symbol)

    # Code ------------------------------------------------------------------------------------

    def _function(
        self, symbol: str, groups: Sequence[Group], copies: Sequence[tuple[Op, Op]]
    ) -> None:
        function = ir.Function(self.module, _STEP, symbol)
        entry = ir.Builder(function.append_basic_block("entry"))
        start = function.append_basic_block("start")
        b = ir.Builder(start)
        table, thread, threads, sync = function.args
        known: dict[Any, ir.Value] = {}
        names = (
            {slot: named(op) for op, slot in self.storage.slots.items()} if self._comments else {}
        )

        def slot(index: int) -> ir.Value:
            if index not in known:
                address = entry.gep(table, [ir.Constant(I64, index)], source_etype=POINTER)
                known[index] = entry.load(address, typ=POINTER, name=names.get(index, ""))
            return known[index]

        def pointer(op: Op) -> ir.Value:
            if op in self.storage.slots:
                return slot(self.storage.slots[op])
            if op not in known:
                known[op] = arena(self.storage.offsets[op])
            return known[op]

        def arena(offset: int) -> ir.Value:
            start = slot(self.storage.arena_slot)
            return entry.gep(start, [ir.Constant(I64, offset)], source_etype=I8)

        def wait() -> None:
            if self.storage.threads > 1:
                b.call(barrier(self.module, self.target.triple), [sync, threads])

        def scratch(group: Group) -> ir.Value:
            """The thread's own memory, or what all have in common."""
            if group not in self.storage.scratch:
                return ir.Constant(POINTER, None)
            offset, size = self.storage.scratch[group]
            if self.work.in_pieces(group):
                return arena(offset)
            own = b.mul(thread, ir.Constant(I64, size))
            return b.gep(arena(offset), [own], source_etype=I8)

        place = Place(pointer, table, slot, arena, scratch, (thread, threads), wait)
        for split, found in itertools.groupby(groups, self.work.is_split):
            if split:
                for group in found:
                    self._emit_group(b, group, place)
                    wait()
                continue
            alone = replace(place, part=None)
            first = b.icmp_signed("==", thread, ir.Constant(I64, 0))
            with b.if_then(first) if self.storage.threads > 1 else contextlib.nullcontext():
                for group in found:
                    self._emit_group(b, group, alone)
            wait()
        if copies:
            first = b.icmp_signed("==", thread, ir.Constant(I64, 0))
            with b.if_then(first):
                for y, x in copies:
                    copy_bytes(b, pointer(y), pointer(x), y.size * y.dtype.itemsize)
        b.ret_void()
        entry.branch(start)

    def _emit_own(self, b: ir.Builder, group: Group, place: Place) -> None:
        """Call the function of a loop, which all that are like it share."""
        key, roots = self._own[group]
        name = self._kernels.setdefault(key, f"kernel_{len(self._kernels)}")
        part = place.part or ()
        types = [POINTER] * len(roots) + [I64] * len(part)
        function, is_new = self.module.shared(name, ir.FunctionType(ir.VoidType(), types))
        if is_new:
            inner = ir.Builder(function.append_basic_block())
            own = {
                root: inner.gep(x, [ir.Constant(I64, -start)], source_etype=TYPES[root.kind])
                for (root, start), x in zip(roots, function.args, strict=False)
            }
            given = inner, group, self.grouping.layout, own.__getitem__, self.target
            if group.kind == "rows":
                RowLoops(*given, tuple(function.args[len(roots) :])).emit()
            else:
                Loops(*given).emit()
            inner.ret_void()
        addresses = [
            b.gep(place.pointer(root), [ir.Constant(I64, start)], source_etype=TYPES[root.kind])
            for root, start in roots
        ]
        b.call(function, [*addresses, *part])

    def _emit_group(self, b: ir.Builder, group: Group, place: Place) -> None:
        pointer = place.pointer
        if self._comments:
            comment(b, group)
        if group.kind == "product":
            self._emit_product(b, group, place)
        elif group.kind == "stack":
            self._emit_stack(b, group, place)
        elif group.kind == "take":
            op = group.ops[0]
            given = [pointer(self.grouping.layout(a).root) for a in op.args]
            lanes = self.target.lanes("float64" if op.dtype.itemsize == 8 else "float32")
            move = running.run if op.name in RUNNING else gathers.move
            move(b, op, given, pointer(op), lanes, place.part)
        elif group.kind == "tape":
            self._emit_tape(b, group, place)
        elif group in self._own:
            self._emit_own(b, group, place)
        else:
            layout, part, wait = self.grouping.layout, place.part, place.wait
            if self.work.in_pieces(group):
                scratch = place.scratch(group)
                Pieces(b, group, layout, pointer, self.target, part, wait, scratch).emit()
            else:
                Loops(b, group, layout, pointer, self.target, part, wait).emit()

    def _emit_product(self, b: ir.Builder, group: Group, place: Place) -> None:
        from chainrule.engine.native.epilogues import Epilogue

        head = group.head
        assert head is not None
        layout, pointer = self.grouping.layout, place.pointer
        spec = self.work.spec(group)
        epilogue = Epilogue(group, layout, self.target) if len(group.ops) > 1 else None
        operands = [pointer(op) for op in epilogue.operands] if epilogue else []
        begin = [pointer(layout(a).root) for a in head.args[2:]]  # of gathered rows
        extra = [POINTER] * len(begin + operands)
        scratch = place.scratch(group)
        out = pointer(head) if head in group.stored else scratch
        begins = next((s for s in self.storage.sweeps if s.first is group), None)
        ends = next((s for s in self.storage.sweeps if s.second is group), None)
        if ends is not None:
            function = sweeps.emit_end(self.module, ends, self.target, epilogue, extra)
            sums, none = place.arena(self.storage.sums[ends]), ir.Constant(I64, 0)
            b.call(function, [sums, sums, out, none, none, scratch, *operands])
            return
        function = spec.emit(self.module, f"product_{group.index}", self.target, epilogue, extra)

        given = [self._address(b, a, place) for a in head.args[:2]]

        def run(first: ir.Value, last: ir.Value) -> None:
            b.call(function, [*given, out, first, last, scratch, *begin, *operands])

        if begins is not None:
            sums = place.arena(self.storage.sums[begins])
            others = pointer(begins.r), self._address(b, begins.x, place), sums
            sweeps.emit_sweep(b, begins, self.target, run, others, place.part)
            return
        parts, unit, whole = spec.parts(self.target)
        if place.part is None:
            run(ir.Constant(I64, 0), ir.Constant(I64, whole))
        else:
            first, last = share(b, parts, *place.part)
            end = b.icmp_signed("==", last, ir.Constant(I64, parts))  # the last part has the rest
            last = b.select(end, ir.Constant(I64, whole), b.mul(last, ir.Constant(I64, unit)))
            run(b.mul(first, ir.Constant(I64, unit)), last)
        if isinstance(spec, WeightCorrelation) and self.work.in_pieces(group):
            name = f"product_{group.index}_end"
            function = spec.emit_end(self.module, name, self.target, epilogue, extra)
            with alone(b, place.part, place.wait):
                run(ir.Constant(I64, 0), ir.Constant(I64, 0))

    def _emit_stack(self, b: ir.Builder, group: Group, place: Place) -> None:
        head, layout = group.ops[0], self.grouping.layout
        operands = [self._address(b, a, place) for a in head.args]
        given = operands[0], operands[1], place.pointer(layout(head).root)
        name = f"product_{group.index}"
        stack = self.work.stack(group)
        stack.emit(b, name, self.target, given, place.scratch(group), place.part)

    def _address(self, b: ir.Builder, a: Op, place: Place) -> ir.Value:
        """Of the first element of an operand."""
        layout = self.grouping.layout(a)
        offset = ir.Constant(I64, layout.offset * a.dtype.itemsize)
        return b.gep(place.pointer(layout.root), [offset], source_etype=I8)

    def _emit_tape(self, b: ir.Builder, group: Group, place: Place) -> None:
        made, at = self.tapes[group], self.storage.tape_slots[group]
        registers = place.arena(self.storage.registers[group])
        if made.pool.size:
            copy_bytes(b, place.slot(at + 1), registers, made.pool.size)
        words = self.storage.constants[self.storage.constant_slots.index(at)]
        name = f"tape_{group.index}"
        kind = ir.FunctionType(ir.VoidType(), [POINTER] * 3)
        run = self.module.declared(name, kind)
        self.runners[name] = tape.runner(made.kinds, 8 * words.itemsize, self.target)
        b.call(run, [place.slot(at), registers, place.table])

    # Running ---------------------------------------------------------------------------------

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        """The outputs at the values of the inputs, each a new array."""
        return self.call(values, None)

    def call(self, values: Sequence[Any], around: Callable[[int, Any], None] | None) -> list[Any]:
        """The same; around(number, run), if given, runs each stretch."""
        try:
            arena = self._arenas.pop()
        except IndexError:
            arena = np.empty(self.storage.arena_size + ALIGNMENT, np.uint8)
        arrays: list[Any] = []
        for x, op in zip(values, self.program.inputs, strict=True):
            plain = type(x) is np.ndarray and x.dtype == op.dtype and x.flags.c_contiguous
            arrays.append(x if plain else np.ascontiguousarray(x, op.dtype).reshape(op.shape))
        outputs: list[Any] = []
        for y in self.grouping.outputs:
            if isinstance(y, Op):
                y = np.empty(y.shape, y.dtype)
                arrays.append(y)
            outputs.append(y)
        arrays += self.storage.constants
        start = -address_of(arena) % ALIGNMENT
        pointers = (*map(address_of, arrays), address_of(arena) + start)
        table = (ctypes.c_uint64 * len(pointers))(*pointers)
        where = ctypes.addressof(table)
        if around is None and self.is_native and not self.splits:
            self._functions[0](where, 0, 1, 0)
        else:
            with np.errstate(all="ignore"):
                self._stretch_by_stretch(where, arrays, arena[start:], around)
        self._arenas.append(arena)
        return [x[()] if isinstance(x, np.ndarray) and not x.ndim else x for x in outputs]

    def _stretch_by_stretch(
        self,
        table: int,
        arrays: list[np.ndarray],
        arena: np.ndarray,
        around: Callable[[int, Any], None] | None,
    ) -> None:
        results: dict[Op, Any] = {}
        rows = zip(self.stretches, self._functions, self._shares, strict=True)
        for number, (stretch, function, threads) in enumerate(rows):
            if function is not None:
                run = functools.partial(self.threaded, function, table, most=threads)
            else:
                group = stretch.groups[0]
                run = functools.partial(self._numpy.run, group, arrays, arena, results)
            if around is None:
                run()
            else:
                around(number, run)

    def threaded(self, function: Any, *given: int, most: int = MOST) -> None:
        """Run a function of (…, thread, threads, barrier) in as many threads as pay."""
        POOL.run(functools.partial(function, *given), min(most, self.storage.threads))


__all__ = ["Compiled"]
