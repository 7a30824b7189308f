"""The traced array: a node that behaves like the NumPy array it stands for.

Every operator, method, ufunc and NumPy function on it records a node and returns a traced array
again. It carries its concrete value, so Python's ``if`` and ``while`` work on comparisons.
"""

from __future__ import annotations

import functools
import sys
from numbers import Rational
from types import CodeType
from typing import Any

import numpy as np

from chainrule import assignment
from chainrule.elementary import arithmetic as ar
from chainrule.elementary import logic
from chainrule.elementary.indexing import Index, getitem
from chainrule.elementary.products import matmul
from chainrule.elementary.reductions import sum_
from chainrule.errors import (
    NotDifferentiableError,
    UnsupportedFunctionError,
    code_line,
)
from chainrule.graph import NO_PARAMS, Node, Tape, _is_internal, leaked, user_code
from chainrule.methods import ArrayMethods, complex_error
from chainrule.numpy_api import reduce, ufuncs
from chainrule.numpy_api.common import array_of, plain_key
from chainrule.numpy_api.functions import CREATION
from chainrule.numpy_api.functions import TABLE as FUNCTIONS
from chainrule.numpy_api.lookup import nearest
from chainrule.numpy_api.positions import has_late, taken

_frame = sys._getframe
_new = object.__new__
_PLAIN = frozenset({float, int, bool, np.float64, np.float32, np.int64, np.int32, np.bool_})


def constant(x: Any, tape: Tape) -> Any:
    """A value that is not traced, made fit for the graph: arrays are held, complex refused.

    NotImplemented, as operators return it, for what is no array but asks NumPy to leave the work to
    it: quantities with units, sparse matrices.
    """
    if isinstance(x, (list, tuple)):
        x = array_of(x)
    if isinstance(x, (complex, np.complexfloating)):
        raise complex_error(x)
    if isinstance(x, np.ndarray) or (hasattr(x, "__array__") and not isinstance(x, np.generic)):
        x = plain_array(x, "a constant")
        if x.dtype.kind == "c":
            raise complex_error(x)
        tape.hold(x)
    elif not isinstance(x, (int, float, np.generic)):
        if isinstance(x, Rational):
            return float(x)  # a fraction
        if hasattr(x, "__array_ufunc__") or hasattr(x, "__array_priority__"):
            return NotImplemented
    return x


def plain_array(x: Any, what: str) -> np.ndarray:
    """An array-like as an array of the basic class.

    A matrix multiplies otherwise and a masked array hides elements: the derivative rules would
    contradict the values, so both are refused.
    """
    if type(x) is np.ndarray:
        return x
    ma = sys.modules.get("numpy.ma")  # without it there is no masked array, and it loads slowly
    masked = ma is not None and isinstance(x, ma.MaskedArray)
    if masked or isinstance(x, np.matrix):
        raise NotDifferentiableError(
            f"{what} is a {type(x).__name__}, whose arithmetic differs from that of arrays",
            got=f"a {type(x).__name__} of shape {x.shape}",
            line=code_line(*user_code(2)),
            remedy="use np.where with the mask, or x.filled(value)" if masked else "np.asarray(x)",
        )
    return np.asarray(x)


def unary(fn: Any, a: Traced, params: dict[str, Any] = NO_PARAMS) -> Traced:
    """Record a function of one traced argument, called directly from an operator."""
    frame = _frame(2)
    code: CodeType | None = frame.f_code
    lasti = frame.f_lasti
    tape = a.tape
    if _is_internal.get(frame.f_code.co_filename) is not False:
        code, lasti = tape.origin or user_code(2)
    if tape.closed:
        raise leaked((a,), code, lasti)
    nodes = tape.nodes
    node = _new(Traced)
    node.fn = fn
    node.args = (a,)
    node.params = params
    node.value = fn.value(a.value, **params) if params else fn.value(a.value)
    node.index = len(nodes)
    node.tape = tape
    node.code = code
    node.lasti = lasti
    nodes.append(node)
    return node


def binary(fn: Any, a: Any, b: Any) -> Any:
    """Record a function of two arguments, at least one traced, called directly from an operator."""
    frame = _frame(2)
    code: CodeType | None = frame.f_code
    lasti = frame.f_lasti
    if _is_internal.get(frame.f_code.co_filename) is not False:
        code, lasti = (a if type(a) is Traced else b).tape.origin or user_code(2)
    if type(a) is Traced:
        tape = a.tape
        x = a.value
        if type(b) is Traced:
            y = b.value
            if b.tape is not tape:
                raise leaked((a, b), code, lasti)
        elif type(b) in _PLAIN:
            y = b
        elif fn is ar.multiply and _repeats(a, b):
            return b * a.__index__()
        else:
            y = b = constant(b, tape)
            if y is NotImplemented:
                return y
    else:
        tape = b.tape
        y = b.value
        if type(a) in _PLAIN:
            x = a
        elif fn is ar.multiply and _repeats(b, a):
            return a * b.__index__()
        else:
            x = a = constant(a, tape)
            if x is NotImplemented:
                return x
    if tape.closed:
        raise leaked((a, b), code, lasti)
    try:
        value = fn.value(x, y)
    except ValueError:
        return tape.record(fn, (a, b), NO_PARAMS, 3)  # type: ignore[return-value]  # raises
    nodes = tape.nodes
    # As Node.__init__ does; without the call, which would be a third of the cost of a node.
    node = _new(Traced)
    node.fn = fn
    node.args = (a, b)
    node.params = NO_PARAMS
    node.value = value
    node.index = len(nodes)
    node.tape = tape
    node.code = code
    node.lasti = lasti
    nodes.append(node)
    return node


def _repeats(number: Any, sequence: Any) -> bool:
    """Does a whole number repeat a list, as NumPy's do, or multiply its elements?"""
    whole = type(sequence) in (list, tuple, str) and number.dtype.kind in "iu"
    return whole and number.ndim == 0


@functools.lru_cache(4096)
def _at(position: int) -> dict[str, Any]:
    """The parameters of indexing by a number; a loop over elements makes very many of them."""
    return {"index": Index(position, True)}


class Traced(ArrayMethods):
    """A node with the behaviour of a NumPy array."""

    __slots__ = ()
    __hash__ = Node.__hash__

    # Operators -------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Any:
        return binary(ar.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return binary(ar.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return binary(ar.subtract, self, other)

    def __rsub__(self, other: Any) -> Any:
        return binary(ar.subtract, other, self)

    def __mul__(self, other: Any) -> Any:
        return binary(ar.multiply, self, other)

    def __rmul__(self, other: Any) -> Any:
        return binary(ar.multiply, other, self)

    def __truediv__(self, other: Any) -> Any:
        return binary(ar.divide, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return binary(ar.divide, other, self)

    def __pow__(self, other: Any) -> Any:
        return binary(ar.power, self, other)

    def __rpow__(self, other: Any) -> Any:
        return binary(ar.power, other, self)

    def __mod__(self, other: Any) -> Any:
        return binary(ar.remainder, self, other)

    def __rmod__(self, other: Any) -> Any:
        return binary(ar.remainder, other, self)

    def __floordiv__(self, other: Any) -> Any:
        return binary(logic.floor_divide, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return binary(logic.floor_divide, other, self)

    def __divmod__(self, other: Any) -> Any:
        return binary(logic.floor_divide, self, other), binary(ar.remainder, self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return binary(logic.floor_divide, other, self), binary(ar.remainder, other, self)

    def __matmul__(self, other: Any) -> Any:
        return binary(matmul, self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return binary(matmul, other, self)

    def __neg__(self) -> Any:
        return unary(ar.negative, self)

    def __pos__(self) -> Any:
        return unary(ar.positive, self)

    def __abs__(self) -> Any:
        return unary(ar.absolute, self)

    def __invert__(self) -> Any:
        return unary(logic.invert, self)

    def __and__(self, other: Any) -> Any:
        return binary(logic.bitwise_and, self, other)

    def __rand__(self, other: Any) -> Any:
        return binary(logic.bitwise_and, other, self)

    def __or__(self, other: Any) -> Any:
        return binary(logic.bitwise_or, self, other)

    def __ror__(self, other: Any) -> Any:
        return binary(logic.bitwise_or, other, self)

    def __xor__(self, other: Any) -> Any:
        return binary(logic.bitwise_xor, self, other)

    def __rxor__(self, other: Any) -> Any:
        return binary(logic.bitwise_xor, other, self)

    def __gt__(self, other: Any) -> Any:
        return binary(logic.greater, self, other)

    def __ge__(self, other: Any) -> Any:
        return binary(logic.greater_equal, self, other)

    def __lt__(self, other: Any) -> Any:
        return binary(logic.less, self, other)

    def __le__(self, other: Any) -> Any:
        return binary(logic.less_equal, self, other)

    def __eq__(self, other: Any) -> Any:
        return False if other is None else binary(logic.equal, self, other)

    def __ne__(self, other: Any) -> Any:
        return True if other is None else binary(logic.not_equal, self, other)

    # Assignment in place ---------------------------------------------------------------------

    def __iadd__(self, other: Any) -> Any:
        return assignment.in_place(ar.add, self, other)

    def __isub__(self, other: Any) -> Any:
        return assignment.in_place(ar.subtract, self, other)

    def __imul__(self, other: Any) -> Any:
        return assignment.in_place(ar.multiply, self, other)

    def __itruediv__(self, other: Any) -> Any:
        return assignment.in_place(ar.divide, self, other)

    def __ipow__(self, other: Any) -> Any:
        return assignment.in_place(ar.power, self, other)

    def __imod__(self, other: Any) -> Any:
        return assignment.in_place(ar.remainder, self, other)

    def __ifloordiv__(self, other: Any) -> Any:
        return assignment.in_place(logic.floor_divide, self, other)

    def __imatmul__(self, other: Any) -> Any:
        return assignment.in_place(matmul, self, other)

    def __iand__(self, other: Any) -> Any:
        return assignment.in_place(logic.bitwise_and, self, other)

    def __ior__(self, other: Any) -> Any:
        return assignment.in_place(logic.bitwise_or, self, other)

    def __ixor__(self, other: Any) -> Any:
        return assignment.in_place(logic.bitwise_xor, self, other)

    def __setitem__(self, key: Any, value: Any) -> None:
        assignment.assign(self, key, value)

    # Reading ----------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        if type(key) is int:
            return unary(getitem, self, _at(key))
        if type(key) is slice:
            return unary(getitem, self, {"index": Index(key, True)})
        if has_late(key):
            return taken(self, key)
        return unary(getitem, self, {"index": Index(plain_key(key))})

    def sum(self, axis: Any = None, dtype: Any = None, out: Any = None, **kw: Any) -> Any:
        if axis is None and dtype is None and out is None and not kw and self.dtype.kind == "f":
            return unary(sum_, self)
        return reduce.sum(self, axis, dtype, out, **kw)

    # NumPy's protocols -------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:
            rule = ufuncs.TABLE.get(ufunc)
            if rule is not None:
                return unary(rule, inputs[0]) if len(inputs) == 1 else binary(rule, *inputs)
        return ufuncs.apply(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func in CREATION:
            return CREATION[func](*args, like=self, **kwargs)
        rule = FUNCTIONS.get(func)
        if rule is None:
            name = f"{getattr(func, '__module__', 'numpy')}.{func.__name__}"
            raise UnsupportedFunctionError(
                f"{name} has no derivative record",
                got="a traced value as an argument",
                line=code_line(*user_code(2)),
                remedy=nearest(func.__name__),
            )
        return rule(*args, **kwargs)
