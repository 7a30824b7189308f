"""Single operations on registers: constants, conversions, and one pointwise step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.engine.native import ir, randoms
from chainrule.engine.native.ir import FLOAT, I1
from chainrule.engine.native.repertoire import BITS, COMPARISONS, EMIT, FLOATS, LOGIC
from chainrule.engine.native.target import SHORT, TYPES
from chainrule.engine.program import Op

REGISTER = {**TYPES, "float32": FLOAT, "bool": I1}  # a bool is a byte in memory, a bit here


def number(x: Any, dtype: str, lanes: int | None) -> ir.Value:
    """A constant in every lane."""
    kind = REGISTER[dtype]
    value = (
        float(np.float32(x)) if dtype == "float32" else float(x) if dtype == "float64" else int(x)
    )
    return ir.Constant(kind if lanes is None else ir.VectorType(kind, lanes), value)


def cast(b: ir.Builder, x: ir.Value, old: str, new: str) -> ir.Value:
    """Convert a register from one dtype to another, as NumPy's astype does."""
    if old == new:
        return x
    lanes = x.type.count if isinstance(x.type, ir.VectorType) else None
    kind = REGISTER[new] if lanes is None else ir.VectorType(REGISTER[new], lanes)
    if old in SHORT and new != "bool":
        if new == "int64":
            return b.zext(x, kind) if old[0] == "u" else b.sext(x, kind)
        return b.uitofp(x, kind) if old[0] == "u" else b.sitofp(x, kind)
    if new == "bool":
        zero = number(0, old, lanes)
        return (
            b.fcmp_unordered("!=", x, zero)
            if old in ("float32", "float64")
            else (b.icmp_signed("!=", x, zero))
        )
    if old == "bool":
        return b.select(x, number(1, new, lanes), number(0, new, lanes))
    if old == "int64":
        return b.sitofp(x, kind)
    if new == "int64":
        return b.fptosi(x, kind)
    return b.fpext(x, kind) if new == "float64" else b.fptrunc(x, kind)


def compute(
    b: ir.Builder, op: Op, argument: Callable[[int], tuple[ir.Value, str]], lanes: int | None
) -> ir.Value:
    """One pointwise operation on registers.

    Args:
        b: where to write it.
        op: the operation.
        argument: the register and dtype of an argument that is an operation.
        lanes: the width of the registers, None for single numbers.
    """
    dtype = op.kind

    def given(k: int, kind: str) -> ir.Value:
        a = op.args[k]
        if not isinstance(a, Op):
            return number(a, kind, lanes)
        x, old = argument(k)
        return cast(b, x, old, kind)

    name = op.name
    if name == "random_key":
        return randoms.key(b, given(0, "int64"), given(1, "int64"))
    if name in ("copy", "astype", "pad"):
        return given(0, dtype)
    if name == "where":
        return b.select(given(0, "bool"), given(1, dtype), given(2, dtype))
    if name in COMPARISONS:
        common = str(np.result_type(*(a.dtype if isinstance(a, Op) else a for a in op.args)))
        common = common if common in REGISTER else "float64"
        if common not in FLOATS:
            sign = {
                "greater": ">",
                "greater_equal": ">=",
                "less": "<",
                "less_equal": "<=",
                "equal": "==",
                "not_equal": "!=",
            }[name]
            return b.icmp_signed(sign, given(0, "int64"), given(1, "int64"))
        return EMIT[name](b, given(0, common), given(1, common))
    if name in LOGIC or (name in BITS and dtype == "bool"):
        logic = BITS.get(name, name)
        return EMIT[logic](b, *(given(k, "bool") for k in range(len(op.args))))
    if dtype == "int64":
        return _whole(b, name, [given(k, "int64") for k in range(len(op.args))])
    if dtype == "bool":  # isnan and its like look at the number as it is
        x, _ = argument(0)
        return EMIT[name](b, x)
    return EMIT[name](b, *(given(k, dtype) for k in range(len(op.args))))


# What a reduction starts with, and which function of two numbers it goes on with.
REDUCED: dict[str, tuple[float, str]] = {
    "sum": (-0.0, "add"),
    "prod": (1.0, "multiply"),
    "max": (-np.inf, "maximum"),
    "min": (np.inf, "minimum"),
}


def identity(op: Op, lanes: int | None) -> ir.Value:
    """What a reduction starts with."""
    first = REDUCED[op.name][0]
    if op.kind == "int64" and np.isinf(first):
        first = np.iinfo(np.int64).max if first > 0 else np.iinfo(np.int64).min
    return number(first, op.kind, lanes)


def combined(b: ir.Builder, op: Op, x: ir.Value, y: ir.Value) -> ir.Value:
    """Two parts of a reduction as one."""
    return step(b, REDUCED[op.name][1], op.kind, x, y)


def step(b: ir.Builder, name: str, kind: str, x: ir.Value, y: ir.Value) -> ir.Value:
    """A function of two numbers of a dtype."""
    return _whole(b, name, [x, y]) if kind == "int64" else EMIT[name](b, x, y)


def _whole(b: ir.Builder, name: str, args: list[ir.Value]) -> ir.Value:
    x = args[0]
    lanes = x.type.count if isinstance(x.type, ir.VectorType) else None
    zero, one, none = (number(n, "int64", lanes) for n in (0, 1, -1))
    if name == "positive":
        return x
    if name == "negative":
        return b.neg(x)
    if name == "invert":
        return b.xor(x, none)
    if name == "square":
        return b.mul(x, x)
    if name == "abs":
        return b.select(b.icmp_signed("<", x, zero), b.neg(x), x)
    if name == "sign":
        is_negative = b.icmp_signed("<", x, zero)
        return b.select(is_negative, none, b.select(b.icmp_signed("==", x, zero), zero, one))
    if name in ("maximum", "minimum", "lower_bound", "upper_bound"):
        sign = ">" if name in ("maximum", "lower_bound") else "<"
        return b.select(b.icmp_signed(sign, *args), *args)
    if name in ("floor_divide", "mod"):
        return _divided(b, name, x, args[1], zero, one)
    functions = {
        "add": b.add, "subtract": b.sub, "multiply": b.mul,
        "bitwise_and": b.and_, "bitwise_or": b.or_, "bitwise_xor": b.xor,
    }  # fmt: skip
    return functions[name](*args)


def _divided(
    b: ir.Builder, name: str, x: ir.Value, y: ir.Value, zero: ir.Value, one: ir.Value
) -> ir.Value:
    """Quotient or remainder rounded down. Divided by 0 both are 0; −1 must not trap either."""
    nothing = b.icmp_signed("==", y, zero)
    flips = b.icmp_signed("==", y, b.sub(zero, one))
    safe = b.select(b.or_(nothing, flips), one, y)
    quotient = b.sdiv(x, safe)
    rest = b.sub(x, b.mul(quotient, safe))
    unlike = b.icmp_signed("<", b.xor(rest, safe), zero)
    down = b.and_(unlike, b.icmp_signed("!=", rest, zero))
    if name == "mod":
        found, flipped = b.select(down, b.add(rest, safe), rest), zero
    else:
        found, flipped = b.select(down, b.sub(quotient, one), quotient), b.neg(x)
    return b.select(nothing, zero, b.select(flips, flipped, found))


__all__ = ["REGISTER", "cast", "combined", "compute", "identity", "number", "step"]
