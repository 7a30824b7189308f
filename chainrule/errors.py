"""Errors and warnings: what went wrong, what was received, whose line, what to write instead."""

from __future__ import annotations

import linecache
from types import CodeType


class ChainruleError(Exception):
    """Base class of every error that chainrule raises on purpose.

    The message has up to four parts: the cause, what was received, the user's own line and the
    remedy.

    >>> print(ChainruleError("the output is not a scalar", got="an array of shape (3,)",
    ...                      remedy="use cr.jacobian"))
    the output is not a scalar
      received: an array of shape (3,)
      remedy:   use cr.jacobian
    """

    def __init__(self, cause: str, *, got: str = "", line: str = "", remedy: str = "") -> None:
        self.cause, self.got, self.line, self.remedy = cause, got, line, remedy
        parts = [cause]
        if got:
            parts.append(f"  received: {got}")
        if line:
            parts.append(f"  at:       {line}")
        if remedy:
            parts.append(f"  remedy:   {remedy}")
        super().__init__("\n".join(parts))


class NotScalarError(ChainruleError, TypeError):
    """A gradient was asked of a function whose output is not one number."""


class NoDependenceError(ChainruleError, ValueError):
    """The output does not depend on the input, or only through functions without a derivative."""


class NotDifferentiableError(ChainruleError, TypeError):
    """An input or a function has no derivative: integers to differentiate, complex numbers."""


class UnsupportedFunctionError(ChainruleError, TypeError):
    """A NumPy function was called on a traced value and has no elementary-function record."""


class LostTraceError(ChainruleError, TypeError):
    """A traced value would have been turned into a plain number or array, losing its derivative."""


class LeakedTraceError(ChainruleError, RuntimeError):
    """A traced value was used after the function that made it had returned."""


class AssignmentError(ChainruleError, TypeError):
    """An assignment that cannot be differentiated as it is written."""


class BranchError(ChainruleError, TypeError):
    """A compiled function decides by a traced value."""


class CompileError(ChainruleError, RuntimeError):
    """A graph cannot be compiled; the node that is to blame is named."""


class ShapeError(ChainruleError, ValueError):
    """Shapes that do not fit together."""


class TreeError(ChainruleError, ValueError):
    """Two trees (nested containers) that should have the same structure have not."""


class ArgumentError(ChainruleError, ValueError):
    """An argument name, number or option that does not exist or does not fit."""


class FormulaError(ChainruleError, ValueError):
    """A formula that cannot be read."""


class DataError(ChainruleError, ValueError):
    """A table that cannot be read or trained on."""


class DivergenceError(ChainruleError, ArithmeticError):
    """The loss became infinite or not a number while training."""


class ModelFileError(ChainruleError, ValueError):
    """A file that is not a whole model or checkpoint of this library."""


class MissingExtraError(ChainruleError, ImportError):
    """A library is missing that comes with one of chainrule's extras.

    >>> print(MissingExtraError("a Parquet file is read by PyArrow", "parquet"))
    a Parquet file is read by PyArrow
      received: an installation without it
      remedy:   pip install 'chainrule[parquet]'
    """

    def __init__(self, cause: str, extra: str) -> None:
        remedy = f"pip install 'chainrule[{extra}]'"
        super().__init__(cause, got="an installation without it", remedy=remedy)


class GradientCheckError(ChainruleError, AssertionError):
    """A derivative differs from its numerical estimate."""


class ZeroGradientWarning(UserWarning):
    """Part of an argument has no influence on the output; its gradient is exactly zero."""


class KinkWarning(UserWarning):
    """A derivative was taken where there are several: at a kink, a tie or a jump."""


class CancellationWarning(UserWarning):
    """A step lost more than half of the digits of its arguments."""


def code_line(code: CodeType | None, lasti: int) -> str:
    """``file:line: source`` for an instruction of a code object, or "" when unknown."""
    if code is None:
        return ""
    number = code.co_firstlineno
    for start, end, line in code.co_lines():
        if start <= lasti < end and line is not None:
            number = line
            break
    source = linecache.getline(code.co_filename, number).strip()
    where = f"{code.co_filename}:{number}"
    return f"{where}: {source}" if source else where
