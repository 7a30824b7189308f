"""A convolutional network whose gradient grows while it learns: no critical point is near."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.data import load_digits5k
from chainrule.nn import Conv2D, Dense, Flatten, MaxPooling2D
from chainrule.optim import SGD
from chainrule.plot import style
from chainrule.plot.style import Array, Panels
from chainrule.records import dataclass
from chainrule.train import History, Model

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Convolutional:
    """A training of a small convolutional network on handwritten digits.

    Attributes:
        norms: the gradient's norm in each step, shape (epochs · steps,).
        steps: steps in an epoch.
        errors: the share of validation digits that are misread after each epoch, shape (epochs,).
    """

    norms: Array
    steps: int
    errors: Array

    @property
    def mean_norms(self) -> Array:
        """The mean of the norms over each epoch, shape (epochs,)."""
        return self.norms.reshape(-1, self.steps).mean(axis=1)


def gradient_norm_run(
    rows: int = 1280, epochs: int = 8, batch_size: int = 32, rate: float = 0.01
) -> Convolutional:
    """Train two convolutions and a softmax by gradient descent, and validate after each epoch.

    Args:
        rows: digits to train on; 500 of the others are for validation.
        epochs, batch_size, rate: of the training, in single precision.
    """
    images, labels = load_digits5k()
    order = np.random.default_rng(0).permutation(len(images))
    x, y = images[order, :, :, None].astype(np.float32) / 255, labels[order]
    model = Model([
        Conv2D(8, 5, strides=2, activation="relu"),
        Conv2D(16, 3, activation="relu"),
        MaxPooling2D(2),
        Flatten(),
        Dense(10, "softmax"),
    ])  # fmt: skip
    model.compile(SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"],
                  jit_compile=True)  # fmt: skip
    history = model.fit(
        x[:rows], y[:rows], batch_size, epochs, verbose=0,
        validation_data=(x[-500:], y[-500:]), callbacks=History(per_step=True),
    )  # fmt: skip
    norms = np.array(history.steps["gradient_norm"])
    return Convolutional(norms, len(norms) // epochs, 1 - np.array(history.history["val_accuracy"]))


def gradient_norm(ax: Any = None, run: Convolutional | None = None) -> Panels:
    """A real convolutional network: its gradient grows while its validation error falls.

    Look at both panels together: if training went to a critical point, the gradient would shrink.
    Here its norm grows several times over, and yet the digits are read better and better. A large
    gradient isn't a sign of failure, nor does a run that learns well approach a minimum.

    >>> gradient_norm(run=gradient_norm_run(rows=320, epochs=2))[1].get_ylabel()
    'digits misread, %'

    Source: Goodfellow et al., *Deep Learning*, section 8.2.1 and figure 8.1.
    """
    axes = style.panels(ax, 1, 2)
    run = gradient_norm_run() if run is None else run
    left, right = axes
    epochs = np.arange(1, len(run.norms) + 1) / run.steps
    left.plot(epochs, run.norms, ".", color=style.SKY, markersize=3, label="each step")
    middle = np.arange(len(run.errors)) + 0.5
    left.plot(middle, run.mean_norms, "o-", color=style.BLUE, linewidth=2.5, label="epoch's mean")
    left.set_ylim(0.0, float(np.quantile(run.norms, 0.998)))
    style.dress(left, title="The gradient's norm", x="epoch", y="‖∂L/∂θ‖", legend="upper left")
    right.plot(np.arange(1, len(run.errors) + 1), 100 * run.errors, "o-", color=style.VERMILION,
               linewidth=2.5)  # fmt: skip
    right.set_ylim(0.0)
    style.dress(right, title="The validation error", x="epoch", y="digits misread, %")
    return axes
