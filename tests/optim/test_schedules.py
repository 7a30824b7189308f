"""Schedules against their closed forms, the plateau by hand, and the range test."""

from __future__ import annotations

from math import cos, pi

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim


def test_closed_forms() -> None:
    for t in range(40):
        assert optim.Constant(0.3)(t) == 0.3
        assert optim.StepDecay(0.8, 0.1, 15)(t) == pytest.approx(0.8 * 0.1 ** (t // 15))
        assert optim.Exponential(0.8, 0.5, 10)(t) == pytest.approx(0.8 * 0.5 ** (t / 10))
        left = 1 - t / 30 if t < 30 else 0.0
        assert optim.Polynomial(0.8, 30, 0.2, 3.0)(t) == pytest.approx(0.2 + 0.6 * left**3)
        wave = 0.5 * (1 + cos(pi * t / 30)) if t < 30 else 0.0
        assert optim.Cosine(0.8, 30, 0.2)(t) == pytest.approx(0.2 + 0.6 * wave)
        wave = 0.5 * (1 + cos(pi * (t % 7) / 7))
        assert optim.Cosine(0.8, 7, 0.2, restart=True)(t) == pytest.approx(0.2 + 0.6 * wave)
        rise = 0.1 + 0.7 * t / 10 if t < 10 else 0.8 * 0.5 ** ((t - 10) / 5)
        warm = optim.WarmUp(optim.Exponential(0.8, 0.5, 5), 10, 0.1)
        assert warm(t) == pytest.approx(rise)
        assert optim.WarmUp(0.8, 10)(t) == pytest.approx(min(0.08 * t, 0.8))


def test_one_cycle_rises_and_falls_once_and_momentum_mirrors_it() -> None:
    cycle = optim.OneCycle(0.5, steps=50, share=0.4)
    rates = [cycle(t) for t in range(50)]
    momenta = [cycle.momentum(t) for t in range(50)]
    top = int(np.argmax(rates))
    assert top == 19
    assert int(np.argmin(momenta)) == top
    assert (rates[0], rates[top]) == (pytest.approx(0.5 / 25), pytest.approx(0.5))
    assert rates[-1] == pytest.approx(0.5 / 25 / 1e4)
    assert np.all(np.diff(rates[: top + 1]) > 0)
    assert np.all(np.diff(rates[top:]) < 0)
    assert (momenta[0], momenta[top], momenta[-1]) == pytest.approx((0.95, 0.85, 0.95))
    assert cycle(1000) == pytest.approx(rates[-1])


def test_schedules_drive_the_rate_and_the_momentum() -> None:
    rule = optim.Momentum(optim.StepDecay(1.0, 0.5, 1), momentum=optim.Polynomial(0.5, 2, 0.0))
    x, state, path = 0.0, rule.init(0.0), []
    for _ in range(3):
        x, state = rule.update(1.0, state, x)
        path.append(state.velocity)
    # v = α v − ε with ε = 1, ½, ¼ and α = ½, ¼, 0
    assert path == pytest.approx([-1.0, -0.75, -0.25])


@pytest.mark.parametrize(
    "schedule",
    [optim.Exponential(0.8, 0.5, 10), optim.Polynomial(0.8, 30, 0.2, 3.0), optim.Cosine(0.8, 30),
     optim.WarmUp(optim.Exponential(0.8, 0.5, 5), 10), optim.OneCycle(0.5, 50),
     optim.Cosine(0.8, 8, restart=True)],
    ids=lambda s: type(s).__name__,
)  # fmt: skip
def test_a_traced_step_number_will_do(schedule: optim.Cosine) -> None:
    for t in (3.25, 12.25):
        slope = cr.grad(schedule)(t)
        assert slope == pytest.approx((schedule(t + 1e-6) - schedule(t - 1e-6)) / 2e-6, rel=1e-4)
        assert slope != 0.0


def test_the_batch_grows_in_whole_rows_up_to_its_limit() -> None:
    grow = optim.BatchGrowth(10, factor=1.5, every=2, largest=40)
    assert [grow(t) for t in range(10)] == [10, 10, 15, 15, 22, 22, 33, 33, 40, 40]
    assert optim.BatchGrowth(8, every=1)(5) == 256
    assert optim.BatchGrowth(8, every=1, largest=100)(10**6) == 100


def test_the_plateau_by_hand() -> None:
    plateau = optim.OnPlateau(1.0, factor=0.5, patience=1, threshold=0.1, cooldown=2, least=0.3)
    state = plateau.init()
    rates = []
    #        first  better   not enough   waits  drops   rest (two)   waits  drops to 0.3
    for loss in (10.0, 8.0, 7.5, 7.5, 7.5, 7.5, 7.5, 7.5):
        state = plateau.observe(loss, state)
        rates.append(state.learning_rate)
    assert rates == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.3]
    assert (state.best, state.drops) == (8.0, 2)
    assert plateau.init().drops == 0  # nothing is kept in the schedule itself


def test_nan_is_no_improvement() -> None:
    plateau = optim.OnPlateau(1.0, patience=0)
    state = plateau.observe(float("nan"), plateau.observe(1.0, plateau.init()))
    assert (state.learning_rate, state.best) == (0.1, 1.0)


def test_the_range_test_finds_where_descent_works_and_where_it_explodes() -> None:
    """For ½ x² with curvature 10 descent diverges above ε = 0.2."""
    params = np.full(3, 2.0)
    found = optim.range_test(
        lambda x: 5 * (x**2).sum(), params, lowest=1e-4, highest=100.0, steps=120, smoothing=0.5
    )
    assert found.diverged
    assert 0.005 < found.suggestion < 0.2
    assert found.rates[0] == 1e-4
    assert 0.2 < found.rates[-1] < 2.0
    ratios = found.rates[1:] / found.rates[:-1]
    np.testing.assert_allclose(ratios, 1e6 ** (1 / 119), rtol=1e-12)
    # The losses are those of plain descent at these rates, each before its update.
    x = params
    for rate, loss in zip(found.rates, found.losses, strict=True):
        assert loss == pytest.approx(5 * float((x**2).sum()), rel=1e-9)
        x = x - rate * 10 * x
    np.testing.assert_array_equal(params, 2.0)


def test_the_range_test_is_not_led_astray_by_noisy_batches() -> None:
    """Descent on E (xᵀ(w − v))², x ~ N(0, I), bears rates below 1 and falls at 1 − 2ε a step."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        found = optim.range_test(
            lambda w, x: np.mean((x @ (w - np.arange(1.0, 6.0))) ** 2), np.zeros(5),
            [(rng.standard_normal((32, 5)),) for _ in range(50)],
        )  # fmt: skip
        assert 0.01 < found.suggestion < 0.2


def test_the_range_test_takes_batches_in_turn() -> None:
    seen = []

    def loss(w: float, x: float) -> object:
        seen.append(x)
        return (w * x - 1) ** 2

    found = optim.range_test(loss, 0.1, [(1.0,), (2.0,)], lowest=1e-5, highest=1e-4, steps=5)
    assert seen == [1.0, 2.0, 1.0, 2.0, 1.0]
    assert not found.diverged
    assert len(found.losses) == 5
