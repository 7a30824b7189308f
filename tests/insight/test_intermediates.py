"""Named values of functions: by hand, against perturbed functions, and by the duality of modes."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, TreeError


def neuron(w: Any, x: Any) -> Any:
    z = w * x
    p = 1 / (1 + np.exp(-z))
    loss = -np.log(p)
    return loss


def test_a_neuron_by_hand() -> None:
    found = cr.intermediates(neuron)(0.5, 2.0)
    p = 1 / (1 + np.exp(-1.0))
    assert list(found) == ["w", "x", "z", "p", "loss"]
    for name, value, adjoint in (
        ("w", 0.5, 2.0 * (p - 1)), ("x", 2.0, 0.5 * (p - 1)), ("z", 1.0, p - 1), ("p", p, -1 / p),
        ("loss", -np.log(p), 1.0),
    ):  # fmt: skip
        assert found[name].value == pytest.approx(value)
        assert found[name].adjoint == pytest.approx(adjoint)
    assert found["z"].tangent == pytest.approx(2.5)  # both inputs move by 1
    assert found["loss"].tangent == pytest.approx(2.5 * (p - 1))
    assert found["p"].step == "1 / (1 + np.exp(-z))"
    assert found["z"].step == "w·x"
    assert found["z"].line.endswith("z = w * x")


def layer(W: Any, x: Any) -> Any:
    z = W @ x
    return np.tanh(z)


def deep(params: Any, x: Any) -> Any:
    for W in params["hidden"]:
        x = layer(W, x)
    scores = params["last"] @ x
    parts = {"data": np.sum(scores**2), "size": [np.sum(W**2) for W in params["hidden"]]}
    unused = scores * 3.0  # noqa: F841 - has a name, and leads nowhere
    return parts["data"] + 0.1 * sum(parts["size"])


RNG = np.random.default_rng(0)
PARAMS = {"hidden": [RNG.normal(size=(3, 3)) for _ in range(2)], "last": RNG.normal(size=(2, 3))}
X = RNG.normal(size=3)


def test_an_argument_that_is_assigned_to() -> None:
    """x is what was given, x#2 what it is at the end."""

    def f(x: Any) -> Any:
        x[0] = x[1] * x[2]
        return (x**2).sum()

    found = cr.intermediates(f)(np.array([1.0, 2.0, 3.0]))
    assert list(found) == ["x", "x#2", "return"]
    # By hand: f = (x₁x₂)² + x₁² + x₂².
    np.testing.assert_array_equal(found["x"].value, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(found["x"].adjoint, [0.0, 40.0, 30.0])
    np.testing.assert_array_equal(found["x#2"].value, [6.0, 2.0, 3.0])
    np.testing.assert_array_equal(found["x#2"].adjoint, [12.0, 4.0, 6.0])
    np.testing.assert_array_equal(found["x#2"].tangent, [5.0, 1.0, 1.0])
    assert "log(x#2)" in str(cr.debug(lambda x: (x.__setitem__(0, 0.0), np.log(x))[1])(np.ones(2)))


def test_names_come_from_variables_everywhere() -> None:
    found = cr.intermediates(deep)(PARAMS, X)
    assert set(found) == {
        "params['hidden'][0]", "params['hidden'][1]", "params['last']", "x",
        "layer.z", "x#2", "layer.z#2", "x#3", "scores",
        "parts['data']", "parts['size'][0]", "parts['size'][1]", "unused", "return",
    }  # fmt: skip
    h = np.tanh(PARAMS["hidden"][0] @ X)
    np.testing.assert_allclose(found["x#2"].value, h)
    np.testing.assert_allclose(found["layer.z#2"].value, PARAMS["hidden"][1] @ h)
    assert not found["unused"].adjoint.any()
    assert found["unused"].tangent.any()


def test_the_outermost_name_counts() -> None:
    def inner(x: Any) -> Any:
        z = np.sin(x)
        return z

    def outer(x: Any) -> Any:
        h = inner(x)
        return 2.0 * h

    assert list(cr.intermediates(outer)(1.0)) == ["x", "h", "return"]


def test_adjoints_are_derivatives_by_what_is_added_there() -> None:
    def with_added(delta: Any, where: str) -> Any:
        x = X
        for k, W in enumerate(PARAMS["hidden"]):
            z = W @ x + (delta if where == f"layer.z#{k + 1}" else 0.0)
            x = np.tanh(z) + (delta if where == f"x#{k + 2}" else 0.0)
        scores = PARAMS["last"] @ x + (delta if where == "scores" else 0.0)
        return np.sum(scores**2)

    found = cr.intermediates(deep)(PARAMS, X)
    for name, where, size in (("layer.z", "layer.z#1", 3), ("layer.z#2", "layer.z#2", 3),
                              ("x#2", "x#2", 3), ("scores", "scores", 2)):  # fmt: skip
        slope = cr.grad(with_added)(np.zeros(size), where)
        np.testing.assert_allclose(found[name].adjoint, slope, rtol=1e-12)


def test_tangents_are_differences_and_dual_to_adjoints() -> None:
    moves = ({"hidden": [RNG.normal(size=(3, 3)) for _ in range(2)],
              "last": RNG.normal(size=(2, 3))}, None)  # fmt: skip
    found = cr.intermediates(deep, tangents=moves)(PARAMS, X)
    assert not found["x"].tangent.any()
    _, slope = cr.jvp(lambda p: deep(p, X), (PARAMS,), (moves[0],))
    assert found["return"].tangent == pytest.approx(slope)
    # ⟨ξ̄, ξ̇⟩ over the only way to the result through "scores" and the penalties.
    through = np.sum(found["scores"].adjoint * found["scores"].tangent)
    sizes = sum(found[f"parts['size'][{k}]"].tangent for k in range(2))
    assert through + 0.1 * sizes == pytest.approx(slope)
    eps = 1e-6
    pairs = zip(PARAMS["hidden"], moves[0]["hidden"], strict=True)
    moved = {"hidden": [a + eps * t for a, t in pairs], "last": PARAMS["last"]}
    after = cr.intermediates(deep)(moved, X)["layer.z#2"].value
    difference = (after - found["layer.z#2"].value) / eps
    np.testing.assert_allclose(found["layer.z#2"].tangent, difference, rtol=1e-4, atol=1e-6)


def test_a_cotangent_weighs_the_results() -> None:
    def f(x: Any) -> Any:
        y = x**2
        return {"a": y, "b": 3.0 * y}

    found = cr.intermediates(f, cotangent={"a": 1.0, "b": 10.0})(2.0)
    assert found["y"].adjoint == 31.0
    assert found["return['b']"].adjoint == 10.0
    assert cr.intermediates(f)(2.0)["y"].adjoint == 4.0


def test_steps_without_a_name() -> None:
    plain = cr.intermediates(lambda w: np.exp(np.sin(w)))
    assert list(plain(0.0)) == ["w", "return"]
    assert "1 step without a name: everything=True shows them too" in str(plain(0.0))
    assert list(cr.intermediates(lambda w: np.exp(np.sin(w)), everything=True)(0.0)) == [
        "w", "ξ₁", "return",
    ]  # fmt: skip


def test_arrays_that_are_assigned_into() -> None:
    def f(x: Any) -> Any:
        y = np.zeros(2) * x
        y[0] = x**2
        return np.sum(y)

    found = cr.intermediates(f)(3.0)
    np.testing.assert_array_equal(found["y"].value, [9.0, 0.0])
    np.testing.assert_array_equal(found["y"].adjoint, [1.0, 1.0])


class Cell:
    def __init__(self) -> None:
        self.weight = np.array([2.0, -1.0])

    def __call__(self, x: Any) -> Any:
        self.gate = cr.sigmoid(self.weight * x)
        return np.sum(self.gate * x)


def test_attributes_of_objects() -> None:
    cell = Cell()
    found = cr.intermediates(cell)(np.array([0.5, 1.0]))
    np.testing.assert_allclose(found["self.gate"].value, 1 / (1 + np.exp([-1.0, 1.0])))
    np.testing.assert_array_equal(found["self.gate"].adjoint, [0.5, 1.0])


def test_a_nested_derivative_is_seen_through() -> None:
    def f(x: Any) -> Any:
        slope = cr.grad(np.sin)(x)
        return slope**2

    found = cr.intermediates(f)(0.3)
    assert found["slope"].value == pytest.approx(np.cos(0.3))
    assert found["x"].adjoint == pytest.approx(-2 * np.cos(0.3) * np.sin(0.3))


def test_what_watched_before_goes_on_watching() -> None:
    seen: list[str] = []

    def tracer(frame: Any, event: str, arg: Any) -> Any:
        if frame.f_code.co_name == "neuron":
            seen.append(event)
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        found = cr.intermediates(neuron)(0.5, 2.0)
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert "z" in found
    assert seen.count("line") == 4
    with pytest.raises(ZeroDivisionError):
        cr.intermediates(lambda x: 1 // 0)(1.0)
    assert sys.gettrace() is before


def test_it_is_a_mapping_that_prints() -> None:
    found = cr.intermediates(deep)(PARAMS, X)
    assert found.adjoints["scores"] is found["scores"].adjoint
    assert "nothing" not in found
    assert found.get("nothing") is None
    with pytest.raises(KeyError, match=r"(?s)no value of that name.*the names are scores"):
        found["score"]
    assert " scores              │ params['last'] @ x#3" in str(found)
    page = found._repr_html_()
    assert page.count("<tr>") == len(found) + 1
    assert "@ x#3" in page


def test_mistakes_are_told() -> None:
    with pytest.raises(ArgumentError, match=r"(?s)one tangent for each argument.*\(dw, dx\)"):
        cr.intermediates(neuron, tangents=(1.0,))(0.5, 2.0)
    with pytest.raises(TreeError, match="another shape"):
        cr.intermediates(neuron, tangents=(np.ones(2), 1.0))(0.5, 2.0)
    with pytest.raises(ArgumentError, match="training belongs to a network"):
        cr.intermediates(neuron, training=True)
