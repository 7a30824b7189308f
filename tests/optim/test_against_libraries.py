"""Step for step the paths of PyTorch and Keras, under their conventions.

The figures in ``reference/`` were written by the script beside them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import optim
from chainrule.optim import Optimizer

FOLDER = Path(__file__).parent / "reference"
TORCH = json.loads((FOLDER / "torch.json").read_text(encoding="utf-8"))
KERAS = json.loads((FOLDER / "keras.json").read_text(encoding="utf-8"))

SMALL = {"delta": 1e-3}
LIKE_TORCH: dict[str, Optimizer] = {
    "sgd": optim.SGD(0.1),
    "sgd-l2": optim.SGD(0.1, l2=0.3),
    "momentum": optim.Momentum(0.05, 0.8, "pytorch"),
    "momentum-l2": optim.Momentum(0.05, 0.8, "pytorch", l2=0.1),
    "nesterov": optim.NesterovReformulated(0.05, 0.8),
    "adagrad": optim.AdaGrad(0.3, **SMALL),
    "rmsprop": optim.RMSProp(0.05, rho=0.8, **SMALL),
    "adadelta": optim.Adadelta(0.7, rho=0.8, **SMALL),
    "adam": optim.Adam(0.1, rho1=0.8, rho2=0.95, **SMALL),
    "adam-l2": optim.Adam(0.1, l2=0.2, **SMALL),
    "adamw": optim.AdamW(0.1, weight_decay=0.2, **SMALL),
    "amsgrad": optim.AMSGrad(0.1, rho1=0.8, rho2=0.7, **SMALL),
    "nadam": optim.NAdam(0.1, momentum_decay=0.3, **SMALL),
}
LIKE_KERAS: dict[str, Optimizer] = {
    "sgd": optim.SGD(0.1),
    "sgd-decay": optim.SGD(0.1, weight_decay=0.3),
    "momentum": optim.Momentum(0.05, 0.8),
    "nesterov": optim.NesterovReformulated(0.05, 0.8),
    "adagrad": optim.AdaGrad(0.3, **SMALL, delta_at="inside", initial=0.1),
    "rmsprop": optim.RMSProp(0.05, rho=0.8, **SMALL, delta_at="inside"),
    "adadelta": optim.Adadelta(0.7, rho=0.8, **SMALL),
    "adam": optim.Adam(0.1, rho1=0.8, rho2=0.95, **SMALL, delta_at="uncorrected"),
    "adamw": optim.AdamW(0.1, weight_decay=0.2, **SMALL, delta_at="uncorrected"),
    "amsgrad": optim.AMSGrad(0.1, rho1=0.8, rho2=0.7, **SMALL, delta_at="uncorrected"),
    "nadam": optim.NAdam(0.1, momentum_decay=1.0, **SMALL),
    "lion": optim.Lion(0.07, rho1=0.8, rho2=0.9),
}


def path_of(optimizer: Optimizer, problem: dict[str, Any], steps: int) -> list[Any]:
    x = np.array(problem["start"])
    state = optimizer.init(x)
    path = []
    for _ in range(steps):
        x, state = optimizer.update(np.array(problem["matrix"]) @ x - np.sin(x), state, x)
        path.append(x)
    return path


def test_every_stored_path_is_compared() -> None:
    assert set(LIKE_TORCH) == set(TORCH["paths"])
    assert set(LIKE_KERAS) == set(KERAS["paths"])
    assert {"torch", "numpy"} <= set(TORCH["made by"])
    assert {"keras", "backend"} <= set(KERAS["made by"])


@pytest.mark.parametrize("name", LIKE_TORCH)
def test_the_path_is_pytorchs(name: str) -> None:
    path = TORCH["paths"][name]["path"]
    assert len(path) >= 10
    rtol = 1e-8 if name == "nadam" else 1e-12  # PyTorch keeps NAdam's product in float32
    np.testing.assert_allclose(path_of(LIKE_TORCH[name], TORCH, len(path)), path, rtol=rtol)


@pytest.mark.parametrize("name", LIKE_KERAS)
def test_the_path_is_keras(name: str) -> None:
    path = KERAS["paths"][name]["path"]
    assert len(path) >= 10
    np.testing.assert_allclose(path_of(LIKE_KERAS[name], KERAS, len(path)), path, rtol=1e-12)


SCHEDULES = {
    "step": optim.StepDecay(0.4, factor=0.5, every=7),
    "exponential": optim.Exponential(0.4, factor=0.9, every=1),
    "polynomial": optim.Polynomial(0.4, steps=15, power=2.0),
    "cosine": optim.Cosine(0.4, steps=24, final=0.05),
    "cosine-restart": optim.Cosine(0.4, steps=8, final=0.05, restart=True),
    "one-cycle": optim.OneCycle(0.4, steps=25),
    "one-cycle-momentum": optim.OneCycle(0.4, steps=25).momentum,
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_schedule_is_pytorchs(name: str) -> None:
    rates = TORCH["schedules"][name]
    ours = [SCHEDULES[name](step) for step in range(len(rates))]
    np.testing.assert_allclose(ours, rates, rtol=1e-11, atol=1e-15)
    assert all(type(rate) is float for rate in ours)


def test_the_plateau_is_pytorchs() -> None:
    plateau = optim.OnPlateau(0.4, factor=0.5, patience=2, cooldown=1, least=0.03)
    state, rates = plateau.init(), []
    for loss in TORCH["schedules"]["plateau-losses"]:
        state = plateau.observe(loss, state)
        rates.append(state.learning_rate)
    assert rates == TORCH["schedules"]["plateau"]
    assert state.drops == 4  # the last of them to the least rate
    assert rates[-1] == 0.03
