"""A program becomes native code: groups, memory, one function for each run of native groups."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from llvmlite import ir
from numpy.lib.stride_tricks import as_strided

from chainrule.engine.native import machine, sweeps, tape
from chainrule.engine.native.accesses import divisible
from chainrule.engine.native.correlations import Correlation
from chainrule.engine.native.gathers import scatter_rows, take_rows
from chainrule.engine.native.groups import Group, Grouping, Layout, matrix_of
from chainrule.engine.native.loops import Loops
from chainrule.engine.native.memory import ALIGNMENT, Span, address_of, place
from chainrule.engine.native.products import Product
from chainrule.engine.native.repertoire import SIMPLE
from chainrule.engine.native.stretches import Stretch, comment, named, parts, stretches
from chainrule.engine.native.target import I1, I8, I64, Target, host
from chainrule.engine.native.threads import POOL, barrier, share
from chainrule.engine.native.weight_correlations import WeightCorrelation
from chainrule.engine.program import RECORDS, Op, Program

POINTER = ir.PointerType()
MOST = 64  # threads
SPLIT_PRODUCT, SPLIT_LOOP = 400_000, 60_000  # multiplications, operations worth splitting
# Seconds, about: of a multiplication in a product, a simple step on a number, another function,
# and a byte that is read or written.
PRODUCT, STEP, FUNCTION, BYTE = 0.01e-9, 0.015e-9, 0.2e-9, 0.05e-9
PAYS = 200e-6  # seconds of work in one call from which on waking other threads pays
_SIGNATURE = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)


@dataclass(frozen=True)
class Place:
    """Where the code of a group finds what it needs.

    Attributes:
        pointer: the address of a stored operation.
        table, slot, arena: the table of addresses, the address in a slot of it, the address so
            many bytes from the start of the arena.
        scratch: the thread's own memory.
        part: (thread, threads) where the group is split.
        wait: writes a barrier.
    """

    pointer: Callable[[Op], ir.Value]
    table: ir.Value
    slot: Callable[[int], ir.Value]
    arena: Callable[[int], ir.Value]
    scratch: ir.Value
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
        self._plan()
        self.repeats = moving is not None and self.is_native
        self.moving, self.until, self.backward = tuple(moving or ()), until, backward
        self.runners: dict[str, machine.Code] = {}  # of the tapes
        self._comments = False
        # With a tape the code does not depend on all the steps.
        key = str(self.emit()) if self.tapes else program.key()
        key = f"{key}\n{donated} {self.repeats} {self.moving} {until} {backward} {apart}"
        symbols = [stretch.symbol for stretch in self.stretches if stretch.symbol]
        if self.repeats:
            symbols.append("repeat")
        imports = {name: code.address("run") for name, code in self.runners.items()}
        self.code = machine.build(self.emit, key, symbols, self.target, imports)
        self._functions: list[Any] = [
            self.code.function(stretch.symbol, *_SIGNATURE) if stretch.symbol else None
            for stretch in self.stretches
        ]
        self._control = self._runners()
        self._arenas: list[np.ndarray] = []  # free ones; a call takes one and brings it back
        self.seconds = time.perf_counter() - began

    def _group(self, donated: int, apart: bool) -> None:
        self.program = self.original.copy()  # grouping puts copies between operations
        self.grouping = Grouping(self.program, donated)
        self.stretches = stretches(self.grouping.groups, apart)
        self.donated = donated

    def source(self) -> str:
        """The LLVM IR; before each kernel stand the steps that it does, and the user's lines."""
        self._comments = True
        try:
            return str(self.emit())
        finally:
            self._comments = False

    def emit(self) -> ir.Module:
        """The LLVM IR."""
        self.module = ir.Module("chainrule")
        self.module.triple = self.target.triple
        for stretch in self.stretches:
            if stretch.symbol:
                self._emit_stretch(stretch)
        if self.repeats:
            self._emit_repeat()
        return self.module

    def _runners(self) -> dict[Op, Callable[[Sequence[Any]], Sequence[Any]]]:
        """What runs the branches and loops of the program."""
        if not any(op.name in ("cond", "loop") for op in self.program.ops):
            return {}
        from chainrule.engine.native.control import runners

        return runners(self.program, self.target)

    def summary(self) -> str:
        """What it has become, and how long that took."""
        kernels = [g for g in self.grouping.groups if g.kind not in ("tape", "numpy")]
        by_numpy = [g.name for g in self.grouping.groups if g.kind == "numpy"]
        how = "loaded" if self.code.cached else "compiled"
        words = [f"{len(kernels)} kernels {how} in {self.code.seconds:.3f} s"]
        if self.tapes:
            steps = sum(len(group.ops) for group in self.tapes)
            count = sum(len(made.words) for made in self.tapes.values())
            words.append(
                f"{steps:,} steps on single numbers on a tape of {count:,} instructions (compiled "
                f"one by one they would take LLVM about {self.grouping.unrolled:.2g} s)"
            )
        if by_numpy:
            names = ", ".join(dict.fromkeys(by_numpy))
            words.append(f"{len(by_numpy)} steps by NumPy, for which there is no code: {names}")
        return "; ".join(words)

    @property
    def is_native(self) -> bool:
        """Is all of it one native function?"""
        return len(self.stretches) == 1 and bool(self.stretches[0].symbol)

    # Memory ----------------------------------------------------------------------------------

    def _plan(self) -> None:
        """Give each stored operation a slot of the table, or a place in the arena."""
        grouping, program = self.grouping, self.program
        self.slots: dict[Op, int] = {}
        self.constants: list[np.ndarray] = []
        self.constant_slots: list[int] = []
        for op in program.inputs:
            self.slots[op] = len(self.slots)
        self.output_slots: list[int] = []
        self.copies: list[tuple[Op, Op]] = []  # (output, the input that takes it at the end)
        count = len(self.slots)
        for k, y in enumerate(grouping.outputs):
            if not isinstance(y, Op):
                self.output_slots.append(-1)
                continue
            if k < self.donated:
                x = program.inputs[k]
                self.output_slots.append(self.slots[x])
                if y is x:
                    continue
                if grouping.in_place(x, y):
                    self.slots[y] = self.slots[x]
                else:
                    self.copies.append((y, x))
                continue
            self.slots[y] = count
            self.output_slots.append(count)
            count += 1
        for op in program.ops:
            if op.name == "constant":
                self.slots[op] = count
                self.constant_slots.append(count)
                count += 1
                self.constants.append(op.params["value"])
        self.tapes: dict[Group, tape.Tape] = {}
        self.tape_slots: dict[Group, int] = {}  # of the instructions; the constants come next
        for group in grouping.groups:
            if group.kind == "tape":
                self.tapes[group] = made = tape.assembled(group, grouping.layout)
                self.tape_slots[group] = count
                self.constant_slots += [count, count + 1]
                count += 2
                self.constants += [made.words, made.pool]
        self.arena_slot = count
        last: dict[Op, int] = {}
        for group in grouping.groups:
            for op in group.ops:
                for a in op.sources():
                    last[grouping.layout(a).root] = group.index
        copied = {y for y, _ in self.copies}
        spans: list[Span] = []
        owners: list[Op] = []
        for group in grouping.groups:
            for op in group.stored:
                if op not in self.slots and op.dtype != object:
                    size = max(op.size, 1) * op.dtype.itemsize
                    end = len(grouping.groups) if op in copied else last.get(op, group.index)
                    spans.append(Span(size, group.index, end))
                    owners.append(op)
        for group, made in self.tapes.items():
            spans.append(Span(8 * max(made.registers, 1), group.index, group.index))
        self.sweeps = sweeps.found(grouping)
        for sweep in self.sweeps:
            spans.append(Span(sweep.size, sweep.first.index, sweep.second.index))
        scratch = max((self._scratch(g) for g in grouping.groups), default=0)
        self.scratch_size = -(-scratch // ALIGNMENT) * ALIGNMENT
        self.threads = MOST if any(map(self._is_split, grouping.groups)) else 1
        self.estimate = sum(map(self._seconds, grouping.groups))
        self.splits = self.threads > 1 and self.estimate > PAYS
        spans.append(Span(self.scratch_size * self.threads, 0, len(grouping.groups)))
        offsets, self.arena_size = place(spans)
        self.offsets = dict(zip(owners, offsets, strict=False))
        self.registers = dict(zip(self.tapes, offsets[len(owners) :], strict=False))
        self.sums = dict(zip(self.sweeps, offsets[len(owners) + len(self.tapes) :], strict=False))
        self.scratch_offset = offsets[-1]
        for group, made in self.tapes.items():
            at = self.constant_slots.index(self.tape_slots[group])
            self.constants[at] = made.placed(self._where)

    def _where(self, op: Op) -> tuple[int, int]:
        """(slot of the table, bytes from there) of a stored operation."""
        slot = self.slots.get(op)
        return (slot, 0) if slot is not None else (self.arena_slot, self.offsets[op])

    def _scratch(self, group: Group) -> int:
        return self.spec(group).scratch(self.target) if group.kind == "product" else 0

    def spec(self, group: Group) -> Product | Correlation | WeightCorrelation:
        """What a group of the kind "product" begins with."""
        head = group.head
        assert head is not None
        if head.name != "matmul":
            kind = Correlation if head.name == "correlate2d" else WeightCorrelation
            return kind(head.params["geometry"], head.shape[1], str(head.dtype))
        a, b = head.args
        first, second = (matrix_of(self.grouping.layout(x)) for x in (a, b))
        assert first is not None
        assert second is not None
        m, n = head.shape
        k = a.shape[1]
        return Product(m, k, n, str(head.dtype), transpose_a=first[0], transpose_b=second[0])

    # Code ------------------------------------------------------------------------------------

    def _emit_stretch(self, stretch: Stretch) -> None:
        """One function, or one that calls several: LLVM's time for one grows with its square."""
        pieces = parts(stretch.groups)
        if len(pieces) == 1:
            self._function(stretch.symbol, stretch.groups, self.copies)
            return
        names = [f"{stretch.symbol}_{k}" for k in range(len(pieces))]
        for name, groups in zip(names, pieces, strict=True):
            self._function(name, groups, self.copies if groups is pieces[-1] else [])
        kind = ir.FunctionType(ir.VoidType(), [POINTER, I64, I64, POINTER])
        function = ir.Function(self.module, kind, stretch.symbol)
        b = ir.IRBuilder(function.append_basic_block())
        for name in names:
            b.call(self.module.globals[name], function.args)
        b.ret_void()

    def _function(
        self, symbol: str, groups: Sequence[Group], copies: Sequence[tuple[Op, Op]]
    ) -> None:
        kind = ir.FunctionType(ir.VoidType(), [POINTER, I64, I64, POINTER])
        function = ir.Function(self.module, kind, symbol)
        entry = ir.IRBuilder(function.append_basic_block("entry"))
        start = function.append_basic_block("start")
        b = ir.IRBuilder(start)
        table, thread, threads, sync = function.args
        known: dict[Any, ir.Value] = {}
        names = {slot: named(op) for op, slot in self.slots.items()} if self._comments else {}

        def slot(index: int) -> ir.Value:
            if index not in known:
                address = entry.gep(table, [ir.Constant(I64, index)], source_etype=POINTER)
                known[index] = entry.load(address, typ=POINTER, name=names.get(index, ""))
            return known[index]

        def pointer(op: Op) -> ir.Value:
            if op in self.slots:
                return slot(self.slots[op])
            if op not in known:
                known[op] = arena(self.offsets[op])
            return known[op]

        def arena(offset: int) -> ir.Value:
            start = slot(self.arena_slot)
            return entry.gep(start, [ir.Constant(I64, offset)], source_etype=I8)

        def wait() -> None:
            if self.threads > 1:
                b.call(barrier(self.module, self.target.triple), [sync, threads])

        scratch = entry.gep(
            slot(self.arena_slot),
            [
                entry.add(
                    ir.Constant(I64, self.scratch_offset),
                    entry.mul(thread, ir.Constant(I64, self.scratch_size)),
                )
            ],
            source_etype=I8,
        )
        place = Place(pointer, table, slot, arena, scratch, (thread, threads), wait)
        for split, found in itertools.groupby(groups, self._is_split):
            if split:
                for group in found:
                    self._emit_group(b, group, place)
                    wait()
                continue
            alone = replace(place, part=None)
            first = b.icmp_signed("==", thread, ir.Constant(I64, 0))
            with b.if_then(first) if self.threads > 1 else contextlib.nullcontext():
                for group in found:
                    self._emit_group(b, group, alone)
            wait()
        if copies:
            first = b.icmp_signed("==", thread, ir.Constant(I64, 0))
            with b.if_then(first):
                for y, x in copies:
                    self._emit_copy(b, pointer(y), pointer(x), y.size * y.dtype.itemsize)
        b.ret_void()
        entry.branch(start)

    def _is_split(self, group: Group) -> bool:
        """Is a group worth splitting among threads?"""
        if group.kind == "product":
            spec = self.spec(group)
            return spec.parts(self.target)[0] > 1 and spec.multiplications > SPLIT_PRODUCT
        size = math.prod(group.space)
        if group.kind == "take":
            return size > SPLIT_LOOP and group.ops[0].name == "take"
        return group.kind == "loop" and size * len(group.ops) > SPLIT_LOOP and divisible(group)

    def _seconds(self, group: Group) -> float:
        """About how long a group takes in one thread."""
        if group.kind == "product":
            return self.spec(group).multiplications * PRODUCT
        if group.kind == "tape":
            return self.tapes[group].seconds
        size = math.prod(group.space)
        work = sum(STEP if op.name in SIMPLE else FUNCTION for op in group.ops) * size
        layout = self.grouping.layout
        read = {layout(a).root for op in group.ops for a in op.sources()} - set(group.ops)
        moved = sum(min(op.size, size) * op.dtype.itemsize for op in [*read, *group.stored])
        return max(work, moved * BYTE)

    def _emit_group(self, b: ir.IRBuilder, group: Group, place: Place) -> None:
        pointer = place.pointer
        if self._comments:
            comment(b, group)
        if group.kind == "product":
            self._emit_product(b, group, place)
        elif group.kind == "take":
            op = group.ops[0]
            source, index = (self.grouping.layout(a).root for a in op.args)
            lanes = self.target.lanes("float64" if op.dtype.itemsize == 8 else "float32")
            given = pointer(source), pointer(index), pointer(op), lanes
            if op.name == "take":
                take_rows(b, op, *given, place.part)
            else:
                scatter_rows(b, op, *given)
        elif group.kind == "tape":
            self._emit_tape(b, group, place)
        else:
            layout = self.grouping.layout
            Loops(b, group, layout, pointer, self.target, place.part, place.wait).emit()

    def _emit_product(self, b: ir.IRBuilder, group: Group, place: Place) -> None:
        from chainrule.engine.native.epilogues import Epilogue

        head = group.head
        assert head is not None
        layout, pointer = self.grouping.layout, place.pointer
        spec = self.spec(group)
        epilogue = Epilogue(group, layout, self.target) if len(group.ops) > 1 else None
        operands = [pointer(op) for op in epilogue.operands] if epilogue else []
        extra = [POINTER] * len(operands)
        out = pointer(head) if head in group.stored else place.scratch
        begins = next((s for s in self.sweeps if s.first is group), None)
        ends = next((s for s in self.sweeps if s.second is group), None)
        if ends is not None:
            function = sweeps.emit_end(self.module, ends, self.target, epilogue, extra)
            sums, none = place.arena(self.sums[ends]), ir.Constant(I64, 0)
            b.call(function, [sums, sums, out, none, none, place.scratch, *operands])
            return
        function = spec.emit(self.module, f"product_{group.index}", self.target, epilogue, extra)

        def address(a: Op) -> ir.Value:
            offset = ir.Constant(I64, layout(a).offset * a.dtype.itemsize)
            return b.gep(pointer(layout(a).root), [offset], source_etype=I8)

        given = [address(a) for a in head.args]

        def run(first: ir.Value, last: ir.Value) -> None:
            b.call(function, [*given, out, first, last, place.scratch, *operands])

        if begins is not None:
            sums = place.arena(self.sums[begins])
            others = pointer(begins.r), address(begins.x), sums
            sweeps.emit_sweep(b, begins, self.target, run, others, place.part)
            return
        parts, unit, whole = spec.parts(self.target)
        if place.part is None:
            run(ir.Constant(I64, 0), ir.Constant(I64, whole))
            return
        first, last = share(b, parts, *place.part)
        end = b.icmp_signed("==", last, ir.Constant(I64, parts))  # the last part has the rest
        last = b.select(end, ir.Constant(I64, whole), b.mul(last, ir.Constant(I64, unit)))
        run(b.mul(first, ir.Constant(I64, unit)), last)

    def _emit_tape(self, b: ir.IRBuilder, group: Group, place: Place) -> None:
        made, at = self.tapes[group], self.tape_slots[group]
        registers = place.arena(self.registers[group])
        if made.pool.size:
            self._emit_copy(b, place.slot(at + 1), registers, made.pool.size)
        words = self.constants[self.constant_slots.index(at)]
        name = f"tape_{group.index}"
        kind = ir.FunctionType(ir.VoidType(), [POINTER] * 3)
        run = ir.Function(self.module, kind, name)
        self.runners[name] = tape.runner(made.kinds, 8 * words.itemsize, self.target)
        b.call(run, [place.slot(at), registers, place.table])

    def _emit_copy(self, b: ir.IRBuilder, source: ir.Value, to: ir.Value, size: int) -> None:
        name = "llvm.memcpy.p0.p0.i64"
        kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, I1])
        copy = self.module.globals.get(name) or ir.Function(self.module, kind, name)
        b.call(copy, [to, source, ir.Constant(I64, size), ir.Constant(I1, 0)])

    def _emit_repeat(self) -> None:
        """void repeat(table, count, thread, threads, sync): steps, each with what comes next."""
        kind = ir.FunctionType(ir.VoidType(), [POINTER, I64, I64, I64, POINTER])
        function = ir.Function(self.module, kind, "repeat")
        entry, loop, after = (function.append_basic_block(n) for n in ("entry", "loop", "after"))
        table, count, thread, threads, sync = function.args
        b = ir.IRBuilder(entry)
        b.cbranch(b.icmp_signed(">", count, ir.Constant(I64, 0)), loop, after)
        b.position_at_end(loop)
        i = b.phi(I64)
        step = self.module.globals[self.stretches[0].symbol]
        b.call(step, [table, thread, threads, sync])
        b.call(barrier(self.module, self.target.triple), [sync, threads])
        with b.if_then(b.icmp_signed("==", thread, ir.Constant(I64, 0))):
            self._emit_moves(b, table)
        goes_on = self._emit_goes_on(b, table)
        b.call(barrier(self.module, self.target.triple), [sync, threads])
        following = b.add(i, ir.Constant(I64, 1))
        i.add_incoming(ir.Constant(I64, 0), entry)
        i.add_incoming(following, b.block)
        b.cbranch(b.and_(goes_on, b.icmp_signed("<", following, count)), loop, after)
        b.position_at_end(after)
        b.ret_void()

    def _emit_goes_on(self, b: ir.IRBuilder, table: ir.Value) -> ir.Value:
        """Is there another step to do, by what the step itself says?"""
        if self.until is None:
            return ir.Constant(I1, 1)
        slot = ir.Constant(I64, self.output_slots[self.until])
        address = b.load(b.gep(table, [slot], source_etype=POINTER), typ=POINTER)
        return b.icmp_unsigned("!=", b.load(address, typ=I8), ir.Constant(I8, 0))

    def _emit_moves(self, b: ir.IRBuilder, table: ir.Value) -> None:
        """Let the table point to the next part of what moves."""
        given = len(self.program.inputs)
        for k in self.moving:
            if k < given:
                op, slot = self.program.inputs[k], k
            else:
                op, slot = self.grouping.outputs[k - given], self.output_slots[k - given]
            address = b.gep(table, [ir.Constant(I64, slot)], source_etype=POINTER)
            size = op.size * op.dtype.itemsize
            step = ir.Constant(I64, -size if self.backward else size)
            moved = b.gep(b.load(address, typ=POINTER), [step], source_etype=I8)
            b.store(moved, address)

    # Running ---------------------------------------------------------------------------------

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        """The outputs at the values of the inputs, each a new array."""
        return self.call(values, None)

    def call(self, values: Sequence[Any], around: Callable[[int, Any], None] | None) -> list[Any]:
        """The same; around(number, run), if given, runs each stretch."""
        try:
            arena = self._arenas.pop()
        except IndexError:
            arena = np.empty(self.arena_size + ALIGNMENT, np.uint8)
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
        arrays += self.constants
        start = -address_of(arena) % ALIGNMENT
        pointers = (*map(address_of, arrays), address_of(arena) + start)
        table = (ctypes.c_uint64 * len(pointers))(*pointers)
        where = ctypes.addressof(table)
        if around is None and self.is_native and not self.splits:
            self._functions[0](where, 0, 1, 0)
        else:
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
        rows = zip(self.stretches, self._functions, strict=True)
        for number, (stretch, function) in enumerate(rows):
            if function is not None:
                most = self.threads if any(map(self._is_split, stretch.groups)) else 1
                run = functools.partial(self.threaded, function, table, most=most)
            else:
                group = stretch.groups[0]
                run = functools.partial(self._by_numpy, group, arrays, arena, results)
            if around is None:
                run()
            else:
                around(number, run)

    def threaded(self, function: Any, *given: int, most: int | None = None) -> None:
        """Run a function of (…, thread, threads, barrier) in as many threads as pay."""
        POOL.run(functools.partial(function, *given), self.threads if most is None else most)

    def _by_numpy(
        self, group: Group, arrays: list[np.ndarray], arena: np.ndarray, results: dict[Op, Any]
    ) -> None:
        op = group.head
        assert op is not None
        args: list[Any] = []
        for a in op.args:
            if not isinstance(a, Op):
                args.append(a)
                continue
            layout = self.grouping.layout(a)
            args.append(
                results[layout.root]
                if layout.root in results
                else self._array(layout, arrays, arena)
            )
        with np.errstate(all="ignore"):
            value = self._control[op](args) if op in self._control else _value(op, args)
        if op.dtype == object:
            results[op] = value
        else:
            self._array(self.grouping.layout(op), arrays, arena)[...] = value

    def _array(self, layout: Layout, arrays: list[np.ndarray], arena: np.ndarray) -> np.ndarray:
        root = layout.root
        if root in self.slots:
            whole = arrays[self.slots[root]].reshape(-1)
        else:
            start = self.offsets[root]
            size = root.size * root.dtype.itemsize
            whole = arena[start : start + size].view(root.dtype)
        if layout.is_flat():
            return whole.reshape(layout.shape)
        steps = tuple(s * root.dtype.itemsize for s in layout.strides)
        return as_strided(whole[layout.offset :], layout.shape, steps)


def _value(op: Op, args: list[Any]) -> Any:
    if op.name == "copy":
        return args[0]
    params = op.params
    if op.name in ("reshape", "broadcast_to", "sum_to"):
        params = {"shape": op.shape}
    if op.name == "astype":
        params = {"dtype": op.dtype}
    if op.node is not None and op.node.fn is not None and op.node.fn.name == op.name:
        return op.node.fn.value(*args, **params)
    return RECORDS[op.name].value(*args, **params)


__all__ = ["Compiled"]
