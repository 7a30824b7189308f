"""A graph made simpler before an engine runs it: fewer steps, the same numbers.

A program is a list of operations in topological order. Equal operations are one, each leads to an
output, and all are written in the few functions that engines have to know.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from chainrule.elementary import TABLE
from chainrule.elementary.base import Pointwise
from chainrule.elementary.indexing import Index
from chainrule.elementary.reductions import axes_of
from chainrule.engine import algebra, convolutions, padding
from chainrule.graph import Graph, Node

Shape = tuple[int, ...]
RECORDS: dict[str, Any] = {record.name: record for record in TABLE.values()}
KINDS = {c: str(np.dtype(c)) for c in "dfqlihb?"}  # str() of a dtype takes its time
# Linear functions that work element by element, and so are pointwise for an engine.
ELEMENTWISE = frozenset({"where", "astype", "copy", "pad", "within"})
POINTWISE = ELEMENTWISE | {name for name, f in RECORDS.items() if isinstance(f, Pointwise)}


def contiguous(shape: Shape) -> tuple[int, ...]:
    """The strides of an array in C order, in elements."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def as_ranges(key: Any) -> tuple[Any, ...]:
    """An index without whole numbers: each a slice of length one, so that no element is read."""
    parts = key if isinstance(key, tuple) else (key,)
    return tuple(
        slice(int(k), int(k) + 1 or None) if isinstance(k, (int, np.integer)) else k for k in parts
    )


class Op:
    """One operation of a program.

    Attributes:
        name: of the elementary function; "input" and "constant" for what is given.
        args: other operations, or single numbers.
        params: the static parameters.
        shape, dtype: of the result.
        kind: the name of the dtype.
        size: how many elements the result has.
        node: the node of the graph that it stands for, or a part of.
        index: the position in the program.
    """

    __slots__ = ("args", "dtype", "index", "kind", "name", "node", "params", "shape", "size")

    def __init__(
        self,
        name: str,
        args: tuple[Any, ...],
        params: dict[str, Any],
        shape: Shape,
        dtype: np.dtype[Any],
        node: Node | None,
    ) -> None:
        self.name = name
        self.args = args
        self.params = params
        self.shape = shape
        self.dtype = dtype
        self.size = math.prod(shape)
        self.kind = KINDS.get(dtype.char) or str(dtype)
        self.node = node
        self.index = -1

    @property
    def is_pointwise(self) -> bool:
        return self.name in POINTWISE

    def sources(self) -> list[Op]:
        """The arguments that are operations."""
        return [a for a in self.args if isinstance(a, Op)]

    def __repr__(self) -> str:
        words = [f"%{a.index}" if isinstance(a, Op) else str(a) for a in self.args]
        words += [f"{k}={v!r}" for k, v in self.params.items() if k != "value"]
        return f"%{self.index} = {self.name}({', '.join(words)}): {self.dtype}{list(self.shape)}"


class Program:
    """Inputs, operations and outputs of a computation.

    Attributes:
        inputs: one operation for each input of the graph, used or not.
        ops: all operations that an output needs, in topological order, inputs and constants too.
        outputs: operations, or plain values that are constant.
    """

    def __init__(
        self, inputs: Sequence[Op], outputs: Sequence[Any], ops: list[Op] | None = None
    ) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.ops = _needed(self.inputs, self.outputs) if ops is None else ops
        for index, op in enumerate(self.ops):
            op.index = index

    def copy(self) -> Program:
        """The same program of new operations, which may be changed."""
        new: dict[Op, Op] = {}
        for op in self.ops:
            args = tuple(new[a] if isinstance(a, Op) else a for a in op.args)
            new[op] = Op(op.name, args, op.params, op.shape, op.dtype, op.node)
        outputs = [new[y] if isinstance(y, Op) else y for y in self.outputs]
        return Program([new[x] for x in self.inputs], outputs, list(new.values()))

    def key(self) -> str:
        """A text that is equal for programs that compute the same in the same way."""
        lines = []
        for op in self.ops:
            args = [f"%{a.index}" if isinstance(a, Op) else str(_key(a)) for a in op.args]
            params = {
                k: _key(v) for k, v in op.params.items() if k not in ("value", "kept", "name")
            }
            lines.append(f"{op.name}({', '.join(args)}; {params}) {op.dtype}{op.shape}")
        results = [f"%{y.index}" if isinstance(y, Op) else "constant" for y in self.outputs]
        return "\n".join([*lines, *results])

    def __str__(self) -> str:
        results = ", ".join(f"%{y.index}" if isinstance(y, Op) else str(y) for y in self.outputs)
        return "\n".join([*map(repr, self.ops), f"return {results}"])


def _needed(inputs: Sequence[Op], outputs: Sequence[Any]) -> list[Op]:
    """What the outputs are made from, each after its arguments and as late as may be.

    Of several arguments the one that needs the most steps comes first, so that a short one is
    made just before it is used.
    """
    height: dict[Op, int] = {}
    for op in _ordered(inputs, outputs, {}):
        most = 0
        for a in op.args:
            if isinstance(a, Op) and height[a] > most:
                most = height[a]
        height[op] = most + 1
    return _ordered(inputs, outputs, height)


def _ordered(inputs: Sequence[Op], outputs: Sequence[Any], height: dict[Op, int]) -> list[Op]:
    done: dict[Op, None] = dict.fromkeys(inputs)
    stack = [y for y in reversed(outputs) if isinstance(y, Op)]
    while stack:
        op = stack[-1]
        waiting = [a for a in op.args if isinstance(a, Op) and a not in done]
        if op in done or not waiting:
            done.setdefault(stack.pop())
        elif len(waiting) == 1:
            stack += waiting
        else:
            stack += sorted(waiting, key=lambda a: height.get(a, 0))
    return list(done)


class Builder:
    """Makes operations, each only once, simplified as they are made."""

    def __init__(self) -> None:
        self.known: dict[Any, Op] = {}
        self.constants: dict[int, Op] = {}
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
        key = (name, tuple(map(_key, args)), _key(params), shape, dtype)
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
        return self.op("reshape", (self.op(name, moved, flat, dtype),), shape, dtype)

    def constant(self, x: Any) -> Any:
        """A single number as it is, an array as an operation."""
        if np.ndim(x) == 0:
            return x.item() if isinstance(x, (np.bool_, np.integer)) else x
        if id(x) not in self.constants:
            array = np.ascontiguousarray(x)
            params = {"value": array, "kept": x}
            self.constants[id(x)] = Op("constant", (), params, array.shape, array.dtype, None)
        return self.constants[id(x)]

    def like(self, name: str, *args: Any, dtype: Any = None, **params: Any) -> Any:
        """A pointwise operation, in the shape that its arguments broadcast to."""
        shape = np.broadcast_shapes(*(a.shape for a in args if isinstance(a, Op)))
        if dtype is None:
            dtype = next(a.dtype for a in args if isinstance(a, Op))
        return self.op(name, args, shape, dtype, **params)

    def reduce(self, name: str, a: Op, axes: tuple[int, ...], keepdims: bool) -> Any:
        """A reduction over axes."""
        if not axes:
            return a
        kept = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
        left = tuple(n for i, n in enumerate(a.shape) if i not in axes)
        dtype = np.dtype(np.int64) if a.dtype.kind == "b" else a.dtype
        y = self.op(name, (a,), left, dtype, axis=axes)
        return self.op("reshape", (y,), kept, y.dtype) if keepdims else y


def _key(x: Any) -> Any:
    """What tells two arguments apart: the kind of a number, its sign at zero, and its bits."""
    if isinstance(x, Op):
        return id(x)
    if isinstance(x, (float, np.floating)):
        return type(x), float(x).hex()
    if isinstance(x, dict):
        return tuple((k, _key(v)) for k, v in x.items())
    if isinstance(x, (list, tuple)):
        return tuple(map(_key, x))
    if isinstance(x, slice):
        return slice, x.start, x.stop, x.step
    if isinstance(x, Index) and x.basic:
        return Index, _key(x.key)
    return type(x), x


def simplified(graph: Graph) -> Program:
    """The program of a graph: equal steps once, dead ones dropped, the rest in simpler terms.

    Nothing that changes a NaN, an infinity or the sign of a zero is done.
    """
    build = Builder()
    values: list[Any] = []
    for node in graph.nodes:
        build.node = node
        shape, dtype = getattr(node.value, "shape", ()), getattr(node.value, "dtype", None)
        if node.fn is None:
            assert dtype is not None
            values.append(Op("input", (), {"name": node.name}, shape, dtype, node))
            continue
        args = [values[a.index] if isinstance(a, Node) else build.constant(a) for a in node.args]
        if dtype is None or dtype.kind == "c":  # several results
            name = node.fn.name
            values.append(Op(name, tuple(args), node.params, (), np.dtype(object), node))
            continue
        expand = EXPANDED.get(node.fn.name)
        found = expand(build, args, node.params, shape, dtype) if expand is not None else None
        if found is None:
            found = build.op(node.fn.name, args, shape, dtype, **node.params)
        values.append(found)
    outputs = [values[y.index] if isinstance(y, Node) else y for y in graph.outputs]
    return padding.sunk(Program(values[: len(graph.inputs)], outputs), build)


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
        return b.op("reshape", (a.args[0],), shape, dtype)
    if params:  # the shape says it all
        return b.op("reshape", (a,), shape, dtype)
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
        return b.op("transpose", (a,), shape, dtype, axes=axes)
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
        joined = _joined(x.args[1], y, dtype)
        if joined is not None:
            return b.op("multiply", (x.args[0], joined), shape, dtype)
    return None


def _joined(c: Any, d: Any, dtype: Any) -> float | None:
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
    if isinstance(y, Op) or not isinstance(x, Op) or dtype.kind != "f":
        return None
    x = x if x.dtype == dtype else b.op("astype", (x,), x.shape, dtype)
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
}


# Functions written in simpler ones -------------------------------------------------------------


def _floating(a: Any) -> bool:
    return isinstance(a, Op) and a.dtype.kind == "f" and a.size > 0


def _sum(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if not _floating(a) or a.dtype != dtype:
        return None
    axes = axes_of(params.get("axis"), len(a.shape))
    return b.reduce("sum", a, axes, bool(params.get("keepdims")))


def _sum_to(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if not _floating(a):
        return None
    extra = len(a.shape) - len(shape)
    axes = tuple(
        i for i, n in enumerate(a.shape) if i < extra or (shape[i - extra] == 1 and n != 1)
    )
    y = b.reduce("sum", a, axes, False)
    return b.op("reshape", (y,), shape, dtype)


def _mean(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    total = _sum(b, args, params, shape, dtype)
    if total is None:
        return None
    return b.op("divide", (total, dtype.type(args[0].size // total.size)), shape, dtype)


def _extreme(name: str) -> Rule:
    def rule(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
        a = args[0]
        if not _floating(a):
            return None
        axes = axes_of(params.get("axis"), len(a.shape))
        return b.reduce(name, a, axes, bool(params.get("keepdims")))

    return rule


def _shifted(b: Builder, a: Op, axes: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """(m, a − m, exp(a − m)) with the largest element m, or 0 where that is not finite."""
    number = a.dtype.type
    top = b.reduce("max", a, axes, True)
    m = b.like("where", b.like("isfinite", top, dtype=bool), top, number(0), dtype=a.dtype)
    d = b.like("subtract", a, m)
    t = b.like("subtract", d, a)
    error = b.like("subtract", a, b.like("subtract", d, t))
    error = b.like("subtract", error, b.like("add", m, t))
    error = b.like("where", b.like("isfinite", d, dtype=bool), error, number(0), dtype=a.dtype)
    e = b.like("exp", d)
    return m, d, b.like("add", e, b.like("multiply", e, error))


def _softmax(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if not _floating(a):
        return None
    axes = axes_of(params.get("axis", -1), len(a.shape))
    _, _, e = _shifted(b, a, axes)
    return b.like("divide", e, b.reduce("sum", e, axes, True))


def _others(b: Builder, a: Op, d: Any, e: Any, axes: tuple[int, ...]) -> Any:
    """Σ exp(a − m) but for one largest element, whose term is 1."""
    number = a.dtype.type
    top = b.like("equal", d, number(0), dtype=bool)
    count = b.reduce("sum", b.like("astype", top, dtype=a.dtype), axes, True)
    rest = b.reduce("sum", b.like("where", top, number(0), e, dtype=a.dtype), axes, True)
    more = b.like("maximum", b.like("subtract", count, number(1)), number(0))
    return b.like("add", more, rest)


def _log_softmax(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a = args[0]
    if not _floating(a):
        return None
    axes = axes_of(params.get("axis", -1), len(a.shape))
    _, d, e = _shifted(b, a, axes)
    return b.like("subtract", d, b.like("log1p", _others(b, a, d, e, axes)))


def _cross_entropy(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    a, t = args
    if not _floating(a) or not _floating(t) or a.shape != t.shape or a.dtype != t.dtype:
        return None
    axes = axes_of(params.get("axis", -1), len(a.shape))
    logs = _log_softmax(b, (a,), params, a.shape, dtype)
    none = b.like("equal", t, dtype.type(0), dtype=bool)
    terms = b.like("where", none, dtype.type(0), logs, dtype=dtype)
    total = b.reduce("sum", b.like("multiply", t, terms), axes, False)
    return b.like("negative", total)


def _index_add(b: Builder, args: Sequence[Any], params: Any, shape: Shape, dtype: Any) -> Any:
    """Numbers put into zeros at a slice: a padded array, each element of which is read or 0."""
    index, g = params["index"], args[0]
    if not index.basic or not _floating(g) or math.prod(shape) == 0:
        return None
    ghost = as_strided(np.empty(1, np.int8), shape, contiguous(shape))
    view = ghost[as_ranges(index.key)]
    start = view.__array_interface__["data"][0] - ghost.__array_interface__["data"][0]
    lows, steps, counts = [], [], []
    taken = [(n, s) for n, s in zip(view.shape, view.strides, strict=True) if n != 1]
    for n, stride in zip(shape, contiguous(shape), strict=True):
        low, start = divmod(start, stride)
        count, step = 1, 1
        if (
            taken
            and n > 1
            and taken[0][1] % stride == 0
            and low + (taken[0][1] // stride) * (taken[0][0] - 1) in range(n)
        ):
            count, step = taken[0][0], taken.pop(0)[1] // stride
        lows.append(low)
        steps.append(step)
        counts.append(count)
    if taken or any(step != 1 for step in steps):
        return None
    source = b.op("reshape", (g,), tuple(counts), dtype)
    if source.shape == shape:
        return source
    return b.op("pad", (source,), shape, dtype, lows=tuple(lows), counts=tuple(counts))


EXPANDED: dict[str, Rule] = {
    **algebra.RULES,
    **convolutions.RULES,
    "index_add": _index_add,
    "sum": _sum,
    "sum_to": _sum_to,
    "mean": _mean,
    "max": _extreme("max"),
    "min": _extreme("min"),
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "softmax_cross_entropy": _cross_entropy,
}

__all__ = ["ELEMENTWISE", "Builder", "Op", "Program", "as_ranges", "contiguous", "simplified"]
