"""Curvature against closed forms, whole Hessians, and what descent really does at its limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.diagnose.objectives import NetworkLoss
from chainrule.diagnose.spectrum import trace_of
from chainrule.errors import ArgumentError
from chainrule.tracing import flatten
from tests.diagnose.networks import X, Y, network

CLASSES = (X[:, 0] + 0.3 * X[:, 1] ** 2 > 0).astype(float)


def logistic(optimizer: Any = "sgd") -> Any:
    model = network([nn.Dense(1, "sigmoid")], optimizer, "binary_crossentropy")
    model.build((20,), seed=3)
    return model


def logistic_hessian(model: Any, weight: Any = None) -> Any:
    """XᵀDX/n with a column of ones for the bias, which is the first leaf; D = σ(1 − σ)."""
    ones = np.concatenate([np.ones((len(X), 1)), X], axis=1)
    bias, kernel = flatten(model.params)[0]
    p = 1.0 / (1.0 + np.exp(-(X @ kernel + bias)[:, 0]))
    d = p * (1 - p) * (1.0 if weight is None else weight)
    return ones.T @ (d[:, None] * ones) / len(X)


def small_network() -> Any:
    layers = [nn.Dense(7, "tanh"), nn.Dense(5, "softplus"), nn.Dense(1)]
    model = network(layers, optim.Momentum(0.05))
    model.build((20,), seed=1)
    return model


def whole_hessian(model: Any, x: Any = X, y: Any = Y) -> Any:
    """By the outer function alone: no product, no batches."""
    params, spec = flatten(model.params)
    shapes = [p.shape for p in params]
    ends = np.cumsum([0, *(p.size for p in params)])

    def loss(z: Any) -> Any:
        tree = spec.unflatten([
            z[a:b].reshape(s) for a, b, s in zip(ends[:-1], ends[1:], shapes, strict=True)
        ])  # fmt: skip
        out, _ = model.layer(tree, model.state, x, training=False)
        return np.mean((out - y) ** 2)

    return cr.hessian(loss)(np.concatenate([p.ravel() for p in params]))


def test_logistic_regression_in_closed_form() -> None:
    model = logistic()
    values, vectors = np.linalg.eigh(logistic_hessian(model))
    for size in (None, 50):  # the last batch has 6 rows
        found = cr.curvature(model, X, CLASSES, batch_size=size)
        assert (found.whole, found.parameters, found.rows) == (True, 21, 256)
        np.testing.assert_allclose(found.eigenvalues, values, rtol=1e-10)
        assert found.trace == pytest.approx(values.sum(), rel=1e-12)
        assert found.condition == pytest.approx(values[-1] / values[0])
    bias, kernel = flatten(found.direction(-1))[0]
    assert abs(np.concatenate([bias, kernel[:, 0]]) @ vectors[:, -1]) == pytest.approx(1.0)
    weight = np.linspace(0.0, 2.0, len(X))
    found = cr.curvature(model, X, CLASSES, sample_weight=weight, batch_size=100)
    np.testing.assert_allclose(
        found.eigenvalues, np.linalg.eigvalsh(logistic_hessian(model, weight)), rtol=1e-9
    )


@pytest.mark.parametrize("native", [False, True])
def test_lanczos_finds_both_ends_of_a_whole_hessian(native: bool) -> None:
    model = small_network()
    values, vectors = np.linalg.eigh(whole_hessian(model))
    found = cr.curvature(model, X, Y, k=4, tolerance=1e-9, jit_compile=native, batch_size=200)
    assert (found.whole, found.converged, found.parameters) == (False, True, len(values))
    np.testing.assert_allclose(found.eigenvalues, [*values[:4], *values[-4:]], atol=1e-7)
    assert abs(found.eigenvectors[:, -1] @ vectors[:, -1]) == pytest.approx(1.0)
    assert abs(found.eigenvectors[:, 0] @ vectors[:, 0]) == pytest.approx(1.0)
    assert found.condition == np.inf
    assert "the loss bends downwards along some directions" in str(found)
    gradient = np.concatenate([
        np.ravel(g) for g in flatten(cr.grad(_mse)(model.params, model))[0]
    ])  # fmt: skip
    assert found.gradient_norm == pytest.approx(np.linalg.norm(gradient))
    bend = gradient @ whole_hessian(model) @ gradient / (gradient @ gradient)
    assert found.along_gradient == pytest.approx(bend)
    assert sum(found.shares(-1).values()) == pytest.approx(1.0)


def _mse(params: Any, model: Any) -> Any:
    return np.mean((model.layer(params, model.state, X, training=False)[0] - Y) ** 2)


def test_the_residuals_bound_the_error() -> None:
    model = small_network()
    values = np.linalg.eigvalsh(whole_hessian(model))
    found = cr.curvature(model, X, Y, k=2, tolerance=0.05)
    for value, residual in zip(found.eigenvalues, found.residuals, strict=True):
        assert np.min(np.abs(values - value)) <= residual + 1e-12


def test_the_trace_and_its_standard_error() -> None:
    rng = np.random.default_rng(0)
    q = np.linalg.qr(rng.normal(size=(80, 80)))[0]
    matrix = q @ np.diag(np.concatenate([[100.0, 50.0], rng.normal(size=78)])) @ q.T
    exact = np.trace(matrix)

    def product(v: Any) -> Any:
        return matrix @ v

    runs = [trace_of(product, 80, q[:, :2], 16, seed) for seed in range(200)]
    estimates, errors = np.array(runs).T
    assert abs(estimates.mean() - exact) < 4.0 * estimates.std() / np.sqrt(200)
    assert errors.mean() == pytest.approx(estimates.std(), rel=0.2)
    bare = [trace_of(product, 80, q[:, :0], 16, seed)[1] for seed in range(20)]
    assert np.mean(bare) > 5.0 * errors.mean()  # without the two large ones it varies much more
    model = small_network()
    found = cr.curvature(model, X, Y, samples=64)
    assert found.trace_error > 0.0
    assert abs(found.trace - np.trace(whole_hessian(model))) < 4.0 * found.trace_error


def test_batches_from_a_function_and_from_a_file(tmp_path: Path) -> None:
    model = small_network()
    known = cr.curvature(model, X, Y)
    stored = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", X.dtype, X.shape)
    stored[:] = X
    np.testing.assert_allclose(
        cr.curvature(model, stored, Y, batch_size=100).eigenvalues, known.eigenvalues
    )
    parts = cr.curvature(model, lambda: ((X[i : i + 90], Y[i : i + 90]) for i in range(0, 256, 90)))
    np.testing.assert_allclose(parts.eigenvalues, known.eigenvalues)
    assert parts.rows is None


def test_in_training_a_batch_norm_has_other_curvature() -> None:
    layers = [nn.BatchNormalization(), nn.Dense(1)]
    model = network(layers)
    model.build((20,))
    x = 3.0 * X
    use, train = (cr.curvature(model, x, Y, training=t) for t in (False, True))
    # In use the averages are still 0 and 1, so inputs of spread 3 go through; in training of 1.
    assert use.largest / train.largest > 5.0


def test_single_precision() -> None:
    model = small_network()
    values = np.linalg.eigvalsh(whole_hessian(model))
    weights = model.get_weights()
    narrow = cr.Model(model.layer, dtype=np.float32)
    narrow.compile("sgd", "mse")
    narrow.build((20,))
    narrow.set_weights(weights)
    found = cr.curvature(narrow, X, Y, k=2)
    np.testing.assert_allclose(found.eigenvalues[[0, -1]], values[[0, -1]], rtol=1e-3)


LIMITS = [
    (optim.SGD(1.0), 2.0),
    (optim.Momentum(1.0, 0.8), 3.6),
    (optim.Momentum(1.0, 0.8, "pytorch"), 3.6),
    (optim.Momentum(1.0, 0.8, "average"), 18.0),
    (optim.Nesterov(1.0, 0.8), 3.6 / 2.6),
    (optim.NesterovReformulated(1.0, 0.8), 3.6 / 2.6),
]


@pytest.mark.parametrize(("rule", "limit"), LIMITS)
def test_descent_shrinks_below_the_limit_and_grows_above(rule: Any, limit: float) -> None:
    """A linear model on data with XᵀX/n = diag(1, 4): mean squares have the curvatures 2 and 8."""
    x = np.array([[np.sqrt(2.0), 0.0], [0.0, np.sqrt(8.0)]])
    y = np.zeros((2, 1))
    model = network([nn.Dense(1, use_bias=False)], rule)
    model.build((2,))
    found = cr.curvature(model, x, y)
    np.testing.assert_allclose(found.eigenvalues, [2.0, 8.0])
    assert found.largest_stable_step == pytest.approx(limit / 8.0)
    ends = []
    for share in (0.98, 1.02):
        model = network([nn.Dense(1, use_bias=False)], rule)
        model.build((2,), seed=2)
        model.learning_rate = share * found.largest_stable_step
        history = model.fit(x, y, batch_size=2, epochs=300, verbose=0).history["loss"]
        ends.append(np.max(history[-20:]) / history[0])
    assert ends[0] < 0.1
    assert ends[1] > 10.0


def test_penalties_add_to_the_curvature() -> None:
    model = logistic(optim.SGD(0.1, l2=0.5))
    found = cr.curvature(model, X, CLASSES)
    assert found.largest_stable_step == pytest.approx(2.0 / (found.largest + 0.5))
    clipped = logistic(optim.Clipped(optim.SGD(0.1), by_global_norm=1.0))
    found = cr.curvature(clipped, X, CLASSES)
    assert found.largest_stable_step == pytest.approx(2.0 / found.largest)


@pytest.mark.parametrize("name", ["adam", "rmsprop", "adagrad"])
def test_rates_for_each_parameter_scale_the_curvature(name: str) -> None:
    model = logistic(name)
    model.fit(X, CLASSES, epochs=2, verbose=0)
    memory = model.training_state("").optimizer
    r = np.concatenate([np.ravel(a) for a in flatten(memory.v if name == "adam" else memory.r)[0]])
    if name == "adam":
        root, factor = np.sqrt(r / (1 - 0.999**memory.step)) + 1e-8, 2 * 1.9 / 0.1
    else:
        root, factor = np.sqrt(r) + 1e-7, 2.0
    scaled = np.linalg.eigvals(logistic_hessian(model) / root[:, None]).real.max()
    found = cr.curvature(model, X, CLASSES, tolerance=1e-6)
    assert found.steps[0].limit == pytest.approx(factor / scaled, rel=1e-4)
    assert found.steps[0].method.lower() == name
    assert found.steps[1].method == "descent"


def test_a_rate_above_the_limit_is_told() -> None:
    found = cr.curvature(logistic(optim.SGD(100.0)), X, CLASSES)
    assert "the learning rate 100 is above that of descent" in str(found)
    assert "choose a smaller rate" in str(found)
    edge = cr.curvature(logistic(optim.SGD(1.1 * found.steps[0].limit)), X, CLASSES)
    assert "is 1.1 times the largest stable one: the edge of stability" in edge.remarks[0]
    fine = cr.curvature(logistic(optim.SGD(0.1)), X, CLASSES)
    assert "of the largest stable one" in str(fine)


@pytest.mark.parametrize("native", [False, True])
def test_functions_of_many_numbers(native: bool) -> None:
    # A chain of springs: the eigenvalues of its Hessian are 2 − 2 cos(πk/(n + 1)).
    n = 150
    found = cr.curvature(
        lambda p: 0.5 * (np.sum(np.diff(p["x"]) ** 2) + p["x"][0] ** 2 + p["x"][-1] ** 2),
        {"x": np.zeros(n)}, k=2, tolerance=1e-6, jit_compile=native,
    )  # fmt: skip
    exact = 2.0 - 2.0 * np.cos(np.pi * np.array([1, 2, n - 1, n]) / (n + 1))
    np.testing.assert_allclose(found.eigenvalues, exact, atol=1e-6)
    assert np.isnan(found.along_gradient)
    assert abs(found.trace - 2.0 * n) < 4.0 * found.trace_error
    assert set(found.shares(0)) == {"p['x']"}
    assert found.direction(0)["x"].shape == (n,)


def test_what_does_not_bend_at_all() -> None:
    found = cr.curvature(lambda x: np.sum(x) * 3.0 + 0.0 * np.sum(x**2), np.ones(100))
    assert (found.largest, found.trace, found.largest_stable_step) == (0.0, 0.0, np.inf)
    str(found)


def test_compiled_products_are_those_of_numpy() -> None:
    model = small_network()
    z = model.get_weights()
    v = np.random.default_rng(0).normal(size=sum(w.size for w in z))
    numpy, native = (NetworkLoss(model, X, Y, jit_compile=j, batch_size=100) for j in (False, True))
    np.testing.assert_allclose(
        numpy.product(numpy.point, v), native.product(native.point, v), rtol=1e-10, atol=1e-14
    )
    assert numpy.value(numpy.point) == pytest.approx(native.value(native.point), rel=1e-13)


def test_the_plot_shows_the_ends_and_the_rest() -> None:
    found = cr.curvature(small_network(), X, Y, k=2)
    ax = found.plot()
    np.testing.assert_array_equal(ax.collections[1].get_offsets()[:, 1], found.eigenvalues)
    [rest] = [line for line in ax.get_lines() if line.get_linestyle() == "--"]
    left = found.parameters - 4
    assert rest.get_ydata()[0] == pytest.approx((found.trace - found.eigenvalues.sum()) / left)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "2", "192", "193"]


def test_mistakes_are_told() -> None:
    model = small_network()
    with pytest.raises(ArgumentError, match="needs inputs and targets"):
        cr.curvature(model, X)
    with pytest.raises(ArgumentError, match="a generator runs once"):
        cr.curvature(model, ((X, Y) for _ in range(3)))
    with pytest.raises(ArgumentError, match="must be compiled before curvature"):
        cr.curvature(cr.Model([nn.Dense(1)]), X, Y)
    with pytest.raises(ArgumentError, match=r"(?s)takes the point alone.*close the function over"):
        cr.curvature(lambda p: p, X, Y)
    with pytest.raises(ArgumentError, match="the function itself, not its value"):
        cr.curvature(3.0, X)
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        cr.curvature(model, X, Y, tolerance=0)
    with pytest.raises(ArgumentError, match=r"(?s)the loss is not finite there.*cr\.debug"):
        cr.curvature(lambda x: np.log(x[0]), np.zeros(2))
