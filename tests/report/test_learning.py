"""Curves of known shape, and what is said of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.report.learning import Curves, remarks

N = np.arange(1, 101)


def said(training: Any, judged: Any, **more: Any) -> dict[str, str]:
    given = {"rows": "held-out", "baseline": 0.69, "epochs": len(training), "error": 0.02, **more}
    found = remarks(Curves(list(training), list(judged), **given))
    assert found
    return {remark.kind: remark.words for remark in found}


FALLS = 0.3 + 0.4 * np.exp(-N / 8)


def test_both_fall_and_level_off() -> None:
    found = said(FALLS, FALLS + 0.01)
    assert list(found) == ["settled"]
    # 98% of the fall of the means over ten epochs is done when e^(−k/8) = 0.02, 31 epochs on.
    assert "98% of its fall was done by epoch 42." in found["settled"]


def test_over_fitting_names_the_best_epoch() -> None:
    judged = np.where(N <= 25, 0.7 - 0.012 * N, 0.4 + 0.002 * (N - 25))
    found = said(0.65 - 0.005 * N, judged)
    assert list(found) == ["over-fitting"]
    last = judged[-10:].mean()
    words = f"least at epoch 25 (0.4000) and rose by {(last - 0.4) / 0.4:.0%} to {last:.4f}"
    assert words in found["over-fitting"]
    assert "not those of epoch 25" in found["over-fitting"]
    kept = said(0.65 - 0.005 * N, judged, keeps_best=True)
    assert "The weights of epoch 25 were kept." in kept["over-fitting"]


def test_a_rise_within_the_noise_is_no_over_fitting() -> None:
    for seed in range(5):
        noise = 0.08 * np.random.default_rng(seed).normal(size=100)
        assert "over-fitting" not in said(FALLS, 0.4 + 0.4 * np.exp(-N / 8) + noise, error=0.2)


def test_a_loss_that_climbs() -> None:
    training = np.where(N < 30, 0.7 - 0.01 * N, 0.4 + 0.005 * (N - 30))
    found = said(training, np.full(100, 0.6))
    assert next(iter(found)) == "rising"
    means = [training[k : k + 10].mean() for k in range(91)]
    low = int(np.argmin(means))
    words = f"from {means[low]:.4f} about epoch {low + 1} to {means[-1]:.4f} at the end"
    assert words in found["rising"]


def test_a_loss_that_jumps() -> None:
    found = said(0.4 + 0.1 * (-1.0) ** N, np.full(100, 0.5))
    assert "jumps by 50% from one epoch to the next" in found["jumping"]


def test_nothing_learned() -> None:
    found = said(np.full(100, 0.6899), np.full(100, 0.69))
    assert "ends at 0.6899; saying the same of every row gives 0.6900" in found["nothing learned"]


def test_a_gap_is_told_in_standard_errors() -> None:
    found = said(FALLS, FALLS + 0.2, error=0.04)
    assert "by 5.0 standard errors" in found["gap"]
    assert "gap" not in said(FALLS, FALLS + 0.2, error=0.15)
    assert "gap" not in said(FALLS, FALLS + 0.2, error=0.04, dropout=True)


def test_still_falling() -> None:
    found = said(0.6 - 0.003 * N, 0.61 - 0.003 * N)
    # The means over the last two tenths: 0.3135 and 0.3435.
    assert "still fell by 8.7% over the last 10 epochs" in found["still falling"]


def test_coming_down_from_a_jump_is_not_still_falling() -> None:
    jump = np.where((N >= 80) & (N < 90), 0.6, 0.3)
    assert "still falling" not in said(jump, jump + 0.01)


@pytest.mark.parametrize(("linear", "words"), [(0.25, "above the 0.2500"), (0.3, "no lower than")])
def test_under_fitting_is_held_against_the_linear_model(linear: float, words: str) -> None:
    found = said(FALLS, FALLS, simpler=linear)
    assert words in found["under-fitting"]
    assert "under-fitting" not in said(FALLS, FALLS, simpler=0.35)


def test_few_epochs_say_nothing() -> None:
    assert list(said([0.5, 0.4], [0.5, 0.6])) == ["short"]
