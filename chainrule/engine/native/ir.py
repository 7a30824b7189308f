"""LLVM's language, written as text: types, constants, functions, and the builder of instructions.

It has what the engine needs and keeps the names of the language. Instructions become text as they
are made; what is known beforehand (sums and products of constants, steps that stand in the block
already) is not written at all, for LLVM's time and Python's grow with the text.

Source: LLVM Language Reference Manual.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

# Types -------------------------------------------------------------------------------------------


class Type:
    """A type; there is one object for each."""

    __slots__ = ("text",)
    made: ClassVar[dict[tuple[Any, ...], Any]] = {}

    def __new__(cls, *given: Any) -> Any:
        key = (cls, *given)
        if key not in Type.made:
            Type.made[key] = object.__new__(cls)
        return Type.made[key]

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


class IntType(Type):
    __slots__ = ("width",)

    def __init__(self, width: int) -> None:
        super().__init__(f"i{width}")
        self.width = width


class FloatType(Type):
    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("float")


class DoubleType(Type):
    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("double")


class PointerType(Type):
    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("ptr")


class VoidType(Type):
    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("void")


class VectorType(Type):
    """So many lanes of a type."""

    __slots__ = ("count", "element")

    def __init__(self, element: Type, count: int) -> None:
        super().__init__(f"<{count} x {element}>")
        self.element, self.count = element, count


class ArrayType(Type):
    __slots__ = ()

    def __init__(self, element: Type, count: int) -> None:
        super().__init__(f"[{count} x {element}]")


class FunctionType:
    def __init__(self, result: Type, args: Sequence[Type]) -> None:
        self.result, self.args = result, tuple(args)


_I1, _POINTER, _VOID = IntType(1), PointerType(), VoidType()

# Values ------------------------------------------------------------------------------------------


class Value:
    """What an instruction can take.

    Attributes:
        type: its type.
        text: how it is written, without its type.
    """

    __slots__ = ("text", "type")

    def __init__(self, kind: Any, text: str) -> None:
        self.type, self.text = kind, text

    def __str__(self) -> str:
        return f"{self.type.text} {self.text}"


class Undefined:
    """The constant that may be anything."""


class Constant(Value):
    """A constant: a number, None for zero, :class:`Undefined`, or the list of its members.

    A number as a vector is in every lane.
    """

    __slots__ = ("number",)

    def __init__(self, kind: Any, x: Any) -> None:
        self.number: int | None = None
        if x is Undefined:
            text = "undef"
        elif x is None:
            text = "null" if kind is _POINTER else "zeroinitializer"
        elif isinstance(x, (list, tuple)):
            members = ", ".join(map(str, x))
            text = f"<{members}>" if isinstance(kind, VectorType) else f"[{members}]"
        elif isinstance(kind, VectorType):
            text = f"splat ({Constant(kind.element, x)})"
        elif isinstance(kind, IntType):
            self.number = int(x)
            text = str(self.number)
        else:
            text = _floating(x, kind)
        super().__init__(kind, text)


def _floating(x: float, kind: Type) -> str:
    """A floating-point constant by its bits, which no reader can round."""
    if isinstance(kind, FloatType) and math.isfinite(x):
        (x,) = struct.unpack("<f", struct.pack("<f", x))
    return f"0x{struct.unpack('<Q', struct.pack('<d', x))[0]:016X}"


def _quoted(name: str) -> str:
    plain = (c if " " <= c <= "~" and c not in '"\\' else _bytes(c) for c in name)
    return f'"{"".join(plain)}"'


def _bytes(c: str) -> str:
    return "".join(f"\\{byte:02X}" for byte in c.encode())


class Block(Value):
    """Instructions in a row, and how it goes on after them."""

    __slots__ = ("end", "function", "known", "lines")

    def __init__(self, function: Function, name: str) -> None:
        super().__init__("label", f"%{function.unique(name)}")
        self.function = function
        self.lines: list[Any] = []
        self.known: dict[str, Value] = {}
        self.end: str | None = None

    def __str__(self) -> str:
        return f"label {self.text}"

    def write(self) -> Iterator[str]:
        yield f"{self.text[1:]}:"
        for line in self.lines:
            yield f"  {line}"
        yield f"  {self.end}"


class Phi(Value):
    """A value that depends on where the control flow comes from."""

    __slots__ = ("incoming",)

    def __init__(self, kind: Any, text: str) -> None:
        super().__init__(kind, text)
        self.incoming: list[str] = []

    def add_incoming(self, x: Value, block: Block) -> None:
        self.incoming.append(f"[{x.text}, {block.text}]")


class _PhiLine:
    """A phi as an instruction; what comes in is known when all is written."""

    def __init__(self, phi: Phi) -> None:
        self.phi = phi

    def __str__(self) -> str:
        return f"{self.phi.text} = phi {self.phi.type} {', '.join(self.phi.incoming)}"


class BlockAddress(Value):
    """The address of a block, for an indirect branch."""

    __slots__ = ()

    def __init__(self, function: Function, block: Block) -> None:
        super().__init__(_POINTER, f"blockaddress({function.text}, {block.text})")


class Function(Value):
    """A function of a module: declared, and defined as soon as it has a block.

    Attributes:
        kind: the types of its result and arguments.
        args: its arguments.
    """

    def __init__(self, module: Module, kind: FunctionType, name: str) -> None:
        super().__init__(_POINTER, f"@{_quoted(name)}")
        self.module, self.kind = module, kind
        self.args = [Value(t, f"%.a{k}") for k, t in enumerate(kind.args)]
        self.blocks: list[Block] = []
        self._names: dict[str, int] = {}
        self._count = itertools.count()
        module.globals[name] = self

    def append_basic_block(self, name: str = "block") -> Block:
        self.blocks.append(Block(self, name))
        return self.blocks[-1]

    def unique(self, name: str) -> str:
        """A name that no other block or value of the function has."""
        if name.startswith("."):  # as those that are numbered do
            name = f"_{name}"
        times = self._names[name] = self._names.get(name, -1) + 1
        return _quoted(f"{name}.{times}" if times else name)

    def following(self) -> str:
        """The name of the next value."""
        return f"%.{next(self._count)}"

    def __str__(self) -> str:
        return f"ptr {self.text}"

    def write(self) -> str:
        if not self.blocks:
            types = ", ".join(map(str, self.kind.args))
            return f"declare {self.kind.result} {self.text}({types})"
        args = ", ".join(map(str, self.args))
        head = f"define {self.kind.result} {self.text}({args}) {{"
        body = itertools.chain.from_iterable(block.write() for block in self.blocks)
        return "\n".join([head, *body, "}"])


class GlobalArray(Value):
    """A constant array that only its module sees."""

    def __init__(self, module: Module, name: str, members: Sequence[Value]) -> None:
        super().__init__(_POINTER, f"@{_quoted(name)}")
        self.kind = ArrayType(members[0].type, len(members))
        self._members = Constant(self.kind, list(members))
        module.globals[name] = self

    def write(self) -> str:
        return f"{self.text} = internal constant {self._members}"


class Module:
    """Functions that LLVM compiles together.

    Args:
        name, triple: of the module, and of the processor.
        written: the functions that modules before this one have for it too; it is added to.
    """

    def __init__(self, name: str, triple: str, written: set[str] | None = None) -> None:
        self.name, self.triple = name, triple
        self.globals: dict[str, Any] = {}
        self.written: set[str] = set() if written is None else written

    def declared(self, name: str, kind: FunctionType) -> Function:
        """A function of this module, or one from elsewhere."""
        found: Function = self.globals.get(name) or Function(self, kind, name)
        return found

    def shared(self, name: str, kind: FunctionType) -> tuple[Function, bool]:
        """(a function that is written once for all modules, is it to be written now?)"""
        is_new = name not in self.written and name not in self.globals
        self.written.add(name)
        return self.declared(name, kind), is_new

    def __str__(self) -> str:
        head = f'; {self.name}\ntarget triple = "{self.triple}"'
        return "\n\n".join([head, *(x.write() for x in self.globals.values())])


# Instructions ------------------------------------------------------------------------------------

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
        kind = VectorType(_I1, x.type.count) if isinstance(x.type, VectorType) else _I1
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

    udiv, sdiv, urem, srem = map(_binary, ("udiv", "sdiv", "urem", "srem"))
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
        return self.pure(x.type, f"fneg {x}")

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
        return self.impure(_POINTER, f"alloca {kind}, i64 {size}{_aligned(align)}")

    def gep(self, base: Value, indices: Sequence[Value], source_etype: Any) -> Value:
        if len(indices) == 1 and _number(indices[0]) == 0:
            return base
        places = ", ".join(map(str, indices))
        vector = next((i.type for i in indices if isinstance(i.type, VectorType)), None)
        kind = _POINTER if vector is None else VectorType(_POINTER, vector.count)
        return self.pure(kind, f"getelementptr {source_etype}, {base}, {places}")

    def load(self, place: Value, *, typ: Any, align: int = 0, name: str = "") -> Value:
        return self.impure(typ, f"load {typ}, {place}{_aligned(align)}", name)

    def store(self, x: Value, place: Value, align: int = 0) -> None:
        self.block.lines.append(f"store {x}, {place}{_aligned(align)}")

    def load_atomic(self, place: Value, ordering: str, align: int, *, typ: Any) -> Value:
        return self.impure(typ, f"load atomic {typ}, {place} {ordering}, align {align}")

    def atomic_rmw(self, operation: str, place: Value, x: Value, ordering: str) -> Value:
        return self.impure(x.type, f"atomicrmw {operation} {place}, {x} {ordering}")

    # Calls and control flow

    def call(self, function: Any, args: Sequence[Value], kind: FunctionType | None = None) -> Any:
        """A call; ``kind`` where the function is an address."""
        kind = kind or function.kind
        code = f"call {kind.result} {function.text}({', '.join(map(str, args))})"
        if kind.result is _VOID:
            self.block.lines.append(code)
            return None
        return self.impure(kind.result, code)

    def asm(self, text: str) -> None:
        """An instruction of the processor that takes and gives nothing."""
        self.block.lines.append(f'call void asm sideeffect "{text}", ""()')

    def phi(self, kind: Any) -> Phi:
        phi = Phi(kind, self.block.function.following())
        self.block.lines.append(_PhiLine(phi))
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
    def goto_entry_block(self) -> Iterator[None]:
        """What is written within stands at the beginning of the function."""
        before, self.block = self.block, self.block.function.blocks[0]
        yield
        self.block = before


def _number(x: Value) -> int | None:
    return x.number if type(x) is Constant else None


def _aligned(align: int) -> str:
    return f", align {align}" if align else ""


__all__ = [
    "ArrayType", "Block", "BlockAddress", "Builder", "Constant", "DoubleType", "FloatType",
    "Function", "FunctionType", "GlobalArray", "IntType", "Module", "Phi", "PointerType", "Type",
    "Undefined", "Value", "VectorType", "VoidType",
]  # fmt: skip
