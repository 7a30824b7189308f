"""The trace table, against closed forms."""

from __future__ import annotations

import json
import math
from typing import Any

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, NoDependenceError, NotScalarError
from tests.insight.examples import by_formula, loss, network, network_table, table

# The lecture's example at x = 3, y = 1, W = 3 ---------------------------------------------------

with mpmath.workdps(50):
    E9 = float(mpmath.exp(-9))  # 1.2340980408667956e-4
    P = float(1 / (1 + mpmath.exp(-9)))
    Q = float(1 - 1 / (1 + mpmath.exp(-9)))
    SLOPE = float(-3 * mpmath.exp(-9) / (1 + mpmath.exp(-9)))
    LOG_P, LOG_Q = (
        float(-mpmath.log(1 + mpmath.exp(-9))),
        float(-9 - mpmath.log(1 + mpmath.exp(-9))),
    )

# formula: value, dξ/dW, dL/dξ, each worked out by hand with e = e⁻⁹, p = 1/(1 + e), q = 1 − p
ORACLE = {
    "−W": (-3.0, -1.0, 3 * Q),
    "ξ₁·x": (-9.0, -3.0, Q),
    "exp(ξ₂)": (E9, -3 * E9, P),
    "1 + ξ₃": (1 + E9, -3 * E9, P),
    "1/ξ₄": (P, 3 * E9 * P**2, -1 / P),
    "log(ξ₅)": (LOG_P, 3 * Q, -1.0),
    "y·ξ₆": (LOG_P, 3 * Q, -1.0),
    "1 − y": (0.0, 0.0, -LOG_Q),
    "1 − ξ₅": (Q, -3 * E9 * P**2, 0.0),
    "log(ξ₉)": (LOG_Q, -3 * P, 0.0),
    "ξ₈·ξ₁₀": (0.0, 0.0, -1.0),
    "ξ₇ + ξ₁₁": (LOG_P, 3 * Q, -1.0),
    "−ξ₁₂": (-LOG_P, SLOPE, 1.0),
}


def test_the_oracle_is_the_one_that_is_known() -> None:
    assert E9 == 1.2340980408667956e-4
    assert pytest.approx(0.99987660542401369, rel=2e-16, abs=0) == P
    assert SLOPE == -3.7018372795869519e-4


@pytest.mark.parametrize("mode", ["forward", "backward", "both"])
def test_every_row_of_the_lectures_example(mode: str) -> None:
    rows = table(mode).rows()
    steps = by_formula(rows[:-1])
    assert list(steps) == list(ORACLE)
    for formula, (value, forward, backward) in ORACLE.items():
        row = steps[formula]
        # Near p = 1 the rounding of p, 1e-16, is 1e-12 of log p and of 1 − p.
        near_one = formula in ("1 − ξ₅", "log(ξ₉)", "log(ξ₅)", "y·ξ₆", "ξ₇ + ξ₁₁", "−ξ₁₂")
        assert row["value"] == pytest.approx(value, rel=1e-11 if near_one else 1e-14, abs=0), row
        if mode != "backward":
            tolerance = 1e-11 if formula == "log(ξ₉)" else 1e-14
            assert row["forward"]["W"] == pytest.approx(forward, rel=tolerance, abs=0), row
        if mode != "forward":
            assert row["backward"] == pytest.approx(backward, rel=1e-11, abs=0), row
    assert rows[-1]["name"] == "W"
    if mode != "backward":
        assert rows[-1]["forward"]["W"] == pytest.approx(SLOPE, rel=1e-14, abs=0)
    if mode != "forward":
        assert rows[-1]["backward"] == pytest.approx(SLOPE, rel=1e-14, abs=0)


def test_partials_with_their_formulas_and_values() -> None:
    steps = by_formula(table().rows()[:-1])
    shown = {
        (row["name"], p["of"]): (p["formula"], p["value"])
        for row in steps.values()
        for p in row["partials"]
    }
    expected = {
        ("ξ₁", "W"): ("−1", -1.0),
        ("ξ₂", "ξ₁"): ("x", 3.0),
        ("ξ₂", "x"): ("ξ₁", -3.0),
        ("ξ₃", "ξ₂"): ("exp(ξ₂)", E9),
        ("ξ₄", "ξ₃"): ("1", 1.0),
        ("ξ₅", "ξ₄"): ("−1/ξ₄²", -(P**2)),
        ("ξ₆", "ξ₅"): ("1/ξ₅", 1 + E9),
        ("ξ₇", "y"): ("ξ₆", LOG_P),
        ("ξ₇", "ξ₆"): ("y", 1.0),
        ("ξ₈", "y"): ("−1", -1.0),
        ("ξ₉", "ξ₅"): ("−1", -1.0),
        ("ξ₁₀", "ξ₉"): ("1/ξ₉", 1 / Q),
        ("ξ₁₁", "ξ₈"): ("ξ₁₀", LOG_Q),
        ("ξ₁₁", "ξ₁₀"): ("ξ₈", 0.0),
        ("ξ₁₂", "ξ₇"): ("1", 1.0),
        ("ξ₁₂", "ξ₁₁"): ("1", 1.0),
        ("ξ₁₃", "ξ₁₂"): ("−1", -1.0),
    }
    assert {key: formula for key, (formula, _) in shown.items()} == {
        key: formula for key, (formula, _) in expected.items()
    }
    for key, (_, value) in expected.items():
        assert shown[key][1] == pytest.approx(value, rel=1e-11), key


def test_labels_and_stored_values() -> None:
    t = table()
    rows = {row["name"]: row for row in t.rows()}
    assert {name: row["label"] for name, row in rows.items() if row["label"]} == {
        "ξ₅": "p",
        "ξ₁₃": "L",
    }
    # W·x needs x; e^ξ and 1/ξ need their own values; log ξ its argument; a product its factors.
    stored = {name for name, row in rows.items() if row["stored"]}
    assert stored == {"ξ₃", "ξ₄", "ξ₅", "ξ₈", "ξ₉"}
    assert t.notes == [
        "stored for the backward pass: x, y, ξ₃, ξ₄, ξ₅, ξ₈, ξ₉ (7 values, 56 bytes)"
    ]


def test_a_fan_out_shows_every_contribution() -> None:
    """p is read by log p and by 1 − p: dL/dp = −y/p + (1 − y)/(1 − p)."""
    rows = {row["name"]: row for row in table(at=(0.5, 3, 0.25)).rows()}
    p = 1 / (1 + math.exp(-1.5))
    first, second = rows["ξ₅"]["contributions"]
    assert (first["from"], second["from"]) == ("ξ₆", "ξ₉")
    assert first["value"] == pytest.approx(-0.25 / p, rel=1e-14)
    assert second["value"] == pytest.approx(0.75 / (1 - p), rel=1e-14)
    assert rows["ξ₅"]["backward"] == pytest.approx(-0.25 / p + 0.75 / (1 - p), rel=1e-14)
    assert [c["from"] for c in rows["W"]["contributions"]] == ["ξ₁"]


def test_both_modes_agree_with_the_gradient_for_every_input() -> None:
    t = table("both", None, (0.5, 2.0, 0.25))
    gradient = cr.grad(lambda W, x, y: loss(W, x, y)[0], (0, 1, 2))(0.5, 2.0, 0.25)
    for row, expected in zip(t.rows()[-3:], gradient, strict=True):
        assert row["backward"] == pytest.approx(expected, rel=1e-14)
        assert row["forward"] == {row["name"]: pytest.approx(expected, rel=1e-13)}


def test_a_step_twice_in_one_product() -> None:
    rows = cr.trace(lambda x: x * x - x / x)(2.5).table("both").rows()
    assert [p["formula"] for p in rows[0]["partials"]] == ["x + x"]
    assert rows[0]["partials"][0]["value"] == 5.0
    assert [p["formula"] for p in rows[1]["partials"]] == ["1/x − x/x²"]
    assert [c["value"] for c in rows[3]["contributions"]] == [5.0, 0.0]


# Arrays and trees -------------------------------------------------------------------------------


def test_a_container_stands_for_its_leaves() -> None:
    t = network_table()
    assert t.wrt == ("params['b']", "params['w']")
    assert [row.word.text for row in t.finals] == ["params['b']", "params['w']"]


def test_a_name_is_not_the_beginning_of_another() -> None:
    t = cr.trace(lambda b, beta: b * beta)(1.0, 2.0).table(wrt="b")
    assert t.wrt == ("b",)


def test_arrays_have_the_derivatives_of_grad() -> None:
    rng = np.random.default_rng(0)
    params = {"w": rng.standard_normal((3, 2)), "b": np.zeros(2)}
    args = params, rng.standard_normal((4, 3)), np.ones((4, 2))
    expected = cr.grad(network)(*args)
    for row, name in zip(network_table().finals, "bw", strict=True):
        np.testing.assert_allclose(row.backward, expected[name], rtol=1e-13)
        np.testing.assert_allclose(row.forward[row.word.text], expected[name], rtol=1e-13)


def test_forward_mode_carries_jacobians_of_arrays() -> None:
    t = network_table("forward")
    pre_activation = next(row for row in t.steps if row.formula.text.startswith("ξ₁ + "))
    jacobian = pre_activation.forward["params['b']"]
    # every row of X @ w + b moves with b
    np.testing.assert_array_equal(jacobian, np.broadcast_to(np.eye(2), (4, 2, 2)))


def test_forward_mode_leaves_out_what_takes_too_many_sweeps() -> None:
    t = cr.trace(lambda x, a: (x * a).sum())(np.ones(65), 2.0).table("forward")
    assert all(set(row.forward) == {"a"} for row in t.steps)
    assert t.notes[0].startswith("d/dx is left out in forward mode: it takes a sweep for each")
    assert "dξₙ/dx" not in str(t)
    assert "dξₙ/da" in str(t)
    small = cr.trace(lambda x: x.sum())(np.ones(64)).table("forward")
    np.testing.assert_array_equal(small.finals[0].forward["x"], np.ones(64))


def test_where_no_derivative_arrives_it_is_said() -> None:
    t = cr.trace(lambda x, y: np.floor(x) * y + 0 * y)(2.5, 3.0).table("both")
    floor = t.steps[0]
    assert [(p.formula.text, p.value) for p in floor.partials] == [("0", 0.0)]
    assert floor.backward == 3.0
    assert [row.backward for row in t.finals] == [0.0, 2.0]
    assert "dL/dx is 0: no step with a derivative leads from x to L" in t.notes
    assert not any("dL/dy is 0" in note for note in t.notes)


def test_the_note_on_conditions_stands_where_one_is_printed() -> None:
    def notes(f: Any) -> list[str]:
        return cr.trace(f)({"x": 2.0}).table("forward").notes

    note = "[condition] is 1 where the condition holds, and 0 elsewhere"
    assert notes(lambda p: np.maximum(p["x"], 0.0)) == [note]
    assert notes(lambda p: np.exp(p["x"])) == []  # the name p['x'] has brackets too


def test_several_outputs_of_a_step() -> None:
    a = np.array([[2.0, 1.0], [1.0, 3.0]])

    def trace_of(a: Any) -> Any:
        w, _ = np.linalg.eigh(a)
        return w[0] + w[1]

    t = cr.trace(trace_of)(a).table("both")
    np.testing.assert_allclose(t.finals[0].forward["a"], np.eye(2) * 1.0 + 0, atol=1e-14)
    np.testing.assert_allclose(t.finals[0].backward, np.eye(2), atol=1e-14)
    assert str(t)
    assert json.loads(t.to_json())


def test_an_input_may_be_the_output() -> None:
    t = cr.trace(lambda x: x)(2.5).table("both")
    assert t.steps == []
    assert t.finals[0].backward == 1.0
    assert t.finals[0].forward == {"x": 1.0}


def test_forward_mode_takes_any_output() -> None:
    t = cr.trace(lambda x: (x * np.arange(3.0), x + 1))(2.0).table("forward")
    np.testing.assert_array_equal(t.steps[0].forward["x"], [0.0, 1.0, 2.0])
    assert t.finals == []


def test_the_name_of_the_result_avoids_the_inputs() -> None:
    assert cr.trace(lambda L: L * 2)(1.0).table().output.text == "f"
    assert cr.trace(lambda x: x * 2)(1.0).table().output.text == "L"


# Refusals -------------------------------------------------------------------------------------


def test_unknown_modes_and_names() -> None:
    graph = cr.trace(loss, has_aux=True)(3, 3, 1)
    with pytest.raises(ArgumentError, match=r"modes forward, backward and both\n.*'reverse'"):
        graph.table("reverse")
    with pytest.raises(ArgumentError) as refused:
        graph.table(wrt="w")
    assert str(refused.value).split("\n") == [
        "loss(W, x, y) has no input 'w' to differentiate with respect to",
        "  received: wrt='w'",
        "  remedy:   its inputs are W, x, y",
    ]
    with pytest.raises(ArgumentError, match=r"did you mean 'weight'\?"):
        cr.trace(lambda weight: weight * 2)(1.0).table(wrt="wieght")


def test_a_backward_table_starts_from_one_number() -> None:
    with pytest.raises(NotScalarError, match=r"one number\n.*shape \(3,\)\n.*x \* 2"):
        cr.trace(lambda x: x * 2)(np.ones(3)).table()
    with pytest.raises(NotScalarError, match="2 results"):
        cr.trace(lambda x: (x * 2, x))(1.0).table("both")
    with pytest.raises(NoDependenceError, match="does not depend on its arguments"):
        cr.trace(lambda x: 3.0)(1.0).table()
