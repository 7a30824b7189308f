"""What a NumPy array tells about itself and its methods, for traced arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule import assignment
from chainrule.elementary.indexing import Index, getitem
from chainrule.errors import LostTraceError, NotDifferentiableError, code_line
from chainrule.graph import Node, user_code
from chainrule.numpy_api import algebra, reduce, selection, shapes
from chainrule.numpy_api.common import LOOK_UP, decided


def complex_error(x: Any) -> NotDifferentiableError:
    return NotDifferentiableError(
        "complex numbers cannot be differentiated",
        got=f"{x!r}" if np.ndim(x) == 0 else f"an array of {np.asarray(x).dtype}",
        line=code_line(*user_code(2)),
        remedy="write the function with real and imaginary parts as two real arrays",
    )


def _lost(x: ArrayMethods, what: str, remedy: str) -> LostTraceError:
    made = f", made at {x.line}" if x.line else ""
    return LostTraceError(
        f"{what} would lose the derivative",
        got=f"a traced value ('{x.name}', shape {x.shape}{made})",
        line=code_line(*user_code(2)),
        remedy=remedy,
    )


class ArrayMethods(Node):
    """A node with the attributes and methods of a NumPy array."""

    __slots__ = ()

    # What a NumPy array tells about itself ------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self.value.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self.value.size  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.value.dtype  # type: ignore[no-any-return]

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def T(self) -> Any:
        return shapes.transpose(self)

    @property
    def mT(self) -> Any:
        return shapes.matrix_transpose(self)

    @property
    def real(self) -> Any:
        return self

    @property
    def imag(self) -> Any:
        return np.zeros(self.shape, self.dtype)[()]

    @property
    def flat(self) -> Any:
        return iter(self.ravel())

    def __getattr__(self, name: str) -> Any:
        from chainrule.elsewhere import missing

        raise missing(self, name)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (getitem(self, index=Index(i, True)) for i in range(len(self)))

    def __contains__(self, item: Any) -> bool:
        decided(self, "in")
        return item in self.value

    def __repr__(self) -> str:
        return f"Traced({self.value!r}, from {self.name!r})"

    def __format__(self, spec: str) -> str:
        return format(self.value, spec) if self.ndim == 0 else repr(self)

    def __bool__(self) -> bool:
        decided(self, "a decision (if, while, and, or, not)")
        return bool(self.value)

    # Conversions that would lose the trace ------------------------------------------------------

    def __float__(self) -> float:
        if self.dtype.kind != "f":
            decided(self, "float()")
            return float(self.value)
        raise _lost(
            self,
            "float() of a traced value, or storing it in a plain array,",
            "keep it as it is (it behaves like a number) and use np.sin instead of math.sin; to "
            "fill an array make it with np.zeros(shape, like=x) or build it with np.stack([...]); "
            "for printing or a decision use x.value",
        )

    def __round__(self, ndigits: int | None = None) -> Any:
        return reduce.round(self, ndigits or 0)

    def __int__(self) -> int:
        if self.dtype.kind != "f":
            decided(self, "int()")
            return int(self.value)
        raise _lost(self, "int() of a traced value", "use int(x.value) for a decision, or np.floor")

    def __index__(self) -> int:
        if self.dtype.kind in "iu" and self.ndim == 0:
            decided(self, "a position, a length or a range", LOOK_UP)
            return int(self.value)
        raise TypeError("only integer scalar arrays can be converted to a scalar index")

    def __complex__(self) -> complex:
        raise complex_error(self.value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.dtype.kind != "f":
            decided(self, "np.asarray", LOOK_UP)
            return np.array(self.value, dtype)
        raise _lost(
            self,
            "np.asarray or np.array of a traced value, or storing it in a plain array,",
            "use the traced value itself; np.stack([...]) builds an array from traced values, "
            "np.zeros(shape, like=x) makes one to fill, and x.value is the plain array. A library "
            "function that converts its arguments (most of SciPy's) must be written with NumPy, or "
            "taken from cr (cr.logsumexp, cr.softmax), and a sparse matrix A as A.toarray()",
        )

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise _lost(
            self, "pickling a traced value", "pickle x.value; copy with x.copy() or np.copy(x)"
        )

    def item(self, *args: Any) -> Any:
        if self.dtype.kind != "f":
            decided(self, "item()")
            return self.value.item(*args)
        raise _lost(self, ".item() of a traced value", "index it (x[i]), or use x.value.item()")

    def tolist(self) -> Any:
        if self.dtype.kind != "f":
            decided(self, "tolist()")
            return self.value.tolist()
        raise _lost(self, ".tolist() of a traced value", "use list(x), or x.value.tolist()")

    # Methods of a NumPy array -----------------------------------------------------------------

    def mean(self, axis: Any = None, dtype: Any = None, out: Any = None, **kw: Any) -> Any:
        return reduce.mean(self, axis, dtype, out, **kw)

    def prod(self, axis: Any = None, dtype: Any = None, out: Any = None, **kw: Any) -> Any:
        return reduce.prod(self, axis, dtype, out, **kw)

    def var(
        self, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, **kw: Any
    ) -> Any:
        return reduce.var(self, axis, dtype, out, ddof, **kw)

    def std(
        self, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, **kw: Any
    ) -> Any:
        return reduce.std(self, axis, dtype, out, ddof, **kw)

    def max(self, axis: Any = None, out: Any = None, **kw: Any) -> Any:
        return reduce.max(self, axis, out, **kw)

    def min(self, axis: Any = None, out: Any = None, **kw: Any) -> Any:
        return reduce.min(self, axis, out, **kw)

    def argmax(self, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
        return reduce.argmax(self, axis, out, keepdims=keepdims)

    def argmin(self, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
        return reduce.argmin(self, axis, out, keepdims=keepdims)

    def argsort(self, axis: Any = -1, kind: Any = None) -> Any:
        return reduce.argsort(self, axis, kind)

    def searchsorted(self, v: Any, side: str = "left", sorter: Any = None) -> Any:
        return reduce.searchsorted(self, v, side, sorter)

    def nonzero(self) -> Any:
        decided(self, "nonzero()")
        return np.nonzero(self.value)

    def all(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return reduce.all(self, axis, out, keepdims)

    def any(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return reduce.any(self, axis, out, keepdims)

    def cumsum(self, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        return reduce.cumsum(self, axis, dtype, out)

    def cumprod(self, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        return reduce.cumprod(self, axis, dtype, out)

    def clip(self, min: Any = None, max: Any = None, out: Any = None) -> Any:
        return reduce.clip(self, min, max, out)

    def round(self, decimals: int = 0) -> Any:
        return reduce.round(self, decimals)

    def dot(self, b: Any) -> Any:
        return algebra.dot(self, b)

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        return shapes.reshape(self, shape[0] if len(shape) == 1 else shape, order)

    def ravel(self, order: str = "C") -> Any:
        return shapes.ravel(self, order)

    def flatten(self, order: str = "C") -> Any:
        return shapes.copy(shapes.ravel(self, order))

    def copy(self, order: str = "C") -> Any:
        return shapes.copy(self)

    def __copy__(self) -> Any:
        return shapes.copy(self)

    def __deepcopy__(self, memo: Any) -> Any:
        return shapes.copy(self)

    def transpose(self, *axes: Any) -> Any:
        if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
            axes = tuple(axes[0] or ())
        return shapes.transpose(self, axes or None)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        return shapes.swapaxes(self, axis1, axis2)

    def squeeze(self, axis: Any = None) -> Any:
        return shapes.squeeze(self, axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        return shapes.diagonal(self, offset, axis1, axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        return shapes.trace(self, offset, axis1, axis2)

    def repeat(self, repeats: Any, axis: Any = None) -> Any:
        return shapes.repeat(self, repeats, axis)

    def take(self, indices: Any, axis: Any = None) -> Any:
        return shapes.take(self, indices, axis)

    def compress(self, condition: Any, axis: Any = None) -> Any:
        return shapes.compress(condition, self, axis)

    def choose(self, choices: Any, out: Any = None, mode: str = "raise") -> Any:
        return selection.choose(self, choices, out, mode)

    def conj(self) -> Any:
        return self

    def conjugate(self) -> Any:
        return self

    def astype(self, dtype: Any, **kw: Any) -> Any:
        return shapes.astype(self, dtype)

    def fill(self, value: Any) -> None:
        assignment.assign(self, Ellipsis, value)

    def sort(self, axis: int = -1) -> None:
        assignment.assign(self, Ellipsis, reduce.sort(self, axis))

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """NumPy itself, for code written to the array API standard: it calls back here."""
        return np
