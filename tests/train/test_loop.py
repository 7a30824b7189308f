"""The training loop against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.errors import ArgumentError
from chainrule.nn import forward, init_mlp, loss_for
from chainrule.train import DivergenceError, fit, sgd_step

RNG = np.random.default_rng(5)
X = RNG.normal(size=(40, 3))
LABELS = (RNG.random((40, 1)) < 0.5).astype(float)
NUMBERS = X @ np.array([[1.0], [-2.0], [0.5]]) + 0.3 + 0.1 * RNG.normal(size=(40, 1))


def loss_of(kind: str) -> Any:
    loss = loss_for(kind)
    return lambda params, x, y: loss(forward(params, x), y)


def test_a_step_of_logistic_regression_is_the_closed_form() -> None:
    """w ← w − η (Xᵀ(p − y)/n + λ w), b ← b − η mean(p − y)."""
    [layer] = params = init_mlp([3, 1], seed=2)
    layer["bias"] = np.array([0.7])
    p = 1 / (1 + np.exp(-(X @ layer["kernel"] + layer["bias"])))
    [new], loss = sgd_step(loss_of("binary"), 0.4, 0.1)(params, (X, LABELS))
    gradient = X.T @ (p - LABELS) / 40 + 0.1 * layer["kernel"]
    np.testing.assert_allclose(new["kernel"], layer["kernel"] - 0.4 * gradient, rtol=1e-13)
    np.testing.assert_allclose(new["bias"], 0.7 - 0.4 * np.mean(p - LABELS, axis=0), rtol=1e-13)
    by_hand = -np.mean(LABELS * np.log(p) + (1 - LABELS) * np.log(1 - p))
    assert float(loss) == pytest.approx(by_hand, rel=1e-14)
    # The step is pure.
    np.testing.assert_array_equal(layer["kernel"], init_mlp([3, 1], seed=2)[0]["kernel"])


def test_linear_regression_reaches_least_squares() -> None:
    step = sgd_step(loss_of("numeric"), 0.1)
    result = fit(init_mlp([3, 1]), step, X, NUMBERS, epochs=400, batch_size=40)
    design = np.hstack([X, np.ones((40, 1))])
    solution = np.linalg.lstsq(design, NUMBERS, rcond=None)[0]
    np.testing.assert_allclose(result.params[0]["kernel"], solution[:3], rtol=1e-9)
    np.testing.assert_allclose(result.params[0]["bias"], solution[3], rtol=1e-9)


def test_the_history_is_the_loss_before_each_update() -> None:
    seen: list[float] = []
    plain = sgd_step(loss_of("binary"), 0.1)

    def step(params: Any, batch: Any) -> Any:
        seen.append(float(loss_of("binary")(params, *batch)) * len(batch[0]))
        return plain(params, batch)

    shown: list[dict[str, float]] = []
    result = fit(
        init_mlp([3, 1]), step, X, LABELS, epochs=2, batch_size=16,
        evaluate=lambda params: {"bias": float(params[0]["bias"][0])}, on_epoch=shown.append,
    )  # fmt: skip
    assert len(seen) == 6  # 16 + 16 + 8 rows, twice
    losses = [sum(seen[:3]) / 40, sum(seen[3:]) / 40]
    assert [r["loss"] for r in result.history] == pytest.approx(losses, rel=1e-14)
    assert [r["epoch"] for r in result.history] == [1, 2]
    assert result.history[-1]["bias"] == float(result.params[0]["bias"][0])
    assert shown == result.history


def test_the_same_seed_gives_the_same_bits() -> None:
    def run(seed: int) -> Any:
        step = sgd_step(loss_of("binary"), 0.1, 0.01)
        return fit(init_mlp([3, 4, 1]), step, X, LABELS, epochs=5, batch_size=7, seed=seed)

    one, same, other = run(3), run(3), run(4)
    assert one.history == same.history
    for a, b, c in zip(one.params, same.params, other.params, strict=True):
        assert a["kernel"].tobytes() == b["kernel"].tobytes() != c["kernel"].tobytes()
        assert a["kernel"].dtype == np.float64


def test_divergence_is_an_error_and_not_a_nan() -> None:
    step = sgd_step(loss_of("numeric"), 1e200)
    with pytest.raises(DivergenceError) as caught:
        fit(init_mlp([3, 1]), step, X, NUMBERS, epochs=9, batch_size=40)
    assert str(caught.value) == (
        "the training diverged in epoch 2: its loss is no longer a finite number\n"
        "  received: a loss of inf\n"
        "  remedy:   choose a smaller learning rate (command line: --learning-rate)"
    )


def test_a_held_out_loss_that_diverges_is_one_too() -> None:
    with pytest.raises(DivergenceError, match=r"(?s)epoch 1:.*a loss of nan"):
        fit(
            init_mlp([3, 1]), sgd_step(loss_of("binary"), 0.1), X, LABELS, epochs=1,
            evaluate=lambda params: {"val_loss": float("nan")},
        )  # fmt: skip


def test_control_c_keeps_what_was_reached() -> None:
    def on_epoch(record: dict[str, float]) -> None:
        if record["epoch"] == 3:
            raise KeyboardInterrupt

    def run(epochs: int, **options: Any) -> Any:
        step = sgd_step(loss_of("binary"), 0.1)
        return fit(init_mlp([3, 1]), step, X, LABELS, epochs=epochs, **options)

    interrupted, whole = run(9, on_epoch=on_epoch), run(3)
    assert interrupted.interrupted
    assert not whole.interrupted
    assert interrupted.history == whole.history
    np.testing.assert_array_equal(interrupted.params[0]["kernel"], whole.params[0]["kernel"])


@pytest.mark.parametrize("sizes", [{"epochs": 0}, {"epochs": 1, "batch_size": 0}])
def test_nothing_to_do(sizes: dict[str, int]) -> None:
    with pytest.raises(ArgumentError, match="must be 1 or more"):
        fit(init_mlp([3, 1]), sgd_step(loss_of("binary"), 0.1), X, LABELS, **sizes)
