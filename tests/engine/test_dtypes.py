"""Short whole numbers in compiled code: read as they are, with NumPy's results and dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engine.native.compiler import Compiled

FORMS: dict[str, Any] = {
    "product": lambda x, k: x * k,
    "choice": lambda x, k: np.where(k > 5, x, 0.0),
    "rows": lambda x, k: x[k[0] % 7] if k.dtype.kind == "u" else x[np.abs(k[0].astype(int)) % 7],
    "scaled": lambda x, k: (k.astype(np.float64) / 255)[:, ::-2].sum(0) * x[0, 0],
    "equal": lambda x, k: x * (k == k[0]),
    "largest": lambda x, k: np.maximum(x, k),
    "sum": lambda x, k: np.sum(k) * x,
    "own kind": lambda x, k: k * k.dtype.type(3),
    "any": lambda x, k: np.any(k, axis=0) * x,
    "function": lambda x, k: np.sin(k) * x,
    "turned": lambda x, k: k.T.astype(float) @ x,
    "one": lambda x, k: x * k[3, 4],
}
SHORT = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32]


@pytest.mark.parametrize("kind", SHORT)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_short_whole_numbers(form: Any, kind: Any) -> None:
    rng = np.random.default_rng(3)
    info = np.iinfo(kind)
    k = rng.integers(info.min, info.max, (7, 19), endpoint=True).astype(kind)
    k[0, :3] = info.min, info.max, 0
    for dtype in (np.float32, np.float64):
        x = rng.standard_normal((7, 19)).astype(dtype)
        expected, got = form(x, k), cr.compile(form)(x, k)
        assert got.dtype == expected.dtype
        size = float(np.abs(expected).max())
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6 * size)


def test_pictures_of_bytes_are_read_as_they_are() -> None:
    """A batch of bytes goes into a product without a step by NumPy."""
    compiled = cr.compile(lambda p, w: np.tanh(p / 255.0 @ w))
    pictures = np.arange(64, dtype=np.uint8).reshape(4, 16)
    compiled(pictures, np.ones((16, 3)))
    run = compiled._last().run
    assert isinstance(run, Compiled)
    assert run.is_native
