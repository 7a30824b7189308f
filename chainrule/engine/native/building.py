"""What code is written with: llvmlite's modules and builders, and what they lack."""

from __future__ import annotations

from typing import Any

from llvmlite import ir


class Builder(ir.IRBuilder):  # type: ignore[misc]
    """Writes instructions; whole numbers that are constants are computed at once."""

    def add(self, x: Any, y: Any, *given: Any, **named: Any) -> Any:
        m, n = _known(x), _known(y)
        if n == 0:
            return x
        if m == 0:
            return y
        if m is not None and n is not None:
            return ir.Constant(x.type, m + n)
        return super().add(x, y, *given, **named)

    def sub(self, x: Any, y: Any, *given: Any, **named: Any) -> Any:
        m, n = _known(x), _known(y)
        if n == 0:
            return x
        if m is not None and n is not None:
            return ir.Constant(x.type, m - n)
        return super().sub(x, y, *given, **named)

    def mul(self, x: Any, y: Any, *given: Any, **named: Any) -> Any:
        m, n = _known(x), _known(y)
        if n == 1 or m == 0:
            return x
        if m == 1 or n == 0:
            return y
        if m is not None and n is not None:
            return ir.Constant(x.type, m * n)
        return super().mul(x, y, *given, **named)


class Module(ir.Module):  # type: ignore[misc]
    """Functions that LLVM compiles together.

    Args:
        name, triple: of the module, and of the processor.
        written: the functions that modules before this one have for it too; it is added to.
    """

    def __init__(self, name: str, triple: str, written: set[str] | None = None) -> None:
        super().__init__(name)
        self.triple = triple
        self.written: set[str] = set() if written is None else written

    def declared(self, name: str, kind: ir.FunctionType) -> ir.Function:
        """A function of this module, or one from elsewhere."""
        return self.globals.get(name) or ir.Function(self, kind, name)

    def shared(self, name: str, kind: ir.FunctionType) -> tuple[ir.Function, bool]:
        """(a function that is written once for all modules, is it to be written now?)"""
        is_new = name not in self.written and name not in self.globals
        self.written.add(name)
        return self.declared(name, kind), is_new


def _known(x: Any) -> int | None:
    """The value of a single whole number that is a constant."""
    if type(x) is ir.Constant and isinstance(x.type, ir.IntType) and type(x.constant) is int:
        return int(x.constant)
    return None


__all__ = ["Builder", "Module"]
