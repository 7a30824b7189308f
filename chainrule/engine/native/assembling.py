"""Steps on single numbers become a tape of instructions.

Every value gets a register while it is still to be read. A step that a single other one reads is
part of the instruction of that one, where it fits: an instruction has two operands, or three of
which one is not read again, so that its register can be the target.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.engine.native.groups import Group
from chainrule.engine.native.layouts import Layout
from chainrule.engine.native.operations import REGISTER
from chainrule.engine.native.repertoire import COMPARISONS, LOGIC, SIMPLE, is_number
from chainrule.engine.program import Op
from chainrule.engine.steps import Kind, Steps
from chainrule.records import dataclass

OUTER = frozenset({"add", "subtract", "multiply", "divide", "negative"})  # may take others in
MANY = 200  # kinds of instructions, from which on no new ones are composed
STEP, FUNCTION = 2.5e-9, 8e-9  # seconds that an instruction, and a function in it, take, about
FOREVER = 1 << 30  # readers of a constant

# (name, dtype, (part, …)), where a part is such a tree again, or the number of an operand
Tree = tuple[str, str, tuple[Any, ...]]
# A tree over the operands 0, 1, and 2, which is what the target register holds, and their dtypes.
Instruction = tuple[Tree, tuple[str, ...]]
# The kind of a step, or that and the kinds of the steps that it takes in, −1 for a plain operand.
Composed = int | tuple[int, ...]


@dataclass(eq=False)
class Tape:
    """The steps of a group as instructions.

    Attributes:
        kinds: the kinds of instructions, in the order of their numbers.
        words: (kind, target register, operand, operand) of each instruction.
        pool: the constants, which lie in the first registers.
        registers: how many there are.
        steps: how many steps it does.
        outside: for each instruction that reads or writes beyond the registers, in rows: its
            number, that of the operation in ``places``, and the element.
        places: the operations that are read or written.
    """

    kinds: tuple[Instruction, ...]
    words: np.ndarray
    pool: np.ndarray
    registers: int
    steps: int
    outside: np.ndarray
    places: list[Op]

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
        rows, numbers, elements = self.outside
        found = [(*where(op), op.dtype.itemsize) for op in self.places]
        slots, starts, sizes = np.array(found, np.int64).reshape(-1, 3).T
        bytes_ = starts[numbers] + elements * sizes[numbers]
        fits = self.registers < 2**24 and len(self.kinds) < 2**8
        fits = fits and max(int(bytes_.max(initial=0)), len(self.places)) < 2**32
        word, shift = (np.uint32, 24) if fits else (np.uint64, 48)
        packed: np.ndarray = self.words[:, 1:].astype(word)
        packed[rows, 1], packed[rows, 2] = slots[numbers], bytes_
        packed[:, 0] |= np.left_shift(self.words[:, 0], shift, dtype=word, casting="unsafe")
        return packed


class _Assembler:
    """Writes the tape of some steps.

    Attributes:
        left, register: for each value how often it is still to be read, and where it is; −1 is
            nowhere yet, below that are the constants.
        pending: what is not written yet, since the one that reads it may take it in: how it is
            composed, and its operands.
    """

    def __init__(self, steps: Steps, sources: Sequence[Op], written: dict[int, Op]) -> None:
        self.steps = steps
        self.places = [*sources, *written.values()]
        self.targets: dict[int, list[tuple[int, int]]] = {}  # value → where it is to be stored
        for place, number in enumerate(written, len(sources)):
            for element, value in enumerate(steps.results[number]):
                self.targets.setdefault(value, []).append((place, element))
        self.left = steps.readers(written)
        self.count = sum(
            1 for read, a in zip(self.left, steps.first, strict=True) if read and a >= 0
        )
        self.register = [-1] * len(steps)
        self.pending: dict[int, tuple[Composed, tuple[int, ...]]] = {}
        self.numbers: dict[Any, int] = {}  # how composed, over which operands → number
        self.kinds: list[Instruction] = []
        self.known: dict[Instruction, int] = {}
        self.free: list[int] = []
        self.most = 0
        self.words: list[int] = []
        self.outside = array("q")

    def tape(self) -> Tape:
        steps, targets, pending = self.steps, self.targets, self.pending
        first, outer, write = steps.first, [kind.name in OUTER for kind in steps.kinds], self._write
        rows = zip(self.left, steps.kind, first, steps.second, steps.third, strict=True)
        for value, (readers, kind, a, b, c) in enumerate(rows):
            if not readers:
                continue
            if a < 0:
                self._given(value)
                continue
            leaves: tuple[int, ...] = (a,) if b < 0 else (a, b) if c < 0 else (a, b, c)
            composed: Composed = kind
            if a in pending or b in pending or c in pending:
                composed, leaves = self._composed(kind, leaves, outer[kind])
            if readers == 1 and value not in targets:
                pending[value] = composed, leaves
            else:
                write(value, composed, leaves)
        for value in targets:
            if first[value] < 0:  # what is given is handed on
                if self.register[value] == -1:
                    self._load(value)
                self._store(value)
        return self._finished()

    def _given(self, value: int) -> None:
        """A constant is in its register from the beginning; an element is read when needed."""
        if self.steps.kinds[self.steps.kind[value]].name == "constant":
            self.register[value] = -2 - self.steps.second[value]
            self.left[value] = FOREVER

    # Instructions ----------------------------------------------------------------------------

    def _composed(
        self, kind: int, parts: tuple[int, ...], is_outer: bool
    ) -> tuple[Composed, tuple[int, ...]]:
        """A step with those that it takes in."""
        inner: list[int] = []
        leaves: tuple[int, ...] = ()
        for k, part in enumerate(parts):
            composed, own = self.pending.pop(part, (None, ()))
            if type(composed) is int and is_outer:
                whole = (*leaves, *own, *parts[k + 1 :])
                if len(whole) < 3 or self._fits(whole):
                    inner.append(composed)
                    leaves += own
                    continue
            if composed is not None:
                self._write(part, composed, own)
            inner.append(-1)
            leaves += (part,)
        return (kind if leaves == parts else (kind, *inner)), leaves

    def _fits(self, leaves: tuple[int, ...]) -> bool:
        """Has an instruction with these operands a register for its target?"""
        left = self.left
        if len(leaves) == 3:
            a, b, c = leaves
            ends = left[a] == 1 or left[b] == 1 or left[c] == 1
            return (ends or len({a, b, c}) < 3) and len(self.kinds) < MANY
        distinct = set(leaves)
        if len(distinct) == 3 and not any(left[x] == leaves.count(x) for x in distinct):
            return False
        return len(distinct) <= 3 and len(self.kinds) < MANY

    def _write(self, value: int, composed: Composed, leaves: tuple[int, ...]) -> None:
        """Write the instruction that computes a value."""
        left, register, free = self.left, self.register, self.free
        for x in leaves:
            if register[x] == -1:
                self._load(x)
            left[x] -= 1
        # The operands, and how the leaves are made of them: the number of leaves where each is
        # an operand, or which operand each is.
        operands, target = leaves, -1
        pattern: int | tuple[int, ...] = len(leaves)
        if len(leaves) > 2 or (len(leaves) == 2 and leaves[0] == leaves[1]):
            operands, target = self._operands(leaves)
            pattern = tuple([operands.index(x) for x in leaves])
        x = operands[0]
        one, two = register[x], 0
        if not left[x]:
            free.append(one)
        if len(operands) > 1:
            x = operands[1]
            two = register[x]
            if not left[x]:
                free.append(two)
        if target == -1:
            target = free.pop() if free else self._new()
        number = self.numbers.get((composed, pattern))
        if number is None:
            places = pattern if isinstance(pattern, tuple) else tuple(range(pattern))
            number = self._number(self._instruction(composed, places, operands))
            self.numbers[composed, pattern] = number
        self.words += (number, target, one, two)
        register[value] = target
        if value in self.targets:
            self._store(value)
        if not left[value]:
            free.append(target)

    def _operands(self, leaves: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
        """Each leaf once, and, where there are three, the register of the last, which is the
        target."""
        operands = leaves if len(set(leaves)) == len(leaves) else tuple(dict.fromkeys(leaves))
        if len(operands) < 3:
            return operands, -1
        left, register = self.left, self.register
        a, b, c = operands
        if not left[c]:
            return operands, register[c]
        if not left[a]:
            return (b, c, a), register[a]
        if not left[b]:
            return (a, c, b), register[b]
        target = self._new()
        dtype = self._dtype(c)
        self.words.extend((self._number((("copy", dtype, (0,)), (dtype,))), target, register[c], 0))
        return operands, target

    def _instruction(
        self, composed: Composed, places: tuple[int, ...], operands: Sequence[int]
    ) -> Instruction:
        """What an instruction does."""
        at = iter(places)
        kinds = self.steps.kinds

        def tree(kind: int, inner: Sequence[int]) -> Tree:
            name, dtype, given = kinds[kind]
            parts = [next(at) if k < 0 else tree(k, ()) for k in inner or [-1] * len(given)]
            return name, dtype, tuple(parts)

        whole = tree(composed, ()) if isinstance(composed, int) else tree(composed[0], composed[1:])
        return whole, tuple(map(self._dtype, operands))

    def _number(self, kind: Instruction) -> int:
        number = self.known.get(kind)
        if number is None:
            number = self.known[kind] = len(self.kinds)
            self.kinds.append(kind)
        return number

    def _dtype(self, value: int) -> str:
        return self.steps.kinds[self.steps.kind[value]].dtype

    # What lies outside -----------------------------------------------------------------------

    def _load(self, value: int) -> None:
        target = self.register[value] = self._new()
        self._reach("load", value, target, self.steps.second[value], self.steps.third[value])

    def _store(self, value: int) -> None:
        """Write a value to where it is wanted."""
        for place, element in self.targets[value]:
            self._reach("store", value, self.register[value], place, element)
            self.left[value] -= 1

    def _reach(self, name: str, value: int, register: int, place: int, element: int) -> None:
        dtype = self._dtype(value)
        number = self._number(((name, dtype, ()), ()))
        self.outside.extend((len(self.words) // 4, place, element))
        self.words.extend((number, register, 0, 0))

    def _new(self) -> int:
        if self.free:
            return self.free.pop()
        self.most += 1
        return self.most - 1

    def _finished(self) -> Tape:
        """Sort the kinds, so that the loop is the same for all tapes with these, and put the
        constants before the other registers."""
        kinds = sorted(self.kinds, key=repr)
        order = np.array([kinds.index(kind) for kind in self.kinds], np.int32)
        pool = len(self.steps.pool)
        words = np.zeros((len(self.words) // 4 + 1, 4), np.int32)  # a kind of 0 ends the tape
        words[:-1] = np.array(self.words, np.int32).reshape(-1, 4)
        words[:-1, 0] = order[words[:-1, 0]] + 1
        registers = words[:-1, 1:]
        np.copyto(registers, np.where(registers < 0, -2 - registers, registers + pool))
        outside = np.frombuffer(self.outside, np.int64).reshape(-1, 3).T
        constants = np.frombuffer(b"".join(self.steps.pool), np.uint8)
        return Tape(
            tuple(kinds), words, constants, self.most + pool, self.count, outside, self.places
        )


def assembled(group: Group, layout: Callable[[Op], Layout]) -> Tape:
    """The tape of a group of single numbers."""
    first = group.ops[0]
    if first.name == "stretch":
        written = {op.params["number"]: op for op in group.ops[1:]}
        return _Assembler(first.params["steps"], first.sources(), written).tape()
    steps, sources, written = _steps(group, layout)
    return _Assembler(steps, sources, written).tape()


def _steps(group: Group, layout: Callable[[Op], Layout]) -> tuple[Steps, list[Op], dict[int, Op]]:
    """The operations of a group as steps, what they read, and what they write."""
    steps = Steps()
    numbers: dict[Any, int] = {}
    sources: dict[Op, int] = {}

    def argument(op: Op, k: int, a: Any) -> int:
        if not isinstance(a, Op):
            dtype = wanted(op, k)
            key: Any = (dtype, np.array(a).astype(dtype).tobytes())
            if key not in numbers:
                numbers[key] = steps.constant(*key)
            return numbers[key]
        whole = layout(a)
        if whole.root in group.members and is_number(whole.root):
            return numbers[whole.root]
        key = whole.root, whole.offset
        if key not in numbers:
            source = sources.setdefault(whole.root, len(sources))
            numbers[key] = steps.load(a.kind, source, whole.offset)
        return numbers[key]

    written: dict[int, Op] = {}
    stored = set(group.stored)
    for op in group.ops:
        args = [argument(op, k, a) for k, a in enumerate(op.args)]
        if op.name != "concatenate":
            given = tuple(steps.kinds[steps.kind[a]].dtype for a in args)
            args = [steps.append(steps.number(Kind(op.name, op.kind, given)), *args)]
            numbers[op] = args[0]
        if op in stored:
            written[len(steps.results)] = op
            steps.results.append(args)
    return steps, list(sources), written


def wanted(op: Op, k: int) -> str:
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


__all__ = ["Instruction", "Tape", "Tree", "assembled", "wanted"]
