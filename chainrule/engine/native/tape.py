"""Long stretches of single numbers: a tape of instructions that one small native loop runs.

LLVM takes much more than linear time for a function of many thousand steps. Here the steps are
data: three words for each instruction, and a register of eight bytes for each number that is
still needed. The loop knows the kinds of instructions of its tape; it is compiled once for each
set of them. A step that a single other step reads is part of the instruction of that one, so that
most multiply, add or apply a function in one go.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.engine.native import ir, machine
from chainrule.engine.native.groups import Group, Layout
from chainrule.engine.native.operations import REGISTER, compute
from chainrule.engine.native.repertoire import COMPARISONS, LOGIC, SIMPLE, is_number
from chainrule.engine.native.target import I1, I8, I32, I64, TYPES, Target
from chainrule.engine.program import Op

POINTER = ir.PointerType()
OUTER = frozenset({"add", "subtract", "multiply", "divide", "negative"})  # may take others in
MANY = 200  # kinds of instructions, from which on no new ones are composed
STEP, FUNCTION = 2.5e-9, 8e-9  # seconds that an instruction, and a function in it, take, about
FOREVER = 1 << 60  # readers of a constant

# (name, dtype, (part, …)), where a part is such a tree again, or the number of an operand
Tree = tuple[str, str, tuple[Any, ...]]
# A tree over the operands 0, 1, and 2, which is what the target register holds, and their dtypes.
Kind = tuple[Tree, tuple[str, ...]]


@dataclass(eq=False)
class Tape:
    """The steps of a group as instructions.

    Attributes:
        kinds: the kinds of instructions, in the order of their numbers.
        words: (kind, target register, operand, operand) of each instruction.
        pool: the constants, which lie in the first registers.
        registers: how many there are.
        outside: (instruction, what it reads or writes beyond the registers, which element).
    """

    kinds: tuple[Kind, ...]
    words: np.ndarray
    pool: np.ndarray
    registers: int
    outside: list[tuple[int, Op, int]]

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        functions = np.array([0, *(_functions(tree) for tree, _ in self.kinds)])
        return STEP * len(self.words) + FUNCTION * float(functions[self.words[:, 0]].sum())

    def placed(self, where: Callable[[Op], tuple[int, int]]) -> np.ndarray:
        """The instructions, three words each, once it is known what lies where.

        Args:
            where: (slot of the table, bytes from there) of a stored operation.
        """
        for row, op, element in self.outside:
            slot, start = where(op)
            self.words[row, 2:] = slot, start + element * op.dtype.itemsize
        fits = self.registers < 2**24 and len(self.kinds) < 2**8
        fits = fits and int(self.words.max(initial=0)) < 2**32
        word, shift = (np.uint32, 24) if fits else (np.uint64, 48)
        packed = self.words[:, 1:].copy()
        packed[:, 0] += self.words[:, 0] << shift
        return packed.astype(word)


class _Assembler:
    """Writes the tape of a group. Every value has a number: steps, constants, what lies outside.

    Attributes:
        dtypes, left, register: for each value its dtype, how often it is still to be read, and
            where it is; −1 is nowhere yet, below that are the constants.
    """

    def __init__(self, group: Group, layout: Callable[[Op], Layout]) -> None:
        self.group, self.layout = group, layout
        self.numbers: dict[Any, int] = {}
        self.keys: list[Any] = []
        self.dtypes: list[str] = []
        self.left: list[int] = []
        self.register: list[int] = []
        self.free: list[int] = []
        self.count = 0
        self.pool: list[bytes] = []
        self.pending: dict[int, Tree] = {}  # not written yet: the one that reads it may take it in
        self.kinds: dict[Kind, int] = {}
        self.rows: list[tuple[int, int, int, int]] = []
        self.outside: list[tuple[int, Op, int]] = []

    def tape(self) -> Tape:
        stored = set(self.group.stored)
        steps = [(op, self._parts(op)) for op in self.group.ops]
        for op, parts in steps:
            if op.name == "concatenate":
                for element, part in enumerate(parts):  # a list of numbers
                    self._store(op, element, part)
                continue
            own = self.numbers[op]
            tree = self._tree(op, parts)
            if op in stored:
                self.left[own] += 1
                self._write(own, tree)
                self._store(op, 0, own)
            elif self.left[own] == 1:
                self.pending[own] = tree
            else:
                self._write(own, tree)
        return self._finished()

    # Values ----------------------------------------------------------------------------------

    def _parts(self, op: Op) -> list[int]:
        """The numbers of the arguments, each counted as read once more."""
        parts = []
        for k, a in enumerate(op.args):
            if not isinstance(a, Op):
                kind = _wanted(op, k)
                parts.append(self._number((kind, np.array(a).astype(kind).tobytes()), kind))
                continue
            layout = self.layout(a)
            inside = layout.root in self.group.members and is_number(layout.root)
            key = layout.root if inside else (layout.root, layout.offset)
            parts.append(self._number(key, a.kind))
        for part in parts:
            self.left[part] += 1
        if op.name != "concatenate":
            self._number(op, op.kind)
        return parts

    def _number(self, key: Any, dtype: str) -> int:
        found = self.numbers.get(key)
        if found is None:
            found = self.numbers[key] = len(self.keys)
            self.keys.append(key)
            self.dtypes.append(dtype)
            constant = isinstance(key, tuple) and isinstance(key[0], str)
            self.left.append(FOREVER if constant else 0)
            self.register.append(-1)
            if constant:
                self.register[found] = -2 - len(self.pool)
                self.pool.append(key[1].ljust(8, b"\0"))
        return found

    # Instructions ----------------------------------------------------------------------------

    def _tree(self, op: Op, parts: list[int]) -> Tree:
        """A step with those that it takes in: two operands are left, or three of which one is
        not read again, so that its register can be the target."""
        taken: list[Any] = list(parts)
        for k, part in enumerate(parts):
            inner = self.pending.get(part)
            if inner is None:
                continue
            whole = [*taken[:k], inner, *taken[k + 1 :]]
            if op.name in OUTER and _is_flat(inner) and self._fits(whole):
                taken = whole
                del self.pending[part]
            else:
                self._write(part, self.pending.pop(part))
        return op.name, op.kind, tuple(taken)

    def _fits(self, parts: list[Any]) -> bool:
        uses: dict[int, int] = {}
        for x in _leaves(parts):
            uses[x] = uses.get(x, 0) + 1
        ends = len(uses) <= 2 or any(self.left[x] == n for x, n in uses.items())
        return len(uses) <= 3 and ends and len(self.kinds) < MANY

    def _write(self, own: int, tree: Tree) -> None:
        """Write the instruction that computes a value."""
        leaves = list(_leaves(tree[2]))
        operands = list(dict.fromkeys(leaves))
        for x in operands:
            if self.register[x] == -1:
                self._load(x)
        for x in leaves:
            self.left[x] -= 1
        ends = [x for x in operands if not self.left[x]]
        target = None
        if len(operands) == 3:
            last = ends[0] if ends else operands[2]
            operands.remove(last)
            operands.append(last)
            if ends:
                target = self.register[last]
                ends.remove(last)
            else:
                target = self._new()
                kind = self.dtypes[last]
                self._row((("copy", kind, (0,)), (kind,)), target, self.register[last], 0)
        self.free += [self.register[x] for x in ends]
        places = [self.register[x] for x in operands[:2]]
        target = self._new() if target is None else target
        position = {x: k for k, x in enumerate(operands)}
        kind_ = (_over(tree, position), tuple(self.dtypes[x] for x in operands))
        self._row(kind_, target, *places, *[0] * (2 - len(places)))
        self.register[own] = target
        if not self.left[own]:
            self.free.append(target)

    def _load(self, x: int) -> None:
        root, element = self.keys[x]
        self.register[x] = self._new()
        self.outside.append((len(self.rows), root, element))
        self._row((("load", self.dtypes[x], ()), ()), self.register[x], 0, 0)

    def _store(self, op: Op, element: int, x: int) -> None:
        """Write a value to the memory of an operation."""
        if x in self.pending:
            self._write(x, self.pending.pop(x))
        if self.register[x] == -1:
            self._load(x)
        self.outside.append((len(self.rows), op, element))
        self._row((("store", self.dtypes[x], ()), ()), self.register[x], 0, 0)
        self.left[x] -= 1
        if not self.left[x]:
            self.free.append(self.register[x])

    def _new(self) -> int:
        if self.free:
            return self.free.pop()
        self.count += 1
        return self.count - 1

    def _row(self, kind: Kind, target: int, a: int, b: int) -> None:
        self.rows.append((self.kinds.setdefault(kind, len(self.kinds)), target, a, b))

    def _finished(self) -> Tape:
        """Sort the kinds, so that the loop is the same for all tapes with these, and put the
        constants before the other registers."""
        kinds = sorted(self.kinds, key=repr)
        order = np.array([kinds.index(kind) for kind in self.kinds], np.int64)
        words = np.array(self.rows, np.int64).reshape(-1, 4)
        words[:, 0] = order[words[:, 0]] + 1  # 0 ends the tape
        registers = words[:, 1:]
        words[:, 1:] = np.where(registers < 0, -2 - registers, registers + len(self.pool))
        words = np.append(words, np.zeros((1, 4), np.int64), 0)
        pool = np.frombuffer(b"".join(self.pool), np.uint8)
        return Tape(tuple(kinds), words, pool, self.count + len(self.pool), self.outside)


def assembled(group: Group, layout: Callable[[Op], Layout]) -> Tape:
    """The tape of a group of single numbers."""
    return _Assembler(group, layout).tape()


def _wanted(op: Op, k: int) -> str:
    """The dtype of a constant argument, as the code of the step takes it."""
    if op.name in COMPARISONS:
        found = str(np.result_type(*(a.dtype if isinstance(a, Op) else a for a in op.args)))
        return "int64" if found == "bool" else found if found in REGISTER else "float64"
    if op.name in LOGIC or (op.name == "where" and k == 0):
        return "bool"
    return op.kind


def _functions(tree: Tree) -> int:
    """How many steps of a tree are more than arithmetic."""
    name, _, parts = tree
    own = name not in SIMPLE and name not in ("load", "store")
    return own + sum(_functions(part) for part in parts if isinstance(part, tuple))


def _is_flat(tree: Tree) -> bool:
    return not any(isinstance(part, tuple) for part in tree[2])


def _leaves(parts: Any) -> Any:
    for part in parts:
        if isinstance(part, tuple):
            yield from _leaves(part[2])
        else:
            yield part


def _over(tree: Tree, position: dict[int, int]) -> Tree:
    """The tree with the positions of its operands."""
    name, dtype, parts = tree
    places = (_over(p, position) if isinstance(p, tuple) else position[p] for p in parts)
    return name, dtype, tuple(places)


# The loop ----------------------------------------------------------------------------------------


@functools.cache
def runner(kinds: tuple[Kind, ...], bits: int, target: Target) -> machine.Code:
    """``run(words, registers, table)``: do the instructions until one that ends the tape.

    Args:
        kinds: of instructions.
        bits: of a word, 32 or 64.
        target: the processor.
    """

    def write() -> list[ir.Module]:
        return [_module(kinds, bits, target)]

    return machine.build(write, f"tape {bits} {kinds}", ["run"], target)


def _module(kinds: tuple[Kind, ...], bits: int, target: Target) -> ir.Module:
    """Every kind of instruction ends with the jump to the next one, which lets the processor
    foresee it by what came before."""
    module = ir.Module("tape", target.triple)
    kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, POINTER])
    function = ir.Function(module, kind, "run")
    words, registers, table = function.args
    word, shift = ir.IntType(bits), 24 if bits == 32 else 48
    entry, stop = function.append_basic_block("entry"), function.append_basic_block("stop")
    blocks = [function.append_basic_block(tree[0]) for tree, _ in kinds]
    ir.Builder(stop).ret_void()
    every = [stop, *blocks]
    jumps = ir.GlobalArray(module, "jumps", [ir.BlockAddress(function, block) for block in every])
    arrivals: dict[Any, list[ir.Phi]] = {}
    for block in blocks:
        b = ir.Builder(block)
        arrivals[block] = [b.phi(POINTER), b.phi(word)]

    def jump(b: ir.Builder, at: ir.Value) -> None:
        head = b.load(at, typ=word)
        kind = _wide(b, b.lshr(head, ir.Constant(word, shift)))
        place = b.gep(jumps, [ir.Constant(I64, 0), kind], source_etype=jumps.kind)
        b.branch_indirect(b.load(place, typ=POINTER), every)
        for block in blocks:
            arrivals[block][0].add_incoming(at, b.block)
            arrivals[block][1].add_incoming(head, b.block)

    jump(ir.Builder(entry), words)
    for block, (tree, dtypes) in zip(blocks, kinds, strict=True):
        b = ir.Builder(block)
        b.position_at_end(block)
        at, head = arrivals[block]
        own = b.and_(head, ir.Constant(word, 2**shift - 1))
        size = bits // 8
        others = [
            b.load(b.gep(at, [ir.Constant(I64, k * size)], source_etype=I8), typ=word)
            for k in (1, 2)
        ]
        places = [_slot(b, registers, x) for x in (*others, own)]
        if tree[0] in ("load", "store"):
            start = b.load(b.gep(table, [_wide(b, others[0])], source_etype=POINTER), typ=POINTER)
            there = b.gep(start, [_wide(b, others[1])], source_etype=I8)
            one, two = (there, places[2]) if tree[0] == "load" else (places[2], there)
            b.store(b.load(one, typ=TYPES[tree[1]]), two)
        else:
            given = [_read(b, x, dtype) for x, dtype in zip(places, dtypes, strict=False)]
            _put(b, places[2], _computed(b, tree, given, dtypes), tree[1])
        jump(b, b.gep(at, [ir.Constant(I64, 3 * size)], source_etype=I8))
    return module


def _wide(b: ir.Builder, x: ir.Value) -> ir.Value:
    return b.zext(x, I64) if x.type == I32 else x


def _slot(b: ir.Builder, registers: ir.Value, x: ir.Value) -> ir.Value:
    return b.gep(registers, [_wide(b, x)], source_etype=I64)


def _read(b: ir.Builder, place: ir.Value, dtype: str) -> ir.Value:
    x = b.load(place, typ=TYPES[dtype])
    return b.trunc(x, I1) if dtype == "bool" else x


def _put(b: ir.Builder, place: ir.Value, x: ir.Value, dtype: str) -> None:
    b.store(b.zext(x, I8) if dtype == "bool" else x, place)


def _computed(
    b: ir.Builder, tree: Tree, given: list[ir.Value], dtypes: tuple[str, ...]
) -> ir.Value:
    name, dtype, parts = tree
    values = [
        (_computed(b, p, given, dtypes), p[1]) if isinstance(p, tuple) else (given[p], dtypes[p])
        for p in parts
    ]
    args = tuple(Op("operand", (), {}, (), np.dtype(kind), None) for _, kind in values)
    step = Op(name, args, {}, (), np.dtype(dtype), None)
    return compute(b, step, lambda k: values[k], None)


__all__ = ["Tape", "assembled", "runner"]
