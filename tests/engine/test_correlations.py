"""Convolutions as correlations: strides, dilations, paddings, widths against windows in NumPy."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engine.capture import capture
from chainrule.engine.native.compiler import Compiled
from chainrule.engine.native.target import host
from chainrule.engine.simplifying import simplified
from chainrule.tracing import flatten

Options = dict[str, Any]
# (input, weights, options): odd sizes, few and many channels, images narrower than a kernel
CASES: list[tuple[tuple[int, ...], tuple[int, ...], Options]] = [
    ((2, 6, 7, 3), (3, 2, 3, 4), {}),
    ((1, 5, 5, 1), (5, 5, 1, 1), {}),
    ((2, 6, 5, 1), (3, 2, 1, 1), {"padding": "same"}),
    ((2, 12, 12, 16), (5, 5, 16, 40), {}),
    ((3, 9, 11, 2), (3, 3, 2, 17), {"padding": "same"}),
    ((2, 7, 6, 3), (4, 3, 3, 5), {"padding": ((2, 1), (0, 3))}),
    ((2, 9, 10, 4), (3, 3, 4, 6), {"stride": 2, "padding": "same"}),
    ((1, 11, 13, 2), (2, 3, 2, 33), {"stride": (3, 2), "padding": ((1, 0), (2, 2))}),
    ((2, 11, 12, 5), (3, 3, 5, 7), {"dilation": 2, "padding": "same"}),
    ((1, 13, 12, 2), (3, 2, 2, 3), {"dilation": (1, 3), "stride": (2, 1)}),
    ((2, 3, 70, 2), (3, 5, 2, 4), {"padding": "same"}),
    ((2, 2, 120, 20), (1, 7, 20, 5), {"padding": "same", "stride": (1, 2)}),
    ((1, 3, 3, 2), (3, 3, 2, 2), {"padding": ((4, 4), (4, 4))}),
    ((9, 28, 28, 1), (5, 5, 1, 17), {}),  # few weights: their sums are made in pieces
]
LINES: list[tuple[tuple[int, ...], tuple[int, ...], Options]] = [
    ((2, 9, 3), (4, 3, 5), {}),
    ((3, 60, 2), (5, 2, 18), {"padding": "same", "dilation": 2}),
    ((2, 14, 3), (3, 3, 2), {"stride": 3, "padding": ((2, 1),)}),
]


@pytest.mark.parametrize("sizes", [(5, 3), (1, 1), (3, 8), (100, 7), (200, 60), (40, 40)], ids=str)
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_filters_of_vectors(mode: Any, sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(11)
    a, v = (rng.standard_normal(n) for n in sizes)
    for f in (np.convolve, np.correlate):
        g = lambda a, v, f=f: f(a, v, mode)  # noqa: E731
        np.testing.assert_allclose(cr.compile(g)(a, v), g(a, v), rtol=1e-12, atol=1e-12)
        loss = lambda a, v, g=g: (g(a, v) ** 2).sum()  # noqa: E731
        slopes = cr.compile(cr.grad(loss, argnums=(0, 1)))(a, v)
        for got, plain in zip(slopes, cr.grad(loss, argnums=(0, 1))(a, v), strict=True):
            np.testing.assert_allclose(got, plain, rtol=1e-11, atol=1e-11)


def outputs(f: Any, args: tuple[Any, ...], bits: int) -> list[Any]:
    leaves, spec = flatten((args, {}))
    target = replace(host(), bits=min(bits, host().bits))
    compiled = Compiled(simplified(capture(f, leaves, spec).graph), target)
    assert compiled.is_native
    return compiled(leaves)


@pytest.mark.parametrize("bits", [512, 256, 128])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_value_and_both_derivatives(dtype: str, bits: int) -> None:
    rng = np.random.default_rng(0)
    for (x_shape, w_shape, options), conv in [
        *zip(CASES, itertools.repeat(cr.conv2d)),
        *zip(LINES, itertools.repeat(cr.conv1d)),
    ]:  # fmt: skip
        x, w = (rng.standard_normal(s).astype(dtype) for s in (x_shape, w_shape))

        def f(x: Any, w: Any, conv: Any = conv, options: Options = options) -> Any:
            return np.tanh(conv(x, w, **options) + 0.5)  # steps that its kernel takes along

        y, pull = cr.vjp(f, x, w)
        g = rng.standard_normal(y.shape).astype(dtype)

        def both(x: Any, w: Any, g: Any, f: Any = f) -> Any:
            y, pull = cr.vjp(f, x, w)
            return y, *(2 * slope for slope in pull(g))

        found = outputs(both, (x, w, g), bits)
        tolerance = 2e-4 if dtype == "float32" else 1e-12
        for a, b in zip(found, (y, *(2 * slope for slope in pull(g))), strict=True):
            np.testing.assert_allclose(
                a, b, rtol=tolerance, atol=tolerance * 10, err_msg=str(options)
            )


def test_one_image_through_layers_of_the_same_shape() -> None:
    """What a convolution reads has as many elements as what it makes, and not the same places."""
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((1, 7, 6, 4)), rng.standard_normal((3, 2, 4, 4)) / 5

    def f(x: Any, w: Any) -> Any:
        for _ in range(3):
            x = cr.conv2d(x, w, padding="same")
        return np.tanh(x).sum()

    np.testing.assert_allclose(cr.compile(f)(x, w), f(x, w), rtol=1e-12)


def test_nan_reaches_only_the_windows_that_hold_it() -> None:
    x, w = np.ones((1, 5, 5, 1)), np.ones((3, 3, 1, 1))
    x[0, 0, 0] = np.nan
    (y,) = outputs(lambda x, w: cr.conv2d(x, w, padding="same"), (x, w), 512)
    expected = np.zeros((5, 5), bool)
    expected[:2, :2] = True
    np.testing.assert_array_equal(np.isnan(y[0, :, :, 0]), expected)
