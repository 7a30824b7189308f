"""LLVM's language, written as text: what code is made of, and the builder of its instructions.

It has what the engine needs and keeps the names of the language. Instructions become text as they
are made; what is known beforehand (sums and products of constants, steps that stand in the block
already) is not written at all, for LLVM's time and Python's grow with the text.

Source: LLVM Language Reference Manual.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from chainrule.engine.native.values import (
    DOUBLE,
    FLOAT,
    I1,
    I8,
    I16,
    I32,
    I64,
    POINTER,
    VOID,
    ArrayType,
    Block,
    BlockAddress,
    Constant,
    Function,
    FunctionType,
    GlobalArray,
    IntType,
    Module,
    Phi,
    PhiLine,
    Type,
    Undefined,
    Value,
    VectorType,
    index,
)

_SIGNED = {"<": "slt", "<=": "sle", ">": "sgt", ">=": "sge", "==": "eq", "!=": "ne"}
_UNSIGNED = {"<": "ult", "<=": "ule", ">": "ugt", ">=": "uge", "==": "eq", "!=": "ne"}
_ORDERED = {"<": "olt", "<=": "ole", ">": "ogt", ">=": "oge", "==": "oeq", "!=": "one"}
_UNORDERED = {"<": "ult", "<=": "ule", ">": "ugt", ">=": "uge", "==": "ueq", "!=": "une"}


def _binary(name: str) -> Any:
    def write(self: Builder, x: Value, y: Value) -> Value:
        return self.pure(x.type, f"{name} {x.type.text} {x.text}, {y.text}")

    return write


def _cast(name: str) -> Any:
    def write(self: Builder, x: Value, kind: Any) -> Value:
        return self.pure(kind, f"{name} {x.type.text} {x.text} to {kind.text}")

    return write


def _compare(name: str, signs: dict[str, str]) -> Any:
    def write(self: Builder, sign: str, x: Value, y: Value) -> Value:
        kind = VectorType(I1, x.type.count) if isinstance(x.type, VectorType) else I1
        code = f"{name} {signs.get(sign, sign)} {x.type.text} {x.text}, {y.text}"
        return self.pure(kind, code)

    return write


class Builder:
    """Writes instructions at the end of a block.

    Attributes:
        block: where it writes.
    """

    __slots__ = ("block",)

    def __init__(self, block: Block) -> None:
        self.block = block

    @property
    def module(self) -> Module:
        return self.block.function.module

    @property
    def function(self) -> Function:
        return self.block.function

    def pure(self, kind: Any, code: str) -> Value:
        """A value that depends on the text of its instruction alone: each block has it once."""
        block = self.block
        found = block.known.get(code)
        if found is None:
            found = block.known[code] = Value(kind, block.function.following())
            block.lines.append(f"{found.text} = {code}")
        return found

    def impure(self, kind: Any, code: str, name: str = "") -> Value:
        function = self.block.function
        x = Value(kind, f"%{function.unique(name)}" if name else function.following())
        self.block.lines.append(f"{x.text} = {code}")
        return x

    def comment(self, text: str) -> None:
        self.block.lines.append("; " + text.replace("\n", " "))

    # Arithmetic

    def add(self, x: Value, y: Value) -> Value:
        m, n = _number(x), _number(y)
        if n == 0:
            return x
        if m == 0:
            return y
        if m is not None and n is not None:
            return Constant(x.type, m + n)
        return self.pure(x.type, f"add {x.type.text} {x.text}, {y.text}")

    def sub(self, x: Value, y: Value) -> Value:
        m, n = _number(x), _number(y)
        if n == 0:
            return x
        if m is not None and n is not None:
            return Constant(x.type, m - n)
        return self.pure(x.type, f"sub {x.type.text} {x.text}, {y.text}")

    def mul(self, x: Value, y: Value) -> Value:
        m, n = _number(x), _number(y)
        if n == 1 or m == 0:
            return x
        if m == 1 or n == 0:
            return y
        if m is not None and n is not None:
            return Constant(x.type, m * n)
        return self.pure(x.type, f"mul {x.type.text} {x.text}, {y.text}")

    udiv, sdiv, urem = map(_binary, ("udiv", "sdiv", "urem"))
    and_, or_, xor = map(_binary, ("and", "or", "xor"))
    shl, lshr, ashr = map(_binary, ("shl", "lshr", "ashr"))
    fadd, fsub, fmul, fdiv = map(_binary, ("fadd", "fsub", "fmul", "fdiv"))
    trunc, zext, sext, bitcast = map(_cast, ("trunc", "zext", "sext", "bitcast"))
    sitofp, uitofp, fptosi = map(_cast, ("sitofp", "uitofp", "fptosi"))
    fpext, fptrunc = map(_cast, ("fpext", "fptrunc"))
    ptrtoint, inttoptr = map(_cast, ("ptrtoint", "inttoptr"))
    icmp_signed, icmp_unsigned = _compare("icmp", _SIGNED), _compare("icmp", _UNSIGNED)
    fcmp_ordered, fcmp_unordered = _compare("fcmp", _ORDERED), _compare("fcmp", _UNORDERED)

    def neg(self, x: Value) -> Value:
        return self.sub(Constant(x.type, None), x)

    def fneg(self, x: Value) -> Value:
        y = self.pure(x.type, f"fneg {x}")
        self.block.negated[y.text] = x
        return y

    def freeze(self, x: Value) -> Value:
        """The same value, about which LLVM draws no conclusions from how it came about."""
        return self.pure(x.type, f"freeze {x}")

    def opaque(self, i: Value) -> Value:
        """The same counter of a loop, about which LLVM does not know that it is one.

        It is spared the search for better ways to step each address through the loop; the ways
        of the processor to add to an address are good enough. The shift keeps the pass that moves
        frozen counters out of loops from seeing what it is.
        """
        return self.freeze(self.pure(i.type, f"shl {i}, 0"))

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        return self.pure(x.type, f"select {condition}, {x}, {y}")

    # Vectors

    def insert_element(self, x: Value, one: Value, lane: Value) -> Value:
        return self.pure(x.type, f"insertelement {x}, {one}, {lane}")

    def extract_element(self, x: Value, lane: Value) -> Value:
        return self.pure(x.type.element, f"extractelement {x}, {lane}")

    def shuffle_vector(self, x: Value, y: Value, mask: Value) -> Value:
        kind = VectorType(x.type.element, mask.type.count)
        return self.pure(kind, f"shufflevector {x}, {y}, {mask}")

    # Memory

    def alloca(self, kind: Any, size: int = 1, align: int = 0) -> Value:
        return self.impure(POINTER, f"alloca {kind}, i64 {size}{_words(align)}")

    def gep(self, base: Value, i: Value, kind: Any) -> Value:
        """The address of element i of an array; of several, if i is a vector."""
        if _number(i) == 0:
            return base
        one = type(i.type) is not VectorType
        made = POINTER if one else VectorType(POINTER, i.type.count)
        return self.pure(made, f"getelementptr {kind.text}, {base}, {i}")

    def load(self, place: Value, kind: Any, align: int = 0, name: str = "") -> Value:
        """What is at an address. A vector may lie where any of its elements may."""
        return self.impure(kind, f"load {kind}, {place}{_aligned(kind, align)}", name)

    def store(self, x: Value, place: Value, align: int = 0) -> None:
        self.block.lines.append(f"store {x}, {place}{_aligned(x.type, align)}")

    def load_atomic(self, place: Value, kind: Any, ordering: str) -> Value:
        return self.impure(kind, f"load atomic {kind}, {place} {ordering}, align 8")

    def atomic_rmw(self, operation: str, place: Value, x: Value, ordering: str) -> Value:
        return self.impure(x.type, f"atomicrmw {operation} {place}, {x} {ordering}")

    # Calls and control flow

    def call(self, function: Any, args: Sequence[Value], kind: FunctionType | None = None) -> Any:
        """A call; ``kind`` where the function is an address."""
        kind = kind or function.kind
        code = f"call {kind.result} {function.text}({', '.join(map(str, args))})"
        if kind.result is VOID:
            self.block.lines.append(code)
            return None
        return self.impure(kind.result, code)

    def phi(self, kind: Any) -> Phi:
        phi = Phi(kind, self.block.function.following())
        self.block.lines.append(PhiLine(phi))
        return phi

    def append_basic_block(self, name: str = "block") -> Block:
        return self.block.function.append_basic_block(name)

    def position_at_end(self, block: Block) -> None:
        self.block = block

    def branch(self, block: Block) -> None:
        self.block.end = f"br {block}"

    def cbranch(self, condition: Value, then: Block, other: Block, hint: str = "") -> None:
        self.block.end = f"br {condition}, {then}, {other}{hint}"

    def branch_indirect(self, address: Value, blocks: Sequence[Block]) -> None:
        self.block.end = f"indirectbr {address}, [{', '.join(map(str, blocks))}]"

    def ret(self, x: Value) -> None:
        self.block.end = f"ret {x}"

    def ret_void(self) -> None:
        self.block.end = "ret void"

    @contextlib.contextmanager
    def if_then(self, condition: Value, likely: bool | None = None) -> Iterator[None]:
        """What is written within is done where the condition holds."""
        then, after = self.append_basic_block("then"), self.append_basic_block("endif")
        hint = ""
        if likely is not None:
            weights = "i32 99, i32 1" if likely else "i32 1, i32 99"
            hint = f', !prof !{{!"branch_weights", {weights}}}'
        self.cbranch(condition, then, after, hint)
        self.position_at_end(then)
        yield
        if self.block.end is None:
            self.branch(after)
        self.position_at_end(after)

    @contextlib.contextmanager
    def if_else(self, condition: Value) -> Iterator[tuple[Any, Any]]:
        """(where the condition holds, where not): what is written within these is done there."""
        after = self.append_basic_block("endif")
        blocks = self.append_basic_block("then"), self.append_basic_block("else")
        self.cbranch(condition, *blocks)

        @contextlib.contextmanager
        def branch(block: Block) -> Iterator[None]:
            self.position_at_end(block)
            yield
            self.branch(after)

        yield branch(blocks[0]), branch(blocks[1])
        self.position_at_end(after)

    @contextlib.contextmanager
    def goto_entry_block(self) -> Iterator[None]:
        """What is written within stands at the beginning of the function."""
        before, self.block = self.block, self.block.function.blocks[0]
        yield
        self.block = before


def _number(x: Value) -> int | None:
    return x.number if type(x) is Constant else None


_SIZES = {I8: 1, I16: 2, I32: 4, I64: 8, FLOAT: 4, DOUBLE: 8}  # bytes


def alignment(kind: VectorType) -> Constant:
    """That of a vector, which may lie where any of its elements may."""
    return Constant(I32, _SIZES[kind.element])


def _aligned(kind: Any, align: int) -> str:
    """A known alignment, or a vector's; that of single numbers goes without saying."""
    if not align and type(kind) is VectorType:
        align = _SIZES[kind.element]
    return _words(align)


def _words(align: int) -> str:
    return f", align {align}" if align else ""


__all__ = [
    "DOUBLE",
    "FLOAT",
    "I1",
    "I8",
    "I16",
    "I32",
    "I64",
    "POINTER",
    "VOID",
    "ArrayType",
    "Block",
    "BlockAddress",
    "Builder",
    "Constant",
    "Function",
    "FunctionType",
    "GlobalArray",
    "IntType",
    "Module",
    "Phi",
    "Type",
    "Undefined",
    "Value",
    "VectorType", "alignment",
    "index",
]  # fmt: skip
