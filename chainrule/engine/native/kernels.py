"""The code of each kernel, which is written where it stands in its function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from chainrule.engine.native import (
    gathers,
    ir,
    machine,
    nested_calls,
    running,
    sweeps,
    tape,
    ufunc_calls,
    ufuncs,
)
from chainrule.engine.native.assembling import Tape
from chainrule.engine.native.environment import Environment
from chainrule.engine.native.groups import Group
from chainrule.engine.native.ir import I8, I64, POINTER, VOID, index
from chainrule.engine.native.loops import Loops
from chainrule.engine.native.pieces import Pieces
from chainrule.engine.native.repertoire import RUNNING
from chainrule.engine.native.rowloops import RowLoops
from chainrule.engine.native.sharing import own_functions
from chainrule.engine.native.storage import Storage
from chainrule.engine.native.target import TYPES, Target
from chainrule.engine.native.threads import alone, share
from chainrule.engine.native.vectors import copy_bytes
from chainrule.engine.native.weight_correlations import WeightCorrelation
from chainrule.engine.native.work import Work
from chainrule.engine.program import Op


class Kernels:
    """Writes the code of the groups of a program.

    Args:
        storage: where the values lie.
        work: what the groups have to do.
        tapes: the instructions of groups of single numbers.
        target: the processor.
        imports: gets the functions that tapes call, by the names under which they do.
        module_of: the module for the functions that do a group.

    Attributes:
        repeated: groups that share a function with others.
    """

    def __init__(
        self,
        storage: Storage,
        work: Work,
        tapes: Mapping[Group, Tape],
        target: Target,
        imports: dict[str, tuple[machine.Code, str]],
        module_of: Callable[[Group], ir.Module],
    ) -> None:
        self.storage, self.work, self.tapes = storage, work, tapes
        self.target, self.imports, self.module_of = target, imports, module_of
        self.grouping = storage.grouping
        swept = {group for s in storage.sweeps for group in (s.first, s.second)}
        groups = [group for group in self.grouping.groups if group not in swept]
        self._own = own_functions(groups, self.grouping.layout, work.is_split)
        times = Counter(key for key, _ in self._own.values())
        self.repeated = {group for group, (key, _) in self._own.items() if times[key] > 1}
        self._products: dict[Any, tuple[str, ir.FunctionType]] = {}
        self._names: dict[Any, str] = {}  # of functions that are written already

    def emit(self, b: ir.Builder, group: Group, env: Environment) -> None:
        """Write the code of a group."""
        if group.kind == "product":
            self._emit_product(b, group, env)
        elif group.kind == "stack":
            self._emit_stack(b, group, env)
        elif group.kind == "take":
            op = group.ops[0]
            (running.run if op.name in RUNNING else gathers.move)(b, op, env)
        elif group.kind == "tape":
            self._emit_tape(b, group, env)
        elif group.kind == "ufunc":
            self._emit_ufunc(b, group, env)
        elif group.kind == "control":
            nested_calls.Writer(b, group, env, self.storage).emit()
        elif group in self._own:
            self._emit_own(b, group, env)
        else:
            (Pieces if self.work.in_pieces(group) else Loops)(b, group, env).emit()

    def _emit_own(self, b: ir.Builder, group: Group, env: Environment) -> None:
        """Call the function of a loop, which all that are like it share."""
        key, roots = self._own[group]
        name = self._names.setdefault(key, f"kernel_{len(self._names)}")
        part = env.part or ()
        types = [POINTER] * len(roots) + [I64] * len(part)
        kind = ir.FunctionType(VOID, types)
        function, is_new = self.module_of(group).shared(name, kind)
        if is_new:
            inner = ir.Builder(function.append_basic_block())
            own = {
                root: inner.gep(x, index(-start), TYPES[root.kind])
                for (root, start), x in zip(roots, function.args, strict=False)
            }
            among = function.args[len(roots) :]
            shared = (among[0], among[1]) if among else None
            within = replace(env, pointer=own.__getitem__, part=shared)
            (RowLoops if group.kind == "rows" else Loops)(inner, group, within).emit()
            inner.ret_void()
        addresses = [
            b.gep(env.pointer(root), index(start), TYPES[root.kind]) for root, start in roots
        ]
        b.call(b.module.imported(function), [*addresses, *part])

    def _emit_product(self, b: ir.Builder, group: Group, env: Environment) -> None:
        from chainrule.engine.native.epilogues import Epilogue

        head = group.head
        assert head is not None
        layout, pointer = self.grouping.layout, env.pointer
        spec, module = self.work.spec(group), self.module_of(group)
        key, roots = self._own.get(group, (None, ()))
        starts = dict(roots)
        epilogue = Epilogue(group, layout, self.target, starts) if len(group.ops) > 1 else None
        operands = [
            b.gep(pointer(op), index(starts.get(op, 0)), TYPES[op.kind])
            for op in (epilogue.operands if epilogue else ())
        ]
        begin = [pointer(layout(a).root) for a in head.args[2:]]  # of gathered rows
        extra = [POINTER] * len(begin + operands)
        scratch = env.scratch(group)
        out = pointer(head) if head in group.stored else scratch
        begins = next((s for s in self.storage.sweeps if s.first is group), None)
        ends = next((s for s in self.storage.sweeps if s.second is group), None)
        if ends is not None:
            function = sweeps.emit_end(module, ends, self.target, epilogue, extra)
            sums, none = env.arena(self.storage.sums[ends]), index(0)
            b.call(b.module.imported(function), [sums, sums, out, none, none, scratch, *operands])
            return
        known = None if key is None else self._products.get(key)
        if known is None:
            name = f"product_{group.index}"
            function = spec.emit(module, name, self.target, epilogue, extra)
            if key is not None:
                self._products[key] = name, function.kind
        else:
            function = b.module.declared(*known)

        given = [self._address(b, a, env) for a in head.args[:2]]

        def run(first: ir.Value, last: ir.Value) -> None:
            b.call(
                b.module.imported(function), [*given, out, first, last, scratch, *begin, *operands]
            )

        if begins is not None:
            sums = env.arena(self.storage.sums[begins])
            others = pointer(begins.r), self._address(b, begins.x, env), sums
            sweeps.emit_sweep(b, module, begins, self.target, run, others, env.part)
            return
        parts, unit, whole = spec.parts(self.target)
        if env.part is None:
            run(index(0), index(whole))
        else:
            first, last = share(b, parts, env.part)
            end = b.icmp_signed("==", last, index(parts))  # the last part has the rest
            last = b.select(end, index(whole), b.mul(last, index(unit)))
            run(b.mul(first, index(unit)), last)
        if isinstance(spec, WeightCorrelation) and self.work.in_pieces(group):
            name = f"product_{group.index}_end"
            function = spec.emit_end(module, name, self.target, epilogue, extra)
            with alone(b, env.part, env.wait):
                run(index(0), index(0))

    def _emit_stack(self, b: ir.Builder, group: Group, env: Environment) -> None:
        head, layout = group.ops[0], self.grouping.layout
        operands = [self._address(b, a, env) for a in head.args]
        given = operands[0], operands[1], env.pointer(layout(head).root)
        name = f"product_{group.index}"
        stack = self.work.stack(group)
        stack.emit(b, name, self.target, given, env.scratch(group), env.part)

    def _address(self, b: ir.Builder, a: Op, env: Environment) -> ir.Value:
        """Of the first element of an operand."""
        layout = self.grouping.layout(a)
        offset = index(layout.offset * a.dtype.itemsize)
        return b.gep(env.pointer(layout.root), offset, I8)

    def _emit_ufunc(self, b: ir.Builder, group: Group, env: Environment) -> None:
        storage, op, status = self.storage, group.ops[0], None
        if ufuncs.may_fail(op):
            slot = index(storage.arena_slot + 1)
            status = b.gep(env.table, slot, POINTER), storage.numbers[group]
        given = []
        for a, term in zip(op.args, ufuncs.core(op.params["ufunc"]), strict=False):
            strides = ufuncs.strides_of(a.shape, self.grouping.layout(a).strides, len(term))
            size = a.dtype.itemsize
            given.append((self._address(b, a, env), tuple(s * size for s in strides)))
        cell = env.slot(storage.loop_slots[op.params["ufunc"]])
        ufunc_calls.call(b, op, given, env.pointer(op), cell, status, self._names)

    def _emit_tape(self, b: ir.Builder, group: Group, env: Environment) -> None:
        made, at = self.tapes[group], self.storage.tape_slots[group]
        registers = env.arena(self.storage.registers[group])
        if made.pool.size:
            copy_bytes(b, env.slot(at + 1), registers, made.pool.size)
        words = self.storage.constants[self.storage.constant_slots.index(at)]
        name = f"tape_{group.index}"
        kind = ir.FunctionType(VOID, [POINTER] * 3)
        run = b.module.declared(name, kind)
        self.imports[name] = tape.runner(made.kinds, 8 * words.itemsize, self.target), "run"
        b.call(run, [env.slot(at), registers, env.table])


__all__ = ["Kernels"]
