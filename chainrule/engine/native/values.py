"""LLVM's language, written as text: types, values, constants, functions and modules.

Source: LLVM Language Reference Manual.
"""

from __future__ import annotations

import functools
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
    """A whole number of so many bits."""

    __slots__ = ()

    def __init__(self, bits: int) -> None:
        super().__init__(f"i{bits}")


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


I1, I8, I16, I32, I64 = map(IntType, (1, 8, 16, 32, 64))
FLOAT, DOUBLE, POINTER, VOID = map(Type, ("float", "double", "ptr", "void"))

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
        if type(x) is int and type(kind) is IntType:  # most are
            self.number, text = x, str(x)
        elif x is Undefined:
            text = "undef"
        elif x is None:
            text = "null" if kind is POINTER else "zeroinitializer"
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


@functools.cache
def index(x: int) -> Constant:
    """A number of elements, or of bytes."""
    return Constant(I64, x)


def _floating(x: float, kind: Type) -> str:
    """A floating-point constant by its bits, which no reader can round."""
    if kind is FLOAT and math.isfinite(x):
        (x,) = struct.unpack("<f", struct.pack("<f", x))
    return f"0x{struct.unpack('<Q', struct.pack('<d', x))[0]:016X}"


def _quoted(name: str) -> str:
    plain = (c if " " <= c <= "~" and c not in '"\\' else _bytes(c) for c in name)
    return f'"{"".join(plain)}"'


def _bytes(c: str) -> str:
    return "".join(f"\\{byte:02X}" for byte in c.encode())


class Block(Value):
    """Instructions in a row, and how it goes on after them.

    Attributes:
        lines: the instructions.
        known: those that depend on their text alone, and their values.
        negated: of what values others are the negative ones, by the names of these.
    """

    __slots__ = ("end", "function", "known", "lines", "negated")

    def __init__(self, function: Function, name: str) -> None:
        super().__init__("label", f"%{function.unique(name)}")
        self.function = function
        self.lines: list[Any] = []
        self.known: dict[str, Value] = {}
        self.negated: dict[str, Value] = {}
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


class PhiLine:
    """A phi as an instruction; what comes in is known when all is written."""

    def __init__(self, phi: Phi) -> None:
        self.phi = phi

    def __str__(self) -> str:
        return f"{self.phi.text} = phi {self.phi.type} {', '.join(self.phi.incoming)}"


class BlockAddress(Value):
    """The address of a block, for an indirect branch."""

    __slots__ = ()

    def __init__(self, function: Function, block: Block) -> None:
        super().__init__(POINTER, f"blockaddress({function.text}, {block.text})")


class Function(Value):
    """A function of a module: declared, and defined as soon as it has a block.

    Attributes:
        name: what it is called.
        kind: the types of its result and arguments.
        args: its arguments.
    """

    def __init__(self, module: Module, kind: FunctionType, name: str) -> None:
        super().__init__(POINTER, f"@{_quoted(name)}")
        self.module, self.kind, self.name = module, kind, name
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
        super().__init__(POINTER, f"@{_quoted(name)}")
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
        quick: the code runs so briefly that LLVM need not make it well.
    """

    def __init__(
        self, name: str, triple: str, written: set[str] | None = None, quick: bool = False
    ) -> None:
        self.name, self.triple, self.quick = name, triple, quick
        self.globals: dict[str, Any] = {}
        self.written: set[str] = set() if written is None else written

    @property
    def lines(self) -> int:
        """How long it is."""
        functions = (x for x in self.globals.values() if isinstance(x, Function))
        return sum(len(block.lines) for f in functions for block in f.blocks)

    def declared(self, name: str, kind: FunctionType) -> Function:
        """A function of this module, or one from elsewhere."""
        found: Function = self.globals.get(name) or Function(self, kind, name)
        return found

    def imported(self, function: Function) -> Function:
        """A function of this module or another one, to be called from here."""
        return self.declared(function.name, function.kind)

    def shared(self, name: str, kind: FunctionType) -> tuple[Function, bool]:
        """(a function that is written once for all modules, is it to be written now?)

        Modules with quick code have their own.
        """
        name = f"{name}_quick" if self.quick else name
        is_new = name not in self.written and name not in self.globals
        self.written.add(name)
        return self.declared(name, kind), is_new

    def __str__(self) -> str:
        head = f'; {self.name}\ntarget triple = "{self.triple}"'
        return "\n\n".join([head, *(x.write() for x in self.globals.values())])
