"""Convolution and pooling against SciPy, direct loops, differences and adjoint identities."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.signal import correlate2d

import chainrule as cr
from chainrule.errors import ArgumentError, ShapeError
from tests.differences import check

RNG = np.random.default_rng(21)


def direct(x: Any, w: Any, stride: Any, pads: Any, dilation: Any) -> Any:
    """The definition, element by element."""
    n = len(stride)
    x = np.pad(x, ((0, 0), *pads, (0, 0)))
    kernel = w.shape[:n]
    space = [
        (m - (k - 1) * d - 1) // s + 1
        for m, k, s, d in zip(x.shape[1:-1], kernel, stride, dilation, strict=True)
    ]
    y = np.zeros((x.shape[0], *space, w.shape[-1]))
    for t in itertools.product(*map(range, space)):
        for k in itertools.product(*map(range, kernel)):
            at = tuple(i * s + j * d for i, s, j, d in zip(t, stride, k, dilation, strict=True))
            y[(slice(None), *t)] += x[(slice(None), *at)] @ w[k]
    return y


CONV2D = [
    # input, weights, stride, padding, the pairs it stands for, dilation
    ((2, 5, 6, 3), (3, 2, 3, 4), 1, "valid", ((0, 0), (0, 0)), 1),
    ((2, 5, 6, 3), (3, 3, 3, 2), 1, "same", ((1, 1), (1, 1)), 1),
    ((1, 5, 6, 2), (2, 3, 2, 1), 2, "same", ((0, 1), (0, 1)), 1),
    ((1, 7, 6, 1), (2, 2, 1, 2), (1, 2), ((0, 2), (1, 0)), ((0, 2), (1, 0)), (3, 2)),
    ((1, 6, 6, 1), (3, 3, 1, 1), 3, 1, ((1, 1), (1, 1)), 1),
    ((1, 4, 4, 2), (4, 4, 2, 3), 1, "valid", ((0, 0), (0, 0)), 1),
    ((1, 5, 5, 1), (1, 1, 1, 1), 2, "valid", ((0, 0), (0, 0)), 1),
    ((1, 5, 5, 1), (3, 3, 1, 1), 1, "same", ((2, 2), (2, 2)), 2),
    ((0, 5, 5, 2), (3, 3, 2, 1), 1, "valid", ((0, 0), (0, 0)), 1),
]


@pytest.mark.parametrize(("xs", "ws", "stride", "padding", "pads", "dilation"), CONV2D)
def test_conv2d(xs: Any, ws: Any, stride: Any, padding: Any, pads: Any, dilation: Any) -> None:
    x, w = RNG.standard_normal(xs), RNG.standard_normal(ws)

    def f(x: Any, w: Any) -> Any:
        return cr.conv2d(x, w, stride=stride, padding=padding, dilation=dilation)

    both = [(v, v) if isinstance(v, int) else v for v in (stride, dilation)]
    np.testing.assert_allclose(f(x, w), direct(x, w, both[0], pads, both[1]), atol=1e-12)
    check(f, x, w)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("padding", ["valid", "same", [(2, 0)], 1])
def test_conv1d(stride: int, dilation: int, padding: Any) -> None:
    x, w = RNG.standard_normal((2, 8, 2)), RNG.standard_normal((3, 2, 3))
    if padding == "same":
        total = max((-(-8 // stride) - 1) * stride + 2 * dilation + 1 - 8, 0)
        pads: Any = (total // 2, total - total // 2)
    else:
        pads = {"valid": (0, 0), 1: (1, 1)}.get(padding if isinstance(padding, (int, str)) else "")
        pads = pads or padding[0]

    def f(x: Any, w: Any) -> Any:
        return cr.conv1d(x, w, stride=stride, padding=padding, dilation=dilation)

    np.testing.assert_allclose(f(x, w), direct(x, w, (stride,), (pads,), (dilation,)), atol=1e-12)
    if padding == "same":
        assert f(x, w).shape[1] == -(-8 // stride)
    check(f, x, w)


def test_conv2d_is_scipys_correlation_summed_over_channels() -> None:
    x, w = RNG.standard_normal((2, 7, 8, 3)), RNG.standard_normal((3, 2, 3, 2))
    for padding, mode in (("valid", "valid"), ([(2, 2), (1, 1)], "full")):
        expected = np.stack(
            [
                np.stack(
                    [
                        sum(correlate2d(b[:, :, c], w[:, :, c, o], mode) for c in range(3))
                        for o in range(2)
                    ],
                    -1,
                )
                for b in x
            ]
        )
        np.testing.assert_allclose(cr.conv2d(x, w, padding=padding), expected, atol=1e-12)


def test_convolution_keeps_single_precision() -> None:
    x = RNG.standard_normal((1, 5, 5, 2)).astype(np.float32)
    w = RNG.standard_normal((2, 2, 2, 3)).astype(np.float32)
    y, pullback = cr.vjp(lambda x, w: cr.conv2d(x, w, padding="same"), x, w)
    assert y.dtype == np.float32
    assert [c.dtype for c in pullback(y)] == [np.float32, np.float32]


def pooled(x: Any, window: Any, stride: Any, pads: Any, reduce: Any) -> Any:
    x = np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=np.nan)
    space = [(m - k) // s + 1 for m, k, s in zip(x.shape[1:-1], window, stride, strict=True)]
    y = np.zeros((x.shape[0], *space, x.shape[-1]))
    for t in itertools.product(*map(range, space)):
        part = tuple(slice(i * s, i * s + k) for i, s, k in zip(t, stride, window, strict=True))
        y[(slice(None), *t)] = reduce(x[(slice(None), *part)], axis=tuple(range(1, x.ndim - 1)))
    return y


POOLS = [
    ((2, 6, 3), 2, None, "valid", (2,), (2,), ((0, 0),)),
    ((2, 7, 1), 3, 2, "same", (3,), (2,), ((1, 1),)),
    ((2, 4, 6, 2), 2, None, "valid", (2, 2), (2, 2), ((0, 0), (0, 0))),
    ((1, 5, 5, 2), (3, 2), (2, 1), "valid", (3, 2), (2, 1), ((0, 0), (0, 0))),
    ((1, 5, 5, 1), 2, None, "same", (2, 2), (2, 2), ((0, 1), (0, 1))),
    ((1, 4, 4, 1), 3, 1, 1, (3, 3), (1, 1), ((1, 1), (1, 1))),
]


@pytest.mark.parametrize(("shape", "window", "stride", "padding", "w", "s", "pads"), POOLS)
def test_pooling(
    shape: Any, window: Any, stride: Any, padding: Any, w: Any, s: Any, pads: Any
) -> None:
    x = RNG.standard_normal(shape)
    for f, reduce in ((cr.max_pool, np.nanmax), (cr.average_pool, np.nanmean)):

        def pool(x: Any, f: Any = f) -> Any:
            return f(x, window, stride=stride, padding=padding)

        np.testing.assert_allclose(pool(x), pooled(x, w, s, pads, reduce), atol=1e-14)
        check(pool, x)


def test_max_pool_of_negative_numbers_ignores_the_padding() -> None:
    x = np.full((1, 3, 1), -2.0)
    np.testing.assert_array_equal(cr.max_pool(x, 2, padding="same"), np.full((1, 2, 1), -2.0))


def test_equal_maxima_share_the_slope() -> None:
    slope = cr.grad(lambda x: cr.max_pool(x, 2).sum())(np.ones((1, 2, 2, 1)))
    np.testing.assert_array_equal(slope, np.full((1, 2, 2, 1), 0.25))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: cr.conv2d(x[0], np.ones((2, 2, 3, 1))), ShapeError, "conv2d takes x of shape"),
        (lambda x: cr.conv2d(x, np.ones((2, 2, 4, 1))), ShapeError, r"\(1, 5, 5, 3\) and \(2, 2"),
        (lambda x: cr.conv2d(x, np.ones((6, 2, 3, 1))), ShapeError, "larger than the padded"),
        (lambda x: cr.conv2d(x, np.ones((3, 2, 3, 1)), dilation=3), ShapeError, "dilation 3"),
        (lambda x: cr.conv2d(x, np.ones((2, 2, 3, 1)), stride=0), ArgumentError, "stride is a"),
        (lambda x: cr.conv2d(x, np.ones((2, 2, 3, 1)), stride=(1, 1, 1)), ArgumentError, "stride"),
        (lambda x: cr.conv2d(x, np.ones((2, 2, 3, 1)), padding="full"), ArgumentError, "'full'"),
        (lambda x: cr.conv2d(x, np.ones((2, 2, 3, 1)), padding=[(1, 1)]), ArgumentError, "pair"),
        (lambda x: cr.conv2d(x, np.ones((2, 2, 3, 1)), padding=-1), ArgumentError, "padding"),
        (lambda x: cr.max_pool(x, 9), ShapeError, "window of 9"),
        (lambda x: cr.average_pool(x[0, 0], 2), ShapeError, "pooling takes"),
        (lambda x: cr.average_pool(x, (2, 2, 2)), ArgumentError, "window"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message) as info:
        cr.grad(lambda x: call(x).sum())(np.ones((1, 5, 5, 3)))
    assert "test_spatial.py" in str(info.value)
    assert "remedy" in str(info.value)
