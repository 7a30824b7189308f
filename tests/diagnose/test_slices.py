"""Slices and trajectories: losses in closed form, planes against a singular value decomposition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError
from chainrule.tracing import flatten
from tests.diagnose.networks import X, Y, network


def trained(callback: Any = None, epochs: int = 12, **options: Any) -> Any:
    model = network([nn.Dense(6, "tanh"), nn.Dense(1)], cr.optim.SGD(0.1))
    model.fit(X, Y, epochs=epochs, callbacks=callback, verbose=0, **options)
    return model


def flat(tree: Any) -> Any:
    return np.concatenate([np.ravel(leaf) for leaf in flatten(tree)[0]])


def test_a_slice_of_a_quadratic_is_that_quadratic() -> None:
    def f(p: Any) -> Any:
        return p["a"] ** 2 + 10.0 * p["b"] ** 2

    directions = ({"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 2.0})
    seen = cr.loss_slice(f, {"a": 3.0, "b": 1.0}, along=directions, extent=2.0, points=5)
    a, b = np.meshgrid(seen.axes[0], seen.axes[1])
    np.testing.assert_allclose(seen.axes[0], [-2.0, -1.0, 0.0, 1.0, 2.0])
    np.testing.assert_allclose(seen.losses, (3.0 + a) ** 2 + 10.0 * (1.0 + 2.0 * b) ** 2)
    assert seen.centre == 19.0
    assert "lowest: 11 at (-2, -1); highest: 275" in str(seen)
    line = cr.loss_slice(f, {"a": 3.0, "b": 1.0}, along=directions[0], dimensions=1, points=3)
    np.testing.assert_allclose(line.losses, [14.0, 19.0, 26.0])
    assert "lowest: 14 at (-1); highest: 26" in str(line)


def test_hessian_directions_are_those_of_the_largest_curvatures() -> None:
    def f(w: Any) -> Any:
        return 0.5 * (4.0 * w[0] ** 2 - 9.0 * w[1] ** 2 + w[2] ** 2)

    seen = cr.loss_slice(f, np.zeros(3), along="hessian", points=3)
    np.testing.assert_allclose(np.abs(seen.directions[0]), [0.0, 1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(np.abs(seen.directions[1]), [1.0, 0.0, 0.0], atol=1e-12)
    assert seen.labels[0] == "Hessian direction, λ = -9"
    known = cr.curvature(f, np.zeros(3))
    again = cr.loss_slice(f, np.zeros(3), along=known, points=3)
    np.testing.assert_array_equal(again.losses, seen.losses)


def test_random_directions_have_the_lengths_of_the_filters() -> None:
    model = network([nn.Conv2D(4, 3), nn.Flatten(), nn.Dense(3), nn.Dense(1)])
    x = np.random.default_rng(0).normal(size=(8, 5, 5, 2))
    model.build((5, 5, 2))
    seen = cr.loss_slice(model, x, x[:, 0, 0, :1], points=2, seed=5)
    for direction in seen.directions:
        for name in ("conv2d", "dense", "dense_1"):
            kernel, own = direction[name]["kernel"], model.params[name]["kernel"]
            axes = tuple(range(kernel.ndim - 1))
            np.testing.assert_allclose(
                np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), axis=0),
                np.sqrt(np.sum(own**2, axis=axes)),
            )
            assert not direction[name]["bias"].any()
    assert not np.allclose(seen.directions[0]["dense"]["kernel"],
                           seen.directions[1]["dense"]["kernel"])  # fmt: skip
    words = network([nn.Embedding(6, 3), nn.Flatten(), nn.Dense(1)])
    words.build((2,))
    rows = cr.loss_slice(words, np.zeros((4, 2), int), np.zeros((4, 1)), points=2).directions[0]
    np.testing.assert_allclose(
        np.linalg.norm(rows["embedding"]["embeddings"], axis=1),
        np.linalg.norm(words.params["embedding"]["embeddings"], axis=1),
    )


def test_the_slices_of_a_network_are_its_losses() -> None:
    model = trained()
    seen = cr.loss_slice(model, X, Y, points=3, batch_size=100)
    assert seen.centre == pytest.approx(model.evaluate(X, Y))
    before = model.get_weights()
    leaves, spec = flatten(model.params)
    moved = [p + d for p, d in zip(leaves, flatten(seen.directions[0])[0], strict=True)]
    model.run.state = model.run.state._replace(params=spec.unflatten(moved))
    assert seen.losses[1, 2] == pytest.approx(model.evaluate(X, Y))
    model.set_weights(before)


def test_the_plane_of_a_path_is_its_principal_plane() -> None:
    path = cr.Trajectory()
    model = trained(path)
    seen = cr.loss_slice(model, X, Y, path=path, points=3)
    centred = path.points - path.points.mean(axis=0)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    shares = values**2 / np.sum(values**2)
    assert seen.explained == pytest.approx(shares[:2].sum())
    assert f"({shares[0]:.1%})" in seen.labels[0]
    for k in range(2):
        assert abs(flat(seen.directions[k]) @ axes[k]) == pytest.approx(1.0)
    ends = path.points[0] - flat(model.params)
    assert seen.path is not None
    np.testing.assert_allclose(seen.path[0], [ends @ flat(d) for d in seen.directions])
    np.testing.assert_allclose(seen.path[-1], 0.0, atol=1e-12)
    assert seen.path[0, 0] < 0.0  # it goes to the right
    assert np.all(seen.axes[0][0] < seen.path[:, 0])
    assert np.all(seen.axes[1][-1] > seen.path[:, 1])


def test_the_share_that_a_skew_plane_explains() -> None:
    # A path along (3, 4) seen along the first axis alone: 9/25 of its variance.
    points = np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    f = np.sum
    along = np.array([2.0, 0.0])
    seen = cr.loss_slice(lambda w: f(w**2), points[-1], path=points, along=[along], dimensions=1)
    assert seen.explained == pytest.approx(9.0 / 25.0)
    np.testing.assert_allclose(seen.path, [[-3.0], [-1.5], [0.0]])
    # Skew directions that span the whole plane explain all.
    skew = (np.array([1.0, 0.0]), np.array([1.0, 1.0]))
    seen = cr.loss_slice(lambda w: f(w**2), points[-1], path=points, along=skew, points=2)
    assert seen.explained == pytest.approx(1.0)
    np.testing.assert_allclose(seen.path[0], [2.0, -8.0])


def test_the_axes_point_the_way_that_the_path_goes() -> None:
    for seed in range(8):
        path = np.cumsum(np.random.default_rng(seed).normal(size=(5, 3)), axis=0)
        seen = cr.loss_slice(lambda w: np.sum(w**2), path[-1], path=path, points=2)
        assert seen.path is not None
        assert np.all(seen.path[0] <= 1e-12)


def test_a_recorded_minimisation_is_a_path() -> None:
    def f(p: Any) -> Any:
        return np.sum(p["w"] ** 2) + 5.0 * (p["b"] - 1.0) ** 2

    start = {"w": np.array([[1.0, -2.0]]), "b": 0.0}
    run = cr.minimize(f, start, optimizer="momentum", steps=30, record=True)
    seen = cr.loss_slice(f, run.x, path=run, points=3)
    assert seen.path.shape == (run.nit + 1, 2)
    assert seen.explained is not None
    assert seen.explained > 0.99


def test_the_pictures_show_the_numbers() -> None:
    path = cr.Trajectory()
    model = trained(path)
    seen = cr.loss_slice(model, X, Y, path=path, points=5)
    ax = seen.plot()
    drawn = ax.get_lines()[0]
    np.testing.assert_array_equal(np.transpose(drawn.get_data()), seen.path)
    assert f"{seen.explained:.1%} of the path's variance lies in it" in ax.get_title()
    assert ax.get_xlabel() == seen.labels[0]
    line = cr.loss_slice(model, X, Y, dimensions=1, points=5)
    curve = line.plot().get_lines()[0]
    np.testing.assert_array_equal(curve.get_ydata(), line.losses)


def test_where_the_loss_is_not_finite_the_slice_says_so() -> None:
    seen = cr.loss_slice(lambda w: np.sum(np.log(w)), np.ones(2), points=5, extent=2.0,
                         along=(np.array([1.0, 0.0]), np.array([0.0, 1.0])))  # fmt: skip
    bad = int((~np.isfinite(seen.losses)).sum())
    assert bad == 16
    assert f"{bad} points are not finite" in str(seen)
    seen.plot()


# Trajectories ------------------------------------------------------------------------------------


def test_a_trajectory_holds_the_parameters_of_each_epoch() -> None:
    seen: list[Any] = []
    note = cr.train.LambdaCallback(on_epoch_end=lambda *_: seen.append(flat(path.model.params)))
    path = cr.Trajectory()
    model = trained([path, note], epochs=3)
    assert path.times == [0, 1, 2, 3]
    np.testing.assert_array_equal(path.points[1:], seen)
    assert path.losses[1:] == model.history.history["loss"]
    assert np.isnan(path.losses[0])


def test_it_is_thinned_and_ends_with_the_training() -> None:
    path = cr.Trajectory(most=5)
    model = trained(path, epochs=11)
    assert path.times == [0, 4, 8, 11]
    np.testing.assert_array_equal(path.points[-1], flat(model.params))


def test_steps() -> None:
    path = cr.Trajectory(3, by="step")
    trained(path, epochs=2)  # 8 steps each
    assert path.times == [0, 3, 6, 9, 12, 15, 16]
    assert path.hears_steps
    assert not cr.Trajectory().hears_steps


def test_the_training_stays_the_same() -> None:
    alone, watched = trained(), trained(cr.Trajectory(by="step"))
    for a, b in zip(alone.get_weights(), watched.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_a_training_that_goes_on_keeps_its_path(tmp_path: Path) -> None:
    whole = cr.Trajectory()
    trained(whole, epochs=4)
    done: list[int] = []

    def kill(epoch: int, logs: Any = None) -> None:
        if epoch == 2 and not done:
            done.append(epoch)
            raise SystemExit

    killer = cr.train.LambdaCallback(on_epoch_begin=kill)
    backup = cr.train.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
    with pytest.raises(SystemExit):
        trained([cr.Trajectory(), backup, killer], epochs=4)
    again = cr.Trajectory()
    trained([again, backup, killer], epochs=4)
    assert again.times == whole.times
    np.testing.assert_array_equal(again.points, whole.points)


def test_mistakes_are_told() -> None:
    model = trained()
    with pytest.raises(ArgumentError, match=r"(?s)no path whose directions.*cr\.Trajectory"):
        cr.loss_slice(model, X, Y, along="path")
    with pytest.raises(ArgumentError, match="two points or more"):
        cr.loss_slice(model, X, Y, path=cr.Trajectory())
    with pytest.raises(ArgumentError, match="one of 'random', 'path', 'hessian'"):
        cr.loss_slice(model, X, Y, along="newton")
    with pytest.raises(ArgumentError, match="takes 2 directions"):
        cr.loss_slice(model, X, Y, along=[model.params])
    with pytest.raises(ArgumentError, match="a line or a plane"):
        cr.loss_slice(model, X, Y, dimensions=3)
    with pytest.raises(ArgumentError, match=r"(?s)on a line.*dimensions=1"):
        cr.loss_slice(lambda w: np.sum(w), np.ones(2), path=np.array([[0.0, 0], [1, 1], [2, 2]]))
    with pytest.raises(ArgumentError, match="by epochs or by steps"):
        cr.Trajectory(by="batch")
    with pytest.raises(ArgumentError, match="a positive number"):
        cr.loss_slice(model, X, Y, extent=0.0)
