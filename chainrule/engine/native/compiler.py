"""A program becomes native code: groups, memory, one function for each run of native groups."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.engine.native import gathered, ir, looking, machine, nesting, ufuncs
from chainrule.engine.native.assembling import assembled
from chainrule.engine.native.environment import Environment
from chainrule.engine.native.epilogues import reduce_tiles
from chainrule.engine.native.frames import Frame
from chainrule.engine.native.groups import Group, Grouping
from chainrule.engine.native.ir import I8, I64, POINTER, VOID, index
from chainrule.engine.native.kernels import Kernels
from chainrule.engine.native.memory import ALIGNMENT, address_of
from chainrule.engine.native.modules import Modules
from chainrule.engine.native.numpy_steps import NumpySteps
from chainrule.engine.native.orders import arrange
from chainrule.engine.native.recomputing import recompute
from chainrule.engine.native.repeats import emit_repeat
from chainrule.engine.native.rows import gather_rows
from chainrule.engine.native.storage import Storage
from chainrule.engine.native.stretches import Stretch, comment, named, parts, stretches
from chainrule.engine.native.target import Target, host
from chainrule.engine.native.threads import POOL, Worth, barrier, shared_bytes
from chainrule.engine.native.vectors import copy_bytes
from chainrule.engine.native.work import Work
from chainrule.engine.program import Op, Program

_STEP = ir.FunctionType(VOID, [POINTER, I64, I64, POINTER])
_SIGNATURE = (ctypes.c_void_p, *[ctypes.c_int64] * 2, ctypes.c_void_p, ctypes.c_int64)


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
        steps: how many ``repeat`` does in one call, at most: it looks for Ctrl-C where they may
            take long together.
        apart: one function for each group, to measure them.

    Attributes:
        original: the program as it was given.
        grouping: the groups.
        stretches: what runs one after the other.
        tapes: the instructions of groups of single numbers.
        work: what the groups have to do.
        storage: where the values lie.
        estimate, step_seconds: about how many seconds a run takes in one thread, and one of many.
        is_long: may ``repeat`` take long?
        looks, reports: does the code look for Ctrl-C; does it use the last word of the table?
        imports: functions of other code that this one calls, by its names for them.
        shared: how many of these are in kernels that threads share.
        worth: the threads that this is worth.
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
        steps: float = 0,
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
        split = filter(self.work.is_split, self.grouping.groups)
        self.shared = sum(map(self.work.seconds, split))
        self.worth = Worth.of(self.shared, self.storage.threads)
        self.repeats = moving is not None and self.is_native
        self.moving, self.until, self.backward = tuple(moving or ()), until, backward
        self.step_seconds = self.estimate + looking.STEP
        self.is_long = self.repeats and steps * self.step_seconds > looking.BRIEF
        kernels = self.storage.nested
        self.looks = self.is_long or any(kernel.looks for kernel in kernels.values())
        self.reports = self.looks or bool(self.storage.failures)
        self.imports = looking.imports() if self.looks else {}
        for group, kernel in kernels.items():
            self.imports |= kernel.imports(group)
        self._comments = False
        # With a tape the code does not depend on all the steps.
        key = self._text() if self.tapes else program.key()
        key += f"\n{donated} {self.repeats} {self.moving} {until} {backward} {apart} {self.is_long}"
        key += f" {self.storage.threads} {[*self.storage.nested.values()]}"
        symbols = [stretch.symbol for stretch in self.stretches if stretch.symbol]
        if self.repeats:
            symbols.append("repeat")
        self.code = machine.build(self.emit, key, symbols, self.target, self.imports)
        self._functions: list[Any] = [
            self.code.function(stretch.symbol, *_SIGNATURE) if stretch.symbol else None
            for stretch in self.stretches
        ]
        self._numpy = NumpySteps(self.grouping, self.storage, self._control)
        self._arenas: list[np.ndarray] = []  # free ones; a call takes one and brings it back
        self.seconds = time.perf_counter() - began

    def _group(self, donated: int, apart: bool) -> None:
        program = self.original.copy()  # its operations are changed here, and by the grouping
        self._control = self._runners(program)
        kernels = {op: run.kernel() for op, run in self._control.items()}
        program = nesting.nested(program, {op: k for op, k in kernels.items() if k is not None})
        self.program = gathered.sunk(program)
        self.grouping = Grouping(self.program, donated)
        reduce_tiles(self.grouping, self.target)
        recompute(self.grouping, donated)
        arrange(self.grouping)
        gather_rows(self.grouping)
        self.grouping.find_stored()
        self.stretches = stretches(self.grouping.groups, apart)
        if donated and not self.stretches:  # what changes nothing is native too
            self.stretches = [Stretch((), "stretch_0")]
        self.donated = donated

    def source(self) -> str:
        """The LLVM IR; before each kernel stand the steps that it does, and the user's lines.

        The bodies of branches and loops come behind it.
        """
        self._comments = True
        try:
            text = self._text()
        finally:
            self._comments = False
        return "\n".join([text, *nesting.sources(self.storage.nested)])

    def _text(self) -> str:
        return "\n".join(map(str, self.emit()))

    def emit(self) -> Iterator[ir.Module]:
        """The LLVM IR, in modules that LLVM can compile side by side."""
        modules, brief = Modules(self.target.triple), self.work.brief(self.grouping.groups)
        given = self.storage, self.work, self.tapes, self.target, self.imports
        self._kernels = Kernels(*given, lambda group: modules.of(group in brief))
        repeated = self._kernels.repeated
        for stretch in self.stretches:
            pieces = parts(stretch.groups, repeated, brief) if stretch.symbol else []
            names = [f"{stretch.symbol}_{k}" for k in range(len(pieces))]
            if len(pieces) == 1:
                names = [stretch.symbol]
            for name, part in zip(names, pieces, strict=True):
                self.module = modules.of(part.quick)
                self._function(name, part.groups, part is pieces[0], part is pieces[-1])
                if part is pieces[-1]:
                    self._emit_whole(stretch.symbol, names)
                yield from modules.closed()
        yield from modules.closed(0)

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
            word = self.storage.arena_slot + 1 if self.reports else None
            cost = looking.nanoseconds(self.step_seconds) if self.is_long else 0
            emit_repeat(self.module, symbol, self._moves(), until, word, cost)

    @functools.cached_property
    def frame(self) -> Frame:
        """What a caller has to know."""
        return self.storage.frame()

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

    def _runners(self, program: Program) -> dict[Op, Any]:
        """What runs the branches and loops of a program."""
        if not any(op.name in ("cond", "loop") for op in program.ops):
            return {}
        from chainrule.engine.native.control import runners

        return runners(program, self.target)

    def summary(self) -> str:
        """What it has become, and how long that took."""
        kernels = [g for g in self.grouping.groups if g.kind not in ("tape", "control", "numpy")]
        how = "loaded" if self.code.cached else "compiled"
        words = [f"{len(kernels)} kernels {how} in {self.code.seconds:.3f} s"]
        if self.tapes:
            steps = sum(made.steps for made in self.tapes.values())
            count = sum(len(made.words) for made in self.tapes.values())
            words.append(
                f"{steps:,} steps on single numbers on a tape of {count:,} instructions (compiled "
                f"one by one they would take LLVM about {self.grouping.unrolled:.2g} s)"
            )
        return "; ".join([*words, *nesting.words(self.storage.nested), *self.rest()])

    def rest(self) -> list[str]:
        """What is not in this code: loops, branches, steps by NumPy."""
        return self._numpy.words()

    @property
    def splits(self) -> bool:
        """Is it worth several threads?"""
        return self.worth.awake > 1

    @property
    def is_native(self) -> bool:
        """Is all of it one native function?"""
        return len(self.stretches) == 1 and bool(self.stretches[0].symbol)

    # Code ------------------------------------------------------------------------------------

    def _function(self, symbol: str, groups: Sequence[Group], begins: bool, ends: bool) -> None:
        """A stretch or a piece of one; does it begin the stretch, does it end it?"""
        function = ir.Function(self.module, _STEP, symbol)
        entry = ir.Builder(function.append_basic_block("entry"))
        start = function.append_basic_block("start")
        b = ir.Builder(start)
        table, thread, threads, sync = function.args
        known: dict[Any, ir.Value] = {}
        names = (
            {slot: named(op) for op, slot in self.storage.slots.items()} if self._comments else {}
        )

        def slot(k: int) -> ir.Value:
            if k not in known:
                address = entry.gep(table, index(k), POINTER)
                known[k] = entry.load(address, POINTER, name=names.get(k, ""))
            return known[k]

        def pointer(op: Op) -> ir.Value:
            if op in self.storage.slots:
                return slot(self.storage.slots[op])
            if op not in known:
                known[op] = arena(self.storage.offsets[op])
            return known[op]

        def arena(offset: int) -> ir.Value:
            start = slot(self.storage.arena_slot)
            return entry.gep(start, index(offset), I8)

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
            own = b.mul(thread, index(size))
            return b.gep(arena(offset), own, I8)

        env = Environment(
            self.grouping.layout, self.target, pointer, table, slot, arena, scratch,
            (thread, threads), wait, sync,
        )  # fmt: skip

        def after_others() -> None:
            nonlocal begins
            if not begins:
                wait()
            begins = False

        for split, found in itertools.groupby(groups, self.work.is_split):
            if split:
                for group in found:
                    after_others()
                    self._emit(b, group, env)
                continue
            after_others()
            alone = replace(env, part=None)
            first = b.icmp_signed("==", thread, index(0))
            with b.if_then(first) if self.storage.threads > 1 else contextlib.nullcontext():
                for group in found:
                    self._emit(b, group, alone)
        if ends and self.storage.copies:
            wait()
            for y, x in self.storage.copies:
                size = y.size * y.dtype.itemsize
                begin, end = shared_bytes(b, size, thread, threads)
                source, to = (b.gep(pointer(op), begin, I8) for op in (y, x))
                copy_bytes(b, source, to, b.sub(end, begin))
        b.ret_void()
        entry.branch(start)

    def _emit(self, b: ir.Builder, group: Group, env: Environment) -> None:
        if self._comments:
            comment(b, group)
        self._kernels.emit(b, group, env)

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
        pointers = (*map(address_of, arrays), address_of(arena) + start, 0)
        table = (ctypes.c_uint64 * len(pointers))(*pointers)
        where = ctypes.addressof(table)
        if around is None and self.is_native and not self.splits:
            self._functions[0](where, 0, 1, 0, 0)
            if table[-1]:
                self._check(table)
        else:
            with np.errstate(all="ignore"):
                self._stretch_by_stretch(table, arrays, arena[start:], around)
        self._arenas.append(arena)
        return [x[()] if isinstance(x, np.ndarray) and not x.ndim else x for x in outputs]

    def _stretch_by_stretch(
        self,
        table: Any,
        arrays: list[np.ndarray],
        arena: np.ndarray,
        around: Callable[[int, Any], None] | None,
    ) -> None:
        results: dict[Op, Any] = {}
        where = ctypes.addressof(table)
        rows = zip(self.stretches, self._functions, strict=True)
        for number, (stretch, function) in enumerate(rows):
            if function is not None and any(map(self.work.is_split, stretch.groups)):
                run = functools.partial(POOL.run, function, where, 0, self.worth)
            elif function is not None:
                run = functools.partial(function, where, 0, 1, 0, 0)
            else:
                group = stretch.groups[0]
                run = functools.partial(self._numpy.run, group, arrays, arena, results)
            if around is None:
                run()
            else:
                around(number, run)
            if table[-1]:
                self._check(table)

    def _check(self, table: Any) -> None:
        """Raise what NumPy or a handler of signals raises, where the last word says so."""
        word = looking.signed(table[-1])
        if word > len(self.storage.failures):
            raise looking.exception(word)
        if word > 0:
            raise ufuncs.error_of(self.storage.failures[word - 1])


__all__ = ["Compiled"]
