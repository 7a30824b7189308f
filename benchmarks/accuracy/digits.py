"""A multilayer and a convolutional network on 5,000 handwritten digits: 4,000 to learn, 1,000 held.

The settings are chosen on a validation part of the 4,000 (`choose`); the 1,000 test rows are looked
at once for each seed of the final training (`final`).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from chainrule import nn
from chainrule.data.split import train_test_split

Array = NDArray[Any]
TARGETS = {"mlp": 0.95, "cnn": 0.98}
BATCH = 64


@dataclass(frozen=True)
class Settings:
    """What is chosen on the validation part."""

    network: str
    dropout: float
    shift: int  # pixels
    rate: float
    epochs: int

    def __str__(self) -> str:
        return (
            f"dropout {self.dropout}, shifts of up to {self.shift} px, Adam at {self.rate} with a "
            f"cosine, {self.epochs} epochs of batches of {BATCH}"
        )


CANDIDATES = [
    Settings("mlp", 0.0, 0, 1e-3, 40),
    Settings("mlp", 0.3, 0, 1e-3, 40),
    Settings("mlp", 0.2, 1, 1e-3, 40),
    Settings("mlp", 0.2, 2, 1e-3, 40),
    Settings("cnn", 0.4, 0, 2e-3, 20),
    Settings("cnn", 0.4, 1, 2e-3, 20),
    Settings("cnn", 0.4, 2, 2e-3, 20),
    Settings("cnn", 0.4, 1, 2e-3, 40),
    Settings("cnn", 0.4, 2, 2e-3, 40),
]
CHOSEN = {
    "mlp": Settings("mlp", 0.2, 1, 1e-3, 40),
    "cnn": Settings("cnn", 0.4, 1, 2e-3, 40),
}


def parts() -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Images of shape (n, 28, 28, 1) in [0, 1] and labels: the 4,000 and the 1,000, stratified."""
    images, labels = cr.data.load_digits5k()
    x = (images / 255).astype(np.float32)[..., None]
    train, test = train_test_split(len(x), test_size=0.2, seed=0, stratify=labels)
    return (x[train], labels[train]), (x[test], labels[test])


def network(settings: Settings) -> nn.Sequential:
    """The layers; the last one gives logits."""
    drop = settings.dropout
    if settings.network == "mlp":
        return nn.Sequential([
            nn.Flatten(),
            *_hidden(512, drop),
            *_hidden(256, drop),
            nn.Dense(10),
        ])  # fmt: skip
    conv: Any = {"activation": "relu", "kernel_initializer": "he_normal"}
    return nn.Sequential([
        nn.Conv2D(16, 5, **conv),
        nn.MaxPooling2D(2),
        nn.Conv2D(32, 5, **conv),
        nn.MaxPooling2D(2),
        nn.Flatten(),
        *_hidden(128, drop),
        nn.Dense(10),
    ])  # fmt: skip


def _hidden(units: int, dropout: float) -> list[nn.Layer]:
    return [
        nn.Dense(units, use_bias=False, kernel_initializer="he_normal"),
        nn.BatchNormalization(momentum=0.9),
        nn.Activation("relu"),
        nn.Dropout(dropout),
    ]


def shifted(x: Array, y: Array, shift: int, seed: int) -> Iterator[tuple[Array, Array]]:
    """Epoch after epoch of shuffled batches, each image moved by up to ``shift`` pixels."""
    rng = np.random.default_rng(seed)
    n, height, width, _ = x.shape
    padded = np.pad(x, ((0, 0), (shift, shift), (shift, shift), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    while True:
        order = rng.permutation(n)
        for start in range(0, n, BATCH):
            rows = order[start : start + BATCH]
            down, right = rng.integers(0, 2 * shift + 1, (2, len(rows)))
            # windows: (row, down, right, channel, height, width)
            yield windows[rows, down, right].transpose(0, 2, 3, 1).copy(), y[rows]


def trained(settings: Settings, x: Array, y: Array, seed: int) -> cr.Model:
    """A network trained on these rows."""
    steps = -(-len(x) // BATCH)
    rate = cr.optim.Cosine(settings.rate, steps=steps * settings.epochs)
    model = cr.Model(network(settings))
    model.compile(cr.optim.Adam(rate), "sparse_categorical_crossentropy")
    batches = shifted(x, y, settings.shift, seed)
    model.fit(batches, steps_per_epoch=steps, epochs=settings.epochs, verbose=0, seed=seed)
    return model


def accuracy(model: cr.Model, x: Array, y: Array) -> float:
    return float(np.mean(np.argmax(model.predict(x, batch_size=500), axis=1) == y))


def choose(candidates: list[Settings] = CANDIDATES) -> Iterator[str]:
    """Validation accuracy of each candidate: 3,200 rows to learn from, 800 to judge by."""
    (x, y), _ = parts()
    fit, held = train_test_split(len(x), test_size=0.2, seed=1, stratify=y)
    yield "| network | settings | validation accuracy | s an epoch |"
    yield "|---|---|---|---|"
    for settings in candidates:
        begun = time.perf_counter()
        model = trained(settings, x[fit], y[fit], seed=0)
        seconds = (time.perf_counter() - begun) / settings.epochs
        found = accuracy(model, x[held], y[held])
        yield f"| {settings.network} | {settings} | {found:.2%} | {seconds:.2f} |"


def final(seeds: int = 3) -> Iterator[str]:
    """Test accuracy of the chosen settings, trained on the 4,000, for several seeds."""
    train, test = parts()
    yield "| network | test accuracy by seed | mean | target | settings |"
    yield "|---|---|---|---|---|"
    for name, settings in CHOSEN.items():
        found = [accuracy(trained(settings, *train, seed), *test) for seed in range(seeds)]
        yield (
            f"| {name} | {', '.join(f'{a:.1%}' for a in found)} | {statistics.mean(found):.2%} | "
            f"{TARGETS[name]:.0%} | {settings} |"
        )
