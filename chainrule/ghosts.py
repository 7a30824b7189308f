"""Arrays of which only the shape and dtype count: a trace of them computes almost nothing.

A graph that is to be evaluated anew at other values needs the values of its trace for their shapes
and dtypes alone. A ghost has one element, which stands for all. Element by element, functions of
ghosts take one element of each; products of matrices take none; everything else is computed by
NumPy, from arrays that repeat the one element, and its result is a ghost again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np


class Ghost(np.ndarray):
    """An array that repeats one element; read-only."""

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any
    ) -> Any:
        if method == "__call__" and out is None and "where" not in options:
            if ufunc.signature is None:
                shape = np.broadcast_shapes(*map(np.shape, inputs))
                return _shaped(ufunc(*map(_first, inputs), **options), shape)
            if ufunc is np.matmul and min(map(np.ndim, inputs)) >= 2:
                return product(*inputs)
        if out is not None:
            options["out"] = tuple(map(real, out))
        return ghost(getattr(ufunc, method)(*map(real, inputs), **options))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return ghost(function(*real(args), **real(kwargs)))

    def __getitem__(self, key: Any) -> Any:
        return ghost(real(self)[real(key)])

    def astype(self, dtype: Any, *args: Any, **options: Any) -> Any:
        return _shaped(_first(self).astype(dtype), self.shape)


def ghost(x: Any) -> Any:
    """The ghost of an array, or of the arrays in a tuple or list; other things as they are."""
    if isinstance(x, np.ndarray):
        return _shaped(_first(x), x.shape)
    return type(x)(map(ghost, x)) if type(x) in (tuple, list) else x


def real(x: Any) -> Any:
    """The array that a ghost is, with all elements; also of those in containers."""
    if isinstance(x, Ghost):
        return x.view(np.ndarray)
    if type(x) in (tuple, list):
        return type(x)(map(real, x))
    return {k: real(v) for k, v in x.items()} if type(x) is dict else x


def is_ghost(*values: Any) -> bool:
    """Is one of them a ghost?"""
    return any(isinstance(x, Ghost) for x in values)


def like(shape: tuple[int, ...], *values: Any) -> Any:
    """A ghost of a shape, of the dtype that some arrays have together."""
    return _shaped(np.zeros((), np.result_type(*values)), shape)


def elementwise(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function element by element that ghosts need not call: SciPy's, which load slowly.

    Its results have the dtype of the last argument, float64 for whole numbers.
    """

    @functools.wraps(f)
    def function(*args: Any) -> Any:
        if is_ghost(*args):
            return like(np.broadcast_shapes(*map(np.shape, args)), args[-1], np.float32)
        return f(*args)

    return function


def product(a: Any, b: Any) -> Any:
    """The ghost of a matrix product.

    Raises:
        ValueError: the shapes do not fit.
    """
    a_shape, b_shape = np.shape(a), np.shape(b)
    if a_shape[-1] != b_shape[-2]:
        raise ValueError(f"matmul: {a_shape} and {b_shape} do not fit")
    stack = np.broadcast_shapes(a_shape[:-2], b_shape[:-2])
    return like((*stack, a_shape[-2], b_shape[-1]), a, b)


def _first(x: Any) -> Any:
    """The first element along every axis, or nothing along an empty one."""
    if not isinstance(x, np.ndarray) or not x.ndim:
        return real(x)
    return real(x)[(slice(0, 1),) * x.ndim]


def _shaped(first: Any, shape: tuple[int, ...]) -> Any:
    if isinstance(first, tuple):
        return tuple(_shaped(x, shape) for x in first)
    if not shape or not isinstance(first, np.ndarray) or first.dtype == object:
        return first
    if 0 in shape:
        return np.empty(shape, first.dtype)
    one = first.reshape((1,) * len(shape)).copy()
    return np.broadcast_to(one, shape).view(Ghost)


__all__ = ["Ghost", "elementwise", "ghost", "is_ghost", "like", "product", "real"]
