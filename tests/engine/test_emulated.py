"""Code for 64-bit Arm gives what NumPy does: run by an emulator, where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.engine.capture import capture
from chainrule.engine.native import storage
from chainrule.engine.simplifying import simplified
from chainrule.tracing import flatten
from tests.engine import emulated, test_targets

pytestmark = pytest.mark.skipif(
    bool(emulated.MISSING), reason=f"not installed: {', '.join(emulated.MISSING)}"
)


def near(x: Any, y: Any, ulps: float = 200) -> None:
    """Within so many ulp of the largest element."""
    y = np.asarray(y)
    eps = np.finfo(y.dtype).eps if y.dtype.kind == "f" else 0
    size = float(np.max(np.abs(y), initial=1.0))
    np.testing.assert_allclose(x, y, rtol=0, atol=ulps * eps * size)


@pytest.mark.parametrize("name", test_targets.works())
def test_programs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, leaves, graph = test_targets.program(name)
    made = emulated.compiled(program, monkeypatch)
    assert made.is_native
    _, outputs = emulated.run(made, leaves, tmp_path)
    for x, y in zip(outputs, graph.run(leaves), strict=True):
        near(x, y)


def step(w: Any, v: Any, x: Any, y: Any) -> Any:
    def loss(w: Any, v: Any) -> Any:
        return cr.softmax_cross_entropy(np.tanh(x @ w) @ v, y).mean()

    value, (dw, dv) = cr.value_and_grad(loss, argnums=(0, 1))(w, v)
    return w - 0.1 * dw, v - 0.1 * dv, value


@pytest.mark.parametrize("threads", [1, 2])
def test_training(threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several steps in one call, which change the state in place; threads wait for each other."""
    monkeypatch.setattr(storage, "most", lambda: 2)
    rng = np.random.default_rng(0)
    count = 7
    w, v = (rng.standard_normal(s).astype(np.float32) * 0.1 for s in ((300, 70), (70, 10)))
    xs = rng.standard_normal((count, 130, 300)).astype(np.float32)
    ys = rng.integers(0, 10, (count, 130))
    leaves, spec = flatten(((w, v, xs[0], ys[0]), {}))
    captured = capture(step, leaves, spec)
    made = emulated.compiled(
        simplified(captured.graph), monkeypatch, donated=2, moving=(2, 3, 4 + 2)
    )
    assert made.repeats
    assert made.storage.threads == 2
    after, outputs = emulated.run(made, [w, v, xs, ys], tmp_path, steps=count, threads=threads)
    for k in range(count):
        w, v, value = captured.graph.run([w, v, xs[k], ys[k]])
        near(outputs[2][k], value)
    near(after[0], w)
    near(after[1], v)
