"""Writes the figures of PyTorch and Keras that the tests compare with.

Run by hand, in an environment that has both (any backend of Keras):

    python tests/optim/reference/generate.py

The tests read the JSON files beside this script and need neither library.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import torch

keras.config.set_floatx("float64")  # the learning rate too

HERE = Path(__file__).parent
STEPS = 12
START = [1.5, -0.7, 0.25]
# f(x) = ½ xᵀ A x + Σ cos x, whose gradient is A x − sin x.
MATRIX = [[3.0, 0.5, 0.0], [0.5, 1.0, -0.2], [0.0, -0.2, 0.3]]


def gradient(x: np.ndarray) -> np.ndarray:
    return np.array(MATRIX) @ x - np.sin(x)


TORCH = {
    "sgd": (torch.optim.SGD, {"lr": 0.1}),
    "sgd-l2": (torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.3}),
    "momentum": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.8}),
    "momentum-l2": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.8, "weight_decay": 0.1}),
    "nesterov": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.8, "nesterov": True}),
    "adagrad": (torch.optim.Adagrad, {"lr": 0.3, "eps": 1e-3}),
    "rmsprop": (torch.optim.RMSprop, {"lr": 0.05, "alpha": 0.8, "eps": 1e-3}),
    "adadelta": (torch.optim.Adadelta, {"lr": 0.7, "rho": 0.8, "eps": 1e-3}),
    "adam": (torch.optim.Adam, {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3}),
    "adam-l2": (torch.optim.Adam, {"lr": 0.1, "eps": 1e-3, "weight_decay": 0.2}),
    "adamw": (torch.optim.AdamW, {"lr": 0.1, "eps": 1e-3, "weight_decay": 0.2}),
    "amsgrad": (torch.optim.Adam, {"lr": 0.1, "betas": (0.8, 0.7), "eps": 1e-3, "amsgrad": True}),
    "nadam": (torch.optim.NAdam, {"lr": 0.1, "eps": 1e-3, "momentum_decay": 0.3}),
}

KERAS = {
    "sgd": (keras.optimizers.SGD, {"learning_rate": 0.1}),
    "sgd-decay": (keras.optimizers.SGD, {"learning_rate": 0.1, "weight_decay": 0.3}),
    "momentum": (keras.optimizers.SGD, {"learning_rate": 0.05, "momentum": 0.8}),
    "nesterov": (
        keras.optimizers.SGD,
        {"learning_rate": 0.05, "momentum": 0.8, "nesterov": True},
    ),
    "adagrad": (keras.optimizers.Adagrad, {"learning_rate": 0.3, "epsilon": 1e-3}),
    "rmsprop": (keras.optimizers.RMSprop, {"learning_rate": 0.05, "rho": 0.8, "epsilon": 1e-3}),
    "adadelta": (keras.optimizers.Adadelta, {"learning_rate": 0.7, "rho": 0.8, "epsilon": 1e-3}),
    "adam": (
        keras.optimizers.Adam,
        {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3},
    ),
    "adamw": (
        keras.optimizers.AdamW,
        {"learning_rate": 0.1, "epsilon": 1e-3, "weight_decay": 0.2},
    ),
    "amsgrad": (
        keras.optimizers.Adam,
        {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.7, "epsilon": 1e-3, "amsgrad": True},
    ),
    "nadam": (keras.optimizers.Nadam, {"learning_rate": 0.1, "epsilon": 1e-3}),
    "lion": (keras.optimizers.Lion, {"learning_rate": 0.07, "beta_1": 0.8, "beta_2": 0.9}),
}


def torch_path(kind: type, options: dict) -> list[list[float]]:
    x = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = kind([x], **options)
    path = []
    for _ in range(STEPS):
        x.grad = torch.from_numpy(gradient(x.detach().numpy()))
        optimizer.step()
        path.append(x.detach().tolist())
    return path


def keras_path(kind: type, options: dict) -> list[list[float]]:
    x = keras.Variable(np.array(START), dtype="float64")
    optimizer = kind(**options)
    path = []
    for _ in range(STEPS):
        now = keras.ops.convert_to_numpy(x.value)
        optimizer.apply([keras.ops.convert_to_tensor(gradient(now), dtype="float64")], [x])
        path.append(keras.ops.convert_to_numpy(x.value).tolist())
    return path


def torch_schedules(steps: int = 25) -> dict[str, list[float]]:
    kinds = torch.optim.lr_scheduler
    made = {
        "step": lambda o: kinds.StepLR(o, step_size=7, gamma=0.5),
        "exponential": lambda o: kinds.ExponentialLR(o, gamma=0.9),
        "polynomial": lambda o: kinds.PolynomialLR(o, total_iters=15, power=2.0),
        "cosine": lambda o: kinds.CosineAnnealingLR(o, T_max=steps - 1, eta_min=0.05),
        "cosine-restart": lambda o: kinds.CosineAnnealingWarmRestarts(o, T_0=8, eta_min=0.05),
        "one-cycle": lambda o: kinds.OneCycleLR(o, max_lr=0.4, total_steps=steps),
    }
    found: dict[str, list[float]] = {}
    for name, make in made.items():
        x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([x], lr=0.4, momentum=0.9)
        scheduler = make(optimizer)
        rates, momenta = [], []
        for step in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            momenta.append(optimizer.param_groups[0]["momentum"])
            optimizer.step()
            if step < steps - 1:
                scheduler.step()
        found[name] = rates
        if name == "one-cycle":
            found["one-cycle-momentum"] = momenta
    losses = [5, 4, 4, 4, 4, 3.9999, 4, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2]
    x = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=0.4)
    plateau = kinds.ReduceLROnPlateau(optimizer, factor=0.5, patience=2, cooldown=1, min_lr=0.03)
    rates = []
    for loss in losses:
        plateau.step(loss)
        rates.append(optimizer.param_groups[0]["lr"])
    return {**found, "plateau-losses": [float(v) for v in losses], "plateau": rates}


def write(name: str, content: dict) -> None:
    (HERE / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    problem = {"start": START, "matrix": MATRIX, "gradient": "matrix @ x - sin(x)"}
    write(
        "torch.json",
        {
            "made by": {"torch": torch.__version__, "numpy": np.__version__},
            **problem,
            "paths": {k: {"options": o, "path": torch_path(c, o)} for k, (c, o) in TORCH.items()},
            "schedules": torch_schedules(),
        },
    )
    write(
        "keras.json",
        {
            "made by": {
                "keras": keras.__version__,
                "backend": f"{keras.backend.backend()} {torch.__version__}",
                "numpy": np.__version__,
            },
            **problem,
            "paths": {k: {"options": o, "path": keras_path(c, o)} for k, (c, o) in KERAS.items()},
        },
    )
