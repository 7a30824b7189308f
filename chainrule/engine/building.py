"""Operations are made here, each only once, and in the simplest form that has the same bits.

Nothing that changes a NaN, an infinity or the sign of a zero is done.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.elementary.base import Pointwise
from chainrule.elementary.indexing import Index
from chainrule.engine.program import BOOL, DECISIONS, INT, RECORDS, Op, Shape, key_of
from chainrule.graph import Node


class Builder:
    """Makes operations, each only once, simplified as they are made."""

    def __init__(self) -> None:
        self.known: dict[Any, Op] = {}
        self.constants: dict[int, Op] = {}
        self.tables: dict[Any, np.ndarray] = {}
        self.node: Node | None = None

    def op(self, name: str, args: Sequence[Any], shape: Shape, dtype: Any, /, **params: Any) -> Any:
        """An operation, or what it is equal to."""
        dtype = np.dtype(dtype)
        if name in ("add", "multiply") and not isinstance(args[0], Op):
            args = args[::-1]  # a number comes second
        if name in RECORDS and len(shape) > 2:
            found = self._before_reshape(name, args, shape, dtype)
            if found is not None:
                return found
        simpler = SIMPLER.get(name)
        if simpler is not None:
            found = simpler(self, args, params, shape, dtype)
            if found is not None:
                return found
        key = (name, tuple(map(key_of, args)), key_of(params), shape, dtype)
        try:
            return self.known[key]
        except KeyError:
            op = self.known[key] = Op(name, tuple(args), params, shape, dtype, self.node)
            return op
        except TypeError:  # a parameter that cannot be compared
            return Op(name, tuple(args), params, shape, dtype, self.node)

    def _before_reshape(self, name: str, args: Sequence[Any], shape: Shape, dtype: Any) -> Any:
        """f(reshape(A), b) as reshape(f(A, b)) for a matrix A: it stays next to its product."""
        if not isinstance(RECORDS[name], Pointwise):
            return None
        given = [a for a in args if isinstance(a, Op)]
        inner = {a.args[0].shape for a in given if a.name == "reshape" and a.shape == shape}
        if len(inner) != 1 or len(flat := inner.pop()) != 2 or flat[1] != shape[-1]:
            return None
        rest = [a for a in given if a.name != "reshape" or a.shape != shape]
        if any(a.shape not in ((), (shape[-1],)) for a in rest):
            return None
        moved = [a if a in rest or not isinstance(a, Op) else a.args[0] for a in args]
        return self.reshape(self.op(name, moved, flat, dtype), shape)

    def constant(self, x: Any) -> Any:
        """A single number as it is, an array as an operation."""
        if np.ndim(x) == 0:
            x = x[()] if isinstance(x, np.ndarray) else x
            return x.item() if isinstance(x, (np.bool_, np.integer)) else x
        if id(x) not in self.constants:
            array = np.ascontiguousarray(x)
            params = {"value": array, "kept": x}
            self.constants[id(x)] = Op("constant", (), params, array.shape, array.dtype, None)
        return self.constants[id(x)]

    def table(self, x: np.ndarray) -> Any:
        """An array that the engine makes: positions, a mask. Equal ones are one."""
        key = (x.dtype.char, x.shape, x.tobytes())
        if key not in self.tables:
            self.tables[key] = x
        return self.constant(self.tables[key])

    def like(self, name: str, *args: Any, dtype: Any = None, **params: Any) -> Any:
        """A pointwise operation, in the shape that its arguments broadcast to.

        Its dtype is that of the first, unless it is a decision; of "where" that of a choice.
        """
        shape = np.broadcast_shapes(*(a.shape for a in args if isinstance(a, Op)))
        if dtype is None:
            own = args[1:] if name == "where" else args
            decides = name in DECISIONS
            dtype = BOOL if decides else next(a.dtype for a in own if isinstance(a, Op))
        return self.op(name, args, shape, dtype, **params)

    # Functions that the rules of many others are made of

    def reshape(self, a: Op, shape: Shape) -> Any:
        return self.op("reshape", (a,), shape, a.dtype)

    def transpose(self, a: Op, axes: Sequence[int]) -> Any:
        shape = tuple(a.shape[k] for k in axes)
        return self.op("transpose", (a,), shape, a.dtype, axes=tuple(axes))

    def astype(self, a: Op, dtype: Any) -> Any:
        return self.op("astype", (a,), a.shape, dtype)

    def broadcast_to(self, a: Op, shape: Shape) -> Any:
        return self.op("broadcast_to", (a,), shape, a.dtype)

    def pad(self, a: Op, shape: Shape, lows: Sequence[int]) -> Any:
        """An array within zeros, whose first element is at ``lows``."""
        return self.op("pad", (a,), shape, a.dtype, lows=tuple(lows), counts=a.shape)

    def part(self, a: Op, key: Any, shape: Shape) -> Any:
        """a[key] for a basic index."""
        return self.op("getitem", (a,), shape, a.dtype, index=Index(key, True))

    def reduce(self, name: str, a: Op, axes: tuple[int, ...], keepdims: bool) -> Any:
        """A reduction over axes."""
        if not axes:
            return a
        kept = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
        left = tuple(n for i, n in enumerate(a.shape) if i not in axes)
        y = self.op(name, (a,), left, a.dtype, axis=axes)
        return self.reshape(y, kept) if keepdims else y


def is_floating(a: Any) -> bool:
    return isinstance(a, Op) and a.dtype.kind == "f" and a.size > 0


def is_known(a: Any) -> bool:
    """Is it an array that engines can reduce?"""
    return isinstance(a, Op) and a.size > 0 and (a.dtype.kind in "fb" or a.dtype == INT)


def are_arrays(args: Sequence[Any], dtype: Any) -> bool:
    """Are all arguments arrays of a dtype, with elements?"""
    return all(isinstance(a, Op) and a.dtype == dtype and a.size for a in args)


# Simpler forms ---------------------------------------------------------------------------------

Rule = Callable[[Builder, Sequence[Any], dict[str, Any], Shape, Any], Any]


def _same(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    return a if isinstance(a, Op) and a.shape == shape and a.dtype == dtype else None


def _reshape(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if not isinstance(a, Op) or a.shape == shape:
        return a if isinstance(a, Op) else None
    if a.name == "reshape":
        return b.reshape(a.args[0], shape)
    if params:  # the shape says it all
        return b.reshape(a, shape)
    return None


def _transpose(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    n = len(shape)
    axes = params.get("axes")
    axes = tuple(reversed(range(n))) if axes is None else tuple(int(i) % n for i in axes)
    if isinstance(a, Op) and a.name == "transpose":
        axes = tuple(a.params["axes"][i] for i in axes)
        a = a.args[0]
    if axes == tuple(range(n)):
        return a
    if params.get("axes") != axes or a is not args[0]:
        return b.transpose(a, axes)
    return None


def _is(x: Any, number: float) -> bool:
    return not isinstance(x, Op) and not isinstance(x, bool) and x == number


def _multiply(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    for x, y in (args, reversed(args)):
        if _is(x, 1) and isinstance(y, Op) and y.shape == shape and y.dtype == dtype:
            return y
        if _is(x, -1) and isinstance(y, Op) and dtype.kind == "f":
            return b.op("negative", (y,), shape, dtype)
    x, y = args
    if not isinstance(x, Op) or dtype.kind != "f" or x.dtype != dtype:
        return None
    if isinstance(y, Op):
        if x.name == y.name == "negative":
            return b.op("multiply", (x.args[0], y.args[0]), shape, dtype)
        return None
    if x.name == "negative":
        return b.op("multiply", (x.args[0], -y), shape, dtype)
    if x.name == "multiply" and not isinstance(x.args[1], Op):
        both = joined(x.args[1], y, dtype)
        if both is not None:
            return b.op("multiply", (x.args[0], both), shape, dtype)
    return None


def joined(c: Any, d: Any, dtype: Any) -> float | None:
    """The number e with (x c) d = x e to the last bit for every x, or None.

    It exists where c or d is a power of two that is 1 or more: scaling up by it rounds nothing.
    """
    c, d = float(dtype.type(c)), float(dtype.type(d))
    if not (math.isfinite(c) and math.isfinite(d)):
        return None
    if not any(abs(math.frexp(f)[0]) == 0.5 and abs(f) >= 1 for f in (c, d)):
        return None
    if 0 < abs(c) < 1 or 0 < abs(d) < 1:  # one product may leave the range where the other is in it
        return None
    e = float(dtype.type(c) * dtype.type(d)) if abs(c) < 1e15 and abs(d) < 1e15 else math.inf
    return e if math.isfinite(e) else None


def _subtract(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    x, y = args
    if isinstance(y, Op) and y.name == "negative" and dtype.kind == "f":
        return b.op("add", (x, y.args[0]), shape, dtype)
    return None


def _divide(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    x, y = args
    if _is(y, 1) and isinstance(x, Op) and x.shape == shape and x.dtype == dtype:
        return x
    # Division by a power of two is exactly multiplication by its inverse.
    if not isinstance(y, Op) and dtype.kind == "f" and math.isfinite(y) and y:
        mantissa, exponent = math.frexp(y)
        if abs(mantissa) == 0.5 and abs(exponent) < 100:
            inverse = type(y)(1 / y) if isinstance(y, np.floating) else 1 / y
            return b.op("multiply", (x, inverse), shape, dtype)
    return None


def _negative(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if not isinstance(a, Op) or a.dtype != dtype:
        return None
    if a.name == "negative":
        return a.args[0]
    if a.name == "multiply" and not isinstance(a.args[1], Op) and dtype.kind == "f":
        return b.op("multiply", (a.args[0], -a.args[1]), shape, dtype)
    return None


def _power(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    x, y = args
    if not isinstance(y, Op) and isinstance(x, Op) and dtype == x.dtype == np.int64 and y == 2:
        return b.op("square", (x,), shape, dtype)
    if isinstance(y, Op) or not isinstance(x, Op) or dtype.kind != "f":
        return None
    x = b.astype(x, dtype)
    if y == 1 and x.shape == shape:
        return x
    simple = {2: "square", 0.5: None, -1: "reciprocal"}.get(y)
    return b.op(simple, (x,), shape, dtype) if simple else None


def _astype(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if isinstance(a, Op) and a.dtype == dtype:
        return a
    return b.op("astype", (a,), shape, dtype) if params else None


def _add(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    x, y = args
    for one, other in ((x, y), (y, x)):
        if isinstance(other, Op) and other.name == "negative" and dtype.kind == "f":
            return b.op("subtract", (one, other.args[0]), shape, dtype)
    return None


def _greater(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """z > 0 as relu(z) > 0, which is the same for every z: the mask comes from what is kept."""
    x, y = args
    if not isinstance(x, Op) or not _is(y, 0):
        return None
    relu = b.known.get(("relu", (key_of(x),), key_of({}), x.shape, x.dtype))
    return None if relu is None else b.op("greater", (relu, y), shape, dtype)


SIMPLER: dict[str, Rule] = {
    "identity": _same,
    "stop_gradient": _same,
    "positive": _same,
    "broadcast_to": _same,
    "sum_to": _same,
    "reshape": _reshape,
    "transpose": _transpose,
    "multiply": _multiply,
    "divide": _divide,
    "negative": _negative,
    "power": _power,
    "astype": _astype,
    "add": _add,
    "subtract": _subtract,
    "greater": _greater,
}

__all__ = ["SIMPLER", "Builder", "Rule", "are_arrays", "is_floating", "is_known", "joined"]
