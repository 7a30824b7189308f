"""`cr.minimize`: results, counts, records, restarts, and how it stops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from tests.optim.problems import ravine, rosenbrock, wells

SECOND_ORDER = ["newton", "cg", "bfgs", "l-bfgs", "newton-cg", "trust-ncg", "trust-krylov",
                "trust-exact", "line-search"]  # fmt: skip


class Counted:
    """A function that counts its runs."""

    def __init__(self, f: Any) -> None:
        self.f, self.calls = f, 0

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return self.f(x)


@pytest.mark.parametrize("name", [*SECOND_ORDER, "sgd", "nesterov", "adam"])
def test_the_record_is_what_happened(name: str) -> None:
    f = Counted(rosenbrock)
    start = np.array([-1.2, 1.0])
    rate = {"sgd": 1e-3, "nesterov": 1e-4, "adam": 1e-2}.get(name)
    result = cr.minimize(f, start, optimizer=name, steps=5, record=True, learning_rate=rate)
    assert result.nit == 5
    assert not result.success
    np.testing.assert_array_equal(start, [-1.2, 1.0])
    np.testing.assert_array_equal(result.path[0], start)
    np.testing.assert_array_equal(result.path[-1], result.x)
    assert result.path.shape == (6, 2)
    np.testing.assert_allclose(result.values, [rosenbrock(x) for x in result.path], rtol=1e-14)
    gradients = np.array([cr.grad(rosenbrock)(x) for x in result.path])
    np.testing.assert_allclose(result.gradient_norms, np.linalg.norm(gradients, axis=1), rtol=1e-12)
    np.testing.assert_allclose(result.jac, gradients[-1], rtol=1e-12)
    assert result.fun == result["fun"] == result.values[-1]
    # Every run of f is counted: a value, a value with its gradient, or a Hessian product.
    assert f.calls == result.nfev + result.nhev
    plain = cr.minimize(rosenbrock, start, optimizer=name, steps=5, learning_rate=rate)
    np.testing.assert_array_equal(plain.x, result.x)
    assert plain.path is plain.values is plain.states is None


def test_every_state_is_recorded() -> None:
    rule = optim.Momentum(0.01, 0.5)
    result = cr.minimize(ravine, np.array([1.0, 1.0]), optimizer=rule, steps=4, record=True)
    assert list(result.states.step) == [0, 1, 2, 3, 4]
    assert result.states.velocity.shape == (5, 2)
    np.testing.assert_allclose(np.diff(result.path, axis=0), result.states.velocity[1:])


@pytest.mark.parametrize("name", [*SECOND_ORDER, "momentum"])
def test_trees_come_back_as_they_went_in(name: str) -> None:
    target = np.array([[1.0, -2.0], [0.5, 3.0]])

    def f(p: Any) -> Any:
        return ((p["w"] - target) ** 2).sum() + (p["b"][0] + 1) ** 4 + (p["b"][0] - p["c"]) ** 2

    x0 = {"w": np.zeros((2, 2), np.float32), "b": (2.0,), "c": 3}
    result = cr.minimize(f, x0, optimizer=name, steps=3000, tolerance=1e-4, record=True)
    assert result.success, result.message
    assert result.x["w"].dtype == np.float32
    assert result.jac["w"].shape == (2, 2)
    assert type(result.x["b"][0]) is float
    assert type(result.x["c"]) is float
    np.testing.assert_allclose(result.x["w"], target, atol=1e-3)
    assert result.x["c"] == pytest.approx(-1.0, abs=0.1)
    assert result.path["w"].shape == (result.nit + 1, 2, 2)
    assert result.path["b"][0].shape == (result.nit + 1,)


def test_a_number_is_a_tree_too() -> None:
    result = cr.minimize(lambda x: (x - 3) ** 2, 0.0)
    assert type(result.x) is float
    assert result.x == pytest.approx(3.0)


def test_exact_hessian_products_are_used() -> None:
    """Newton-CG with them ends in the same place as SciPy by itself, in fewer gradients."""
    from scipy.optimize import minimize

    start = np.array([-1.2, 1.0])
    ours = cr.minimize(rosenbrock, start, optimizer="newton-cg", tolerance=1e-5)
    theirs = minimize(rosenbrock, start, jac=cr.grad(rosenbrock), method="Newton-CG")
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-4)
    assert ours.nhev > 0
    assert ours.njev < theirs.njev


def test_tolerance_stops_and_zero_does_all_steps() -> None:
    start = np.array([1.0, 0.1])
    loose = cr.minimize(ravine, start, optimizer=optim.SGD(0.01), tolerance=1e-2)
    assert loose.success
    assert np.max(np.abs(loose.jac)) <= 1e-2
    assert loose.message.startswith("the largest element of the gradient")
    before = cr.minimize(ravine, start, optimizer=optim.SGD(0.01), steps=loose.nit - 1)
    assert np.max(np.abs(before.jac)) > 1e-2
    all_steps = cr.minimize(ravine, start, optimizer=optim.SGD(0.01), steps=777, tolerance=0.0)
    assert (all_steps.nit, all_steps.success) == (777, False)


@pytest.mark.parametrize("name", ["sgd", "newton", "bfgs", "line-search"])
def test_a_bad_start_is_told(name: str) -> None:
    result = cr.minimize(lambda x: np.log(x) ** 2, -1.0, optimizer=name)
    assert not result.success
    assert result.message == "at the starting point f is nan"
    assert (result.x, result.nit) == (-1.0, 0)


def test_divergence_is_told_and_the_last_finite_point_kept() -> None:
    result = cr.minimize(lambda x: x**4, 40.0, optimizer="sgd", steps=50, record=True)
    assert not result.success
    assert np.isfinite(result.fun)
    assert np.all(np.isfinite(result.path))
    step = result.nit + 1
    assert result.message == (
        f"after step {step} f is inf; the result is that of step {step - 1}; "
        "a smaller learning rate or clipping may help"
    )
    # Newton's step for √(1 + x²) is −x³: it diverges from beyond 1.
    newton = cr.minimize(lambda x: np.sqrt(1 + x**2), 2.0, optimizer="newton")
    assert not newton.success
    assert "f is inf" in newton.message or "singular" in newton.message


@pytest.mark.parametrize(
    "name",
    ["cg", "bfgs", "l-bfgs", "newton-cg", "trust-ncg", "trust-krylov", "trust-exact",
     "line-search"],
)  # fmt: skip
def test_methods_step_back_from_where_f_is_not_finite(name: str) -> None:
    """x − log x is NaN below 0, where the first step from x = 10 and x = 0.01 leads."""
    x0 = np.array([10.0, 0.01, 5.0])
    found = cr.minimize(lambda x: (x - np.log(x)).sum(), x0, optimizer=name, record=True)
    assert found.success, found.message
    np.testing.assert_allclose(found.x, 1.0, atol=1e-6)
    assert np.all(np.isfinite(found.values))


@pytest.mark.parametrize("name", ["bfgs", "l-bfgs", "trust-exact", "line-search"])
def test_a_minimum_of_minus_infinity_is_told(name: str) -> None:
    found = cr.minimize(lambda x: np.log(x * x).sum(), np.array([1e-300]), optimizer=name, steps=50)
    assert not found.success


@pytest.mark.parametrize("name", ["l-bfgs", "cg", "trust-ncg", "line-search"])
def test_a_large_sum_converges_as_far_as_its_rounding_allows(name: str) -> None:
    """The maximum likelihood of a gamma distribution; SciPy's own fit is the truth."""
    from scipy import stats

    rows = np.random.default_rng(0).gamma(3.0, 2.0, 1000)
    shape, _, scale = stats.gamma.fit(rows, floc=0)

    def negative_log_likelihood(p: Any) -> Any:
        k, s = np.exp(p[0]), np.exp(p[1])
        # As if there were ten thousand times the rows.
        return -1e4 * ((k - 1) * np.log(rows) - rows / s - k * p[1] - cr.gammaln(k)).sum()

    found = cr.minimize(negative_log_likelihood, np.zeros(2), optimizer=name)
    assert found.success, found.message
    assert "f falls no further for rounding" in found.message
    np.testing.assert_allclose(np.exp(found.x), [shape, scale], rtol=1e-6)


@pytest.mark.parametrize("name", ["cg", "bfgs", "l-bfgs", "newton-cg", "trust-ncg"])
def test_a_start_whose_gradient_overflows_when_squared_is_told(name: str) -> None:
    found = cr.minimize(lambda x: np.exp(x).sum(), np.array([500.0, 600.0]), optimizer=name)
    assert not found.success
    assert found.nit == 0
    assert np.isfinite(found.fun)


def test_an_error_of_the_function_itself_comes_through() -> None:
    def f(x: Any) -> Any:
        if x[0] != 1.0:
            raise ValueError("only at the start")
        return (x**2).sum()

    for name in ("l-bfgs", "trust-exact", "line-search", "sgd"):
        with pytest.raises(ValueError, match="only at the start"):
            cr.minimize(f, np.ones(2), optimizer=name)


def test_stuck_elsewhere_is_no_success() -> None:
    """|x| cannot be left at its kink along the gradient of the other coordinate's."""
    found = cr.minimize(lambda x: np.abs(x).sum(), np.array([1.0, -2.3]), optimizer="bfgs")
    assert not found.success
    assert "SciPy's BFGS stopped where the largest element of the gradient, 1, is" in found.message


@pytest.mark.parametrize("name", ["l-bfgs", "line-search", "sgd"])
def test_a_parameter_without_influence_is_named(name: str) -> None:
    with pytest.warns(cr.errors.ZeroGradientWarning, match=r"does not depend on p\['b'\]"):
        found = cr.minimize(lambda p: (p["a"] ** 2).sum(), {"a": np.ones(2), "b": 4.0},
                            optimizer=name, steps=2)  # fmt: skip
    assert found.x["b"] == 4.0


def test_an_optimizer_may_be_given_by_its_class() -> None:
    by_class = cr.minimize(ravine, np.ones(2), optimizer=optim.Adam, steps=3)
    by_name = cr.minimize(ravine, np.ones(2), optimizer="adam", steps=3)
    np.testing.assert_array_equal(by_class.x, by_name.x)


def test_a_singular_hessian_is_told() -> None:
    result = cr.minimize(lambda x: x[0] ** 2 + 2 * x[1], np.array([1.0, 1.0]), optimizer="newton")
    assert not result.success
    assert "the Hessian is singular" in result.message
    assert result.nit == 0


def test_restarts_find_the_global_minimum_where_one_start_does_not() -> None:
    one = cr.minimize(wells, 8.0, optimizer=optim.SGD(0.02), steps=500)
    assert one.success
    assert one.fun > 0.5
    many = cr.minimize(
        wells, 8.0, optimizer=optim.SGD(0.02), steps=500, restarts=12, spread=6.0, seed=1
    )
    assert many.fun == pytest.approx(-1.0)
    assert many.x == pytest.approx(0.0, abs=1e-5)
    assert len(many.runs) == 13
    assert many.runs[0].x == one.x
    assert many.fun == min(run.fun for run in many.runs)
    assert len({round(run.fun, 6) for run in many.runs}) > 2


def test_the_seed_decides_the_restarts() -> None:
    def ends(seed: int) -> list[float]:
        found = cr.minimize(wells, 8.0, optimizer="bfgs", restarts=4, spread=5.0, seed=seed)
        return [run.x for run in found.runs]

    assert ends(0) == ends(0)
    assert ends(0) != ends(1)
    assert ends(0)[0] == ends(1)[0]  # the first run is from x0


def test_a_sampler_draws_the_starts() -> None:
    drawn = []

    def sample(rng: np.random.Generator) -> Any:
        drawn.append({"a": rng.uniform(-1, 1), "b": np.full(2, 0.5)})
        return drawn[-1]

    f = lambda p: wells(p["a"]) + (p["b"] ** 2).sum()  # noqa: E731
    x0 = {"a": 8.0, "b": np.zeros(2)}
    found = cr.minimize(f, x0, restarts=2, sample=sample, record=True)
    assert [run.path["a"][0] for run in found.runs[1:]] == [p["a"] for p in drawn]
    assert found.fun == pytest.approx(-1.0)


def test_a_run_that_fails_is_never_the_best() -> None:
    f = lambda x: np.log(x) ** 2 - x * 0.0  # noqa: E731
    found = cr.minimize(f, -1.0, restarts=6, spread=3.0, seed=2)
    assert np.isnan(found.runs[0].fun)
    assert found.success
    assert found.x == pytest.approx(1.0)


def test_backtracking_obeys_armijo() -> None:
    f = lambda x: float((x**2).sum())  # noqa: E731
    x, d = np.array([1.0, -2.0]), np.array([-20.0, 40.0])
    found = optim.backtracking(f, x, d, fun=5.0, slope=-100.0, decrease=0.3)
    # f(x + a d) = 5 (1 − 20 a)² ≤ 5 − 30 a holds for a ≤ 0.085: of 1, ½, … 1/16 is the first.
    assert found == optim.LineSearch(0.0625, 5 * (1 - 20 / 16) ** 2, 5)
    stuck = optim.backtracking(lambda x: 1.0 + float(abs(x[0])), np.array([0.0]), np.array([1.0]),
                               fun=1.0, slope=-1.0)  # fmt: skip
    assert stuck.step == 0.0


def test_a_named_optimizer_takes_a_rate_or_a_schedule() -> None:
    fixed = cr.minimize(ravine, np.ones(2), optimizer="sgd", steps=3, learning_rate=0.005)
    same = cr.minimize(ravine, np.ones(2), optimizer=optim.SGD(0.005), steps=3)
    np.testing.assert_array_equal(fixed.x, same.x)
    falling = cr.minimize(
        ravine, np.ones(2), optimizer="SGD", steps=3, learning_rate=optim.StepDecay(0.005, 0.5, 1)
    )
    assert falling.x[0] == pytest.approx((1 - 0.005) * (1 - 0.0025) * (1 - 0.00125))
