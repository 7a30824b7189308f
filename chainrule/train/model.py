"""A network with everything to train and use it: compile, fit, evaluate, predict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.elementary.base import is_traced
from chainrule.errors import ArgumentError
from chainrule.nn.layers.base import Layer
from chainrule.nn.naming import user_line
from chainrule.optim.base import at
from chainrule.optim.finder import RangeTest
from chainrule.train.callbacks.base import Callback
from chainrule.train.callbacks.history import History
from chainrule.train.compiled import Compiled, compiled
from chainrule.train.labels import Labels
from chainrule.train.loop import Run
from chainrule.train.network import Network
from chainrule.train.predictor import Predictor
from chainrule.train.single import SingleSteps
from chainrule.train.worth import Size

if TYPE_CHECKING:
    from chainrule.insight.drawing import Drawing

Array = NDArray[Any]
Verbose = Literal["auto", 0, 1, 2]


class Model(Network):
    """A network that is trained with `fit` and used with `predict`, in Keras's manner.

    The parameters are made by the first `fit`, or by `build`. They are float64, or float32 if the
    training inputs are.

    Args:
        layers: the layers one after the other, or one layer (nn.Sequential, nn.Graph, or one of
            one's own).
        dtype: of the parameters, where it shall not follow the inputs.
        name: of the model, in its summary.

    Attributes:
        layer: the network, a record without arrays.
        params, state: its parameters and running averages, dicts of arrays.
        history: that of the last `fit`.

    >>> from chainrule import nn
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = Model([nn.Dense(1)])
    >>> model.compile(optimizer="sgd", loss="mse")
    >>> history = model.fit(x, 2 * x + 1, batch_size=4, epochs=1000, verbose=0)
    >>> model.predict([[4.0]]).round(2)
    array([[9.]])
    """

    def __init__(
        self,
        layers: Layer | Sequence[Layer],
        *,
        dtype: DTypeLike | None = None,
        name: str = "model",
    ) -> None:
        super().__init__(layers, dtype=dtype, name=name)
        self.columns: tuple[str, ...] | None = None
        self.labels: Labels | None = None
        self.preprocessing: Any = None  # how a table becomes inputs; see TableModel
        self.history: History | None = None
        self.listeners: Callback = Callback()
        self._compiled: Compiled | None = None
        self._single: SingleSteps | None = None
        self.override: float | None = None
        self.jit_compile: bool | Literal["auto"] = "auto"
        self.predictor = Predictor()
        self.sizes: dict[Any, Size] = {}  # what a row takes, by its shapes
        self.evaluations: dict[Any, int] = {}  # how many there were, by rows and batches

    def __getstate__(self) -> dict[str, Any]:
        """A copy or pickle has all but the callbacks of the last training, and code."""
        return {**self.__dict__, "listeners": Callback()}

    @property
    def optimizer(self) -> Any:
        """The optimizer that `compile` was given."""
        return self.compiled("optimizer").optimizer

    @property
    def stop_training(self) -> bool:
        """Set to True by a callback to end the training."""
        return self.run.stop

    @stop_training.setter
    def stop_training(self, stop: bool) -> None:
        self.run.stop = bool(stop)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step. Setting it takes the place of the optimizer's own."""
        if self.override is not None:
            return self.override
        memory = self.training_state("learning_rate").optimizer
        return float(at(self.optimizer.learning_rate, 0 if memory is None else memory.step))

    @learning_rate.setter
    def learning_rate(self, rate: float | None) -> None:
        if rate is not None and not 0.0 <= float(rate) < float("inf"):
            raise ArgumentError(
                "a learning rate is a number of 0 or more",
                got=f"learning_rate={rate!r}",
                line=user_line(),
                remedy="set one such as 0.01, or None for the optimizer's own",
            )
        self.override = None if rate is None else float(rate)

    def compiled(self, wanted: str) -> Compiled:
        """What `compile` made.

        Raises:
            ArgumentError: it was not called.
        """
        if self._compiled is None:
            raise ArgumentError(
                f"the model must be compiled before {wanted}",
                got="a model without an optimizer and a loss",
                line=user_line(),
                remedy="call model.compile(optimizer='adam', loss=…, metrics=[…])",
            )
        return self._compiled

    @property
    def single(self) -> SingleSteps:
        """Compiled code for one step at a time."""
        if self._single is None:
            self._single = SingleSteps(self.compiled("fit"))
        return self._single

    def compile(
        self,
        optimizer: Any = "adam",
        loss: Any = None,
        metrics: Sequence[Any] = (),
        *,
        weighted_metrics: Sequence[Any] = (),
        jit_compile: bool | Literal["auto"] = "auto",
    ) -> None:
        """Choose how to train. The parameters stay; the optimizer starts anew.

        Args:
            optimizer: a name ("adam", "sgd", …), or one of cr.optim, also clipped.
            loss: a name ("mse", "binary_crossentropy", "sparse_categorical_crossentropy", …), a
                record of nn.losses, or a function of (y_true, y_pred). A last sigmoid or softmax
                is taken into the cross-entropies, which are computed from logits; without one they
                take the last layer's outputs as logits.
            metrics: names ("accuracy", "auc", …), records of nn.metrics, or functions. They count
                every row once, whatever weights rows and classes have in the loss.
            weighted_metrics: the same, with those weights.
            jit_compile: train by the native engine: "auto" where that pays and is possible, True
                or an error that says why not, False by NumPy, step by step. The two differ by
                rounding; each gives the same bits for the same seed. It pays where NumPy takes
                about as long as compiling, or half as long where the code is kept for the next
                run: with the library's own layers, loss and optimizer, on arrays. Whether it is
                there already does not decide, so "auto" gives the same bits too. The validation
                of a native training is native where that pays, and so is `evaluate`, from the
                call on with which it does. Predictions are native from the 21st of a shape on,
                with True from the second.

        Raises:
            ArgumentError: an unknown name, with the nearest one.
        """
        self._need_layers("compile")
        self.jit_compile = jit_compile
        self._compiled = compiled(self.layer, optimizer, loss, metrics, weighted_metrics)
        self._single = None
        self.override, self.sizes, self.evaluations = None, {}, {}
        if self.run.state is not None:
            self.run = Run(self.run.state._replace(optimizer=None))

    # Training and using it -------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | Callable[[int], int] | None = None,
        epochs: int = 1,
        verbose: Verbose = "auto",
        callbacks: Sequence[Callback] | Callback | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[Any, float] | str | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
        *,
        seed: int = 0,
    ) -> History:
        """Train, in Keras's terms.

        The same data, settings and seed give the same weights to the last bit: every random
        number comes from (seed, epoch, step). Ctrl-C ends the training, also while its step is
        compiled, and keeps the last step; the history says that it was interrupted.

        Args:
            x: inputs: an array (rows first, memory-mapped too), a data frame of numbers, a dict or
                tuple of arrays; or batches (x, y) or (x, y, sample_weight): an iterable, a
                generator, or a function that returns a new one for each epoch.
            y: targets, one for each row: numbers, or classes as strings, integers or one-hot rows.
            batch_size: rows in a step, 32 by default; the last step of an epoch may have fewer. Or
                a function of the epoch, counted from 0, such as cr.optim.BatchGrowth (arrays only).
            epochs: the number of the last epoch, counted from 1.
            verbose: 1 for a progress bar, 2 for a line each epoch, which a bar becomes where the
                output is no terminal, 0 for nothing; "auto" is 1 in a terminal and 0 otherwise.
            callbacks: told as the training goes.
            validation_split: the share of the rows, the last ones, to validate on.
            validation_data: (x, y) or (x, y, sample_weight) to validate on after each epoch, or
                batches as for x.
            shuffle: a new random order in each epoch (arrays only).
            class_weight: {class: weight}, or "balanced" (arrays only).
            sample_weight: a weight for each row.
            initial_epoch: the number of epochs done before.
            steps_per_epoch: end each epoch after so many steps.
            validation_steps: end each validation after so many batches.
            validation_batch_size: ``batch_size`` by default.
            validation_freq: validate each so many epochs.
            seed: of the order of the rows, of dropout, and of the parameters if there are none.

        Returns:
            The history. The means over an epoch are of values before each update.

        Raises:
            ArgumentError, DataError, ShapeError: something that does not fit.
            DivergenceError: the loss or the gradient is no longer finite; names the epoch, the
                step, the layer and the first step of the computation where that shows. The
                parameters are those before it.
        """
        from chainrule.train.fitting import Options, fit_model

        self.compiled("fit")
        options = Options(
            batch_size=batch_size, epochs=epochs, verbose=verbose, callbacks=callbacks,
            validation_split=validation_split, validation_data=validation_data, shuffle=shuffle,
            class_weight=class_weight, sample_weight=sample_weight, initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch, validation_steps=validation_steps,
            validation_batch_size=validation_batch_size, validation_freq=validation_freq,
            seed=seed,
        )  # fmt: skip
        self.history = fit_model(self, x, y, options)
        return self.history

    def train_on_batch(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        return_dict: bool = False,
        seed: int = 0,
    ) -> Any:
        """One step on one batch, for training loops of one's own.

        With ``jit_compile="auto"`` the step is native from the 21st of a shape on.

        Args:
            x, y, sample_weight: as for `fit`; the first call finds the classes, the first batch
                must have them all.
            return_dict: by names; otherwise a list, or the loss alone if there are no metrics.
            seed: of the parameters if there are none, and of dropout.

        Returns:
            The loss and the metrics of this batch, before the update.

        Raises:
            DivergenceError: the loss or the gradient is not finite; nothing was updated.
        """
        from chainrule.train.on_batch import train_on_batch

        scores = train_on_batch(self, x, y, sample_weight, seed)
        if return_dict:
            return scores
        return list(scores.values()) if len(scores) > 1 else scores["loss"]

    def range_test(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        *,
        lowest: float = 1e-6,
        highest: float = 10.0,
        steps: int = 100,
        smoothing: float = 0.9,
        explosion: float = 4.0,
        class_weight: Mapping[Any, float] | str | None = None,
        sample_weight: Any = None,
        seed: int = 0,
    ) -> RangeTest:
        """Which learning rates the model bears: a few steps at a rate that grows, from its weights.

        The weights, the layers' state and the optimizer stay as they are. A good constant rate is
        the ``suggestion``; a good peak for cr.optim.OneCycle lies between it and where the loss
        explodes.

        Args:
            x, y, batch_size, class_weight, sample_weight, seed: as for `fit`.
            lowest, highest, steps: the rates: so many, each the same factor above the one before.
            smoothing, explosion: see `cr.optim.range_test`.

        Returns:
            The rates and the losses, and a suggestion.

        >>> from chainrule import nn
        >>> x = np.linspace(-1.0, 1.0, 64)[:, None]
        >>> model = Model([nn.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> found = model.range_test(x, 2 * x, highest=100.0)
        >>> found.diverged, 0.01 < found.suggestion < 1.0
        (True, True)

        Source: Smith, "Cyclical learning rates for training neural networks", WACV 2017, sec. 3.3.
        """
        from chainrule.train.fitting import Options
        from chainrule.train.ranging import range_test

        options = Options(
            batch_size=batch_size, class_weight=class_weight, sample_weight=sample_weight, seed=seed
        )
        return range_test(
            self, x, y, options, lowest=lowest, highest=highest, steps=steps, smoothing=smoothing,
            explosion=explosion,
        )  # fmt: skip

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Verbose = 0,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Sequence[Callback] | Callback | None = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss and the metrics, without training.

        Args:
            x, y, sample_weight: as for `fit`.
            batch_size: rows at a time, 32 by default.
            verbose: 1 for a bar in a terminal and a line with the scores, 2 for the line alone, 0
                for nothing; "auto" is 1 in a terminal and 0 otherwise.
            steps: stop after so many batches.
            callbacks: told when it begins and ends.
            return_dict: by names; otherwise a list, or the loss alone if there are no metrics.
        """
        from chainrule.train.using import evaluate_model

        scores = evaluate_model(self, x, y, sample_weight, batch_size, steps, callbacks, verbose)
        if return_dict:
            return scores
        return list(scores.values()) if len(scores) > 1 else scores["loss"]

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Verbose = 0,
        steps: int | None = None,
        callbacks: Sequence[Callback] | Callback | None = None,
    ) -> Array:
        """What the last layer gives, shape (rows, outputs).

        Args:
            x: as for `fit`, without targets.
            batch_size: rows at a time, 32 by default.
            verbose: 1 for a bar in a terminal; "auto" is the same, 0 and 2 show nothing.
            steps: stop after so many batches.
            callbacks: told when it begins and ends, and of each batch.
        """
        if verbose == 0 and steps is None and callbacks is None and self.run.state is not None:
            outputs = self.predictor(self, self.layer, x)
            if outputs is not None:
                return np.asarray(outputs)
        from chainrule.train.using import outputs_of

        return outputs_of(self, self.layer, x, batch_size, steps, verbose, callbacks)

    def predict_proba(
        self, x: Any, batch_size: int | None = None, steps: int | None = None
    ) -> Array:
        """Probabilities, also where the last layer gives logits.

        They are what a last sigmoid or softmax gives, whatever the loss; otherwise what a loss for
        classes makes of the outputs.

        Returns:
            Shape (rows, classes); (rows, 1) with the probability of the second class for
            binary_crossentropy.

        Raises:
            ArgumentError: neither is the loss one for classes, nor the last layer.
        """
        from chainrule.train.using import probabilities_of

        return probabilities_of(self, x, batch_size, steps)

    def predict_classes(
        self, x: Any, batch_size: int | None = None, steps: int | None = None
    ) -> Array:
        """The most probable class of each row, as the training targets named it."""
        from chainrule.train.using import classes_of

        return np.asarray(classes_of(self, x, batch_size, steps))

    def __call__(self, x: Any) -> Array:
        """`predict` on one batch. It can be compiled, and differentiated with respect to x.

        >>> from chainrule import grad, nn
        >>> model = Model([nn.Dense(1, kernel_initializer="ones")]).build((2,))
        >>> grad(lambda x: model(x).sum())(np.zeros((1, 2)))
        array([[1., 1.]])
        """
        if not is_traced(x):
            return self.predict(x)
        state = self.training_state("predict")
        x = x if self.dtype is None else x.astype(self.dtype)
        return self.layer(state.params, state.layers, x, training=False)[0]

    # Around it -------------------------------------------------------------------------------

    def draw(
        self,
        x: Any = None,
        y: Any = None,
        *,
        unfold: bool | str | Sequence[str] = False,
        direction: Literal["auto", "right", "down"] = "auto",
        theme: Literal["auto", "light", "dark"] = "auto",
        frames: bool = False,
    ) -> Drawing:
        """Draw the network: layers with shapes and numbers of parameters; values and gradients.

        Args:
            x: inputs as for `fit`, to show what each layer gives for them.
            y: their targets, to show the gradient of the loss at each layer as `fit` would have it
                in a step with all these rows.
            unfold: True for the elementary functions of every layer, or the names of some layers.
            direction: of the flow; "auto" is to the right where that fits a page, else down.
            theme: "light", "dark", or "auto" for the reader's own.
            frames: the forward and the backward pass layer by layer, as an animation.

        Returns:
            A drawing: a notebook shows it, ``.svg`` is its text, ``.save`` writes SVG, PNG or PDF.

        Raises:
            ArgumentError: nothing is built and no data given; an unknown layer; y, but no loss.

        >>> from chainrule import nn
        >>> model = Model([nn.Dense(4, "relu"), nn.Dense(1)]).build((8,))
        >>> "36 parameters" in model.draw().svg
        True
        """
        from chainrule.train.drawing import draw_model

        return draw_model(self, x, y, unfold, direction, theme, frames)

    def save(self, path: Any, *, include_optimizer: bool = True) -> None:
        """Write the model to one safetensors file, which `load` reads.

        It holds the architecture, the parameters, the layers' state, and how inputs and targets
        are to be read; and the optimizer's state, so that a later `fit` goes on as if there had
        been no file.

        Args:
            path: the file; an older one is replaced when the new one is whole.
            include_optimizer: write the optimizer's state too, often twice the parameters' size.

        Raises:
            ArgumentError: a layer or function that has no name to be found under again.
        """
        from chainrule.train.saving import save

        save(self, path, include_optimizer)
