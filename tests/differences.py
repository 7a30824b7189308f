"""Derivatives by extrapolated central differences, and the check that every function gets."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr

Function = Callable[..., Any]


class TooRough(AssertionError):
    """The differences do not converge: a kink or a jump lies within the step."""


def leaves(y: Any) -> list[Any]:
    return list(y) if isinstance(y, (tuple, list)) else [y]


def plain(y: Any) -> np.ndarray:
    return np.asarray(getattr(y, "value", y), float)


def differences(f: Function, args: Any, tangents: Any, step: float = 0.02) -> list[np.ndarray]:
    """d/dh f(args + h·tangents) at h = 0: central differences, extrapolated over h, h/2, h/4, …

    The step is small beside the arguments, so that positive numbers stay positive. The error is
    of the order h⁸; two neighbouring estimates must agree.
    """
    smallest = min(np.min(np.abs(a), initial=1.0, where=np.not_equal(a, 0)) for a in args)
    step = step * float(smallest)

    def at(h: float) -> list[np.ndarray]:
        moved = [np.asarray(a + h * t)[()] for a, t in zip(args, tangents, strict=True)]
        return [plain(y) for y in leaves(f(*moved))]

    def central(h: float) -> list[np.ndarray]:
        return [(p - m) / (2 * h) for p, m in zip(at(h), at(-h), strict=True)]

    table = [central(step / 2**k) for k in range(4)]
    spread = [np.zeros_like(y) for y in table[0]]
    for order in (4.0, 16.0, 64.0):
        last = table[-1]
        table = [
            [(order * fine - coarse) / (order - 1) for coarse, fine in zip(c, n, strict=True)]
            for c, n in itertools.pairwise(table)
        ]
        spread = [np.abs(a - b) for a, b in zip(table[-1], last, strict=True)]
    for y, error in zip(table[0], spread, strict=True):
        if np.any(error > 1e-4 * (1 + np.max(np.abs(y), initial=0.0))):
            raise TooRough(f"differences disagree by {np.max(error):.1e}")
    return table[0]


def close(actual: Any, expected: Any, tolerance: float, what: str) -> None:
    """Equal shapes, and a difference small beside the largest element."""
    a, e = plain(actual), plain(expected)
    assert a.shape == e.shape, f"{what}: shape {a.shape} instead of {e.shape}"
    scale = np.max(np.abs(e), initial=0.0, where=np.isfinite(e))
    np.testing.assert_allclose(
        a, e, rtol=tolerance, atol=tolerance * (1e-3 + scale), err_msg=what, equal_nan=True
    )


def dot(us: Any, vs: Any) -> float:
    return float(sum(np.sum(plain(u) * plain(v)) for u, v in zip(us, vs, strict=True)))


def check(
    f: Function, *args: Any, order: int = 2, seed: int = 0, tolerance: float = 1e-6
) -> list[Any]:
    """Check f at floating-point arguments in both modes, up to second order, and return its values.

    First order: the tangent against differences, the cotangent by ⟨ȳ, J ẋ⟩ = ⟨Jᵀ ȳ, ẋ⟩. Second
    order: with φ = ⟨ȳ, f⟩, forward over reverse against differences of ∇φ; reverse over forward
    and reverse over reverse against that.
    """
    rng = np.random.default_rng(seed)
    args = tuple(a if isinstance(a, (float, np.floating)) else np.array(a) for a in args)
    tangents = tuple(np.asarray(rng.uniform(-1, 1, np.shape(a)))[()] for a in args)
    value = [plain(y) for y in leaves(f(*args))]
    weights = [np.asarray(rng.uniform(0.5, 1.5, np.shape(y)))[()] for y in value]

    y, tangent = cr.jvp(f, args, tangents)
    for traced, expected in zip(leaves(y), value, strict=True):
        close(traced, expected, 1e-13, "value of the traced function")
    moved = differences(f, args, tangents)
    for t, d in zip(leaves(tangent), moved, strict=True):
        close(t, d, tolerance, "jvp against differences")

    y, pullback = cr.vjp(f, *args)
    seeds: Any = type(y)(weights) if isinstance(y, list) else weights[0]
    if isinstance(y, tuple):
        seeds = type(y)(*weights) if hasattr(y, "_fields") else tuple(weights)
    cotangents = pullback(seeds)
    for c, a in zip(cotangents, args, strict=True):
        assert np.shape(c) == np.shape(a), f"cotangent of shape {np.shape(c)} for {np.shape(a)}"
    left, right = dot(weights, leaves(tangent)), dot(cotangents, tangents)
    size = sum(
        np.sum(np.abs(plain(w) * plain(t))) for w, t in zip(weights, leaves(tangent), strict=True)
    )
    assert abs(left - right) <= 1e-11 * (1 + size), f"⟨ȳ, Jẋ⟩ = {left}, ⟨Jᵀȳ, ẋ⟩ = {right}"

    if order > 1:
        _second_order(f, args, tangents, weights, tolerance)
    return value


def _second_order(f: Function, args: Any, tangents: Any, weights: Any, tolerance: float) -> None:
    every = tuple(range(len(args)))

    def phi(*xs: Any) -> Any:
        return sum((w * y).sum() for w, y in zip(weights, leaves(f(*xs)), strict=True))

    gradient = cr.grad(phi, argnums=every)
    _, forward_reverse = cr.jvp(gradient, args, tangents)
    for t, d in zip(forward_reverse, differences(gradient, args, tangents), strict=True):
        close(t, d, tolerance, "second derivative against differences")
    reverse_forward = cr.grad(lambda *xs: cr.jvp(phi, xs, tangents)[1], argnums=every)(*args)
    for t, d in zip(reverse_forward, forward_reverse, strict=True):
        close(t, d, 1e-8, "reverse over forward against forward over reverse")
    reverse_reverse = cr.grad(
        lambda *xs: sum((t * g).sum() for t, g in zip(tangents, gradient(*xs), strict=True)),
        argnums=every,
    )(*args)
    for t, d in zip(reverse_reverse, forward_reverse, strict=True):
        close(t, d, 1e-8, "reverse over reverse against forward over reverse")
