"""What a callback is: hooks that the training loop calls, with Keras's names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.errors import ArgumentError
from chainrule.nn.naming import user_line

Logs = dict[str, float] | None


class Callback:
    """Told about the training as it goes. Subclass it and write the hooks that are wanted.

    ``logs`` holds the means over the epoch so far: the loss before each update and the metrics; at
    a batch's end ``batch_loss`` and ``gradient_norm`` of that batch, at an epoch's end the
    validation values (``val_…``). Epochs and batches count from 0, as in Keras.

    Attributes:
        model: the `Model` that is trained. ``self.model.stop_training = True`` ends the training,
            ``self.model.learning_rate`` is the rate of the next step.
        params: {"epochs", "steps"}; steps is None where it is not known.

    >>> class Stop(Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         self.model.stop_training = logs["loss"] < 0.1
    """

    # Whether the callback wants to be told after all others.
    last = False
    model: Any = None
    params: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed

    def __getstate__(self) -> dict[str, Any]:
        """Functions of a training, and the data in them, are not copied with a callback."""
        told = {name: value for name, value in self.params.items() if not callable(value)}
        return {**self.__dict__, "params": told}

    @property
    def hears_steps(self) -> bool:
        """Does it want to be told of every single step? Steps are done one by one then.

        True where ``on_train_batch_begin`` or ``on_train_batch_end`` is written; otherwise the
        compiled training does many steps at once and tells of the last of them.
        """
        kind = type(self)
        return (
            kind.on_train_batch_end is not Callback.on_train_batch_end
            or kind.on_train_batch_begin is not Callback.on_train_batch_begin
        )

    @property
    def hears_test_batches(self) -> bool:
        """Does it want to be told of every batch of an evaluation?"""
        kind = type(self)
        return (
            kind.on_test_batch_end is not Callback.on_test_batch_end
            or kind.on_test_batch_begin is not Callback.on_test_batch_begin
        )

    def set_model(self, model: Any) -> None:
        """Called before the training, with the model."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Called before the training, with its sizes."""
        self.params = params

    def on_train_begin(self, logs: Logs = None) -> None:
        """Before the first step."""

    def on_train_end(self, logs: Logs = None) -> None:
        """After the last step, after an early stop and after Ctrl-C too."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Before an epoch's first step, and when an epoch is resumed."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """After an epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a step."""

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a step."""

    def on_test_begin(self, logs: Logs = None) -> None:
        """Before an evaluation, the validation after an epoch included."""

    def on_test_end(self, logs: Logs = None) -> None:
        """After an evaluation."""

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of an evaluation, with the means so far."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """Before a prediction."""

    def on_predict_end(self, logs: Any = None) -> None:
        """After a prediction."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of a prediction."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of a prediction, with its ``outputs``."""

    def settle(self) -> None:
        """After the last step, before any ``on_train_end``: the weights are those of that step."""

    def close(self) -> None:
        """Called last, whatever happened: let go of files and terminals here."""

    def state(self) -> Any:
        """What a resumed training needs of this callback: a tree of numbers, text and arrays."""
        return None

    def set_state(self, state: Any) -> None:
        """Take up what `state` had given."""


class CallbackList(Callback):
    """Several callbacks as one, told in order."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        for callback in callbacks:
            if not isinstance(callback, Callback):
                raise ArgumentError(
                    "callbacks must be a list of callbacks",
                    got=f"{callback.__name__}, a class"
                    if isinstance(callback, type)
                    else repr(callback),
                    line=user_line(),
                    remedy="create one, such as EarlyStopping(patience=5); put functions into "
                    "LambdaCallback(on_epoch_end=function)",
                )
        self.members = sorted(callbacks, key=lambda callback: callback.last)

    @property
    def hears_test_batches(self) -> bool:
        return any(member.hears_test_batches for member in self.members)

    def set_model(self, model: Any) -> None:
        for member in self.members:
            member.set_model(model)

    def set_params(self, params: dict[str, Any]) -> None:
        for member in self.members:
            member.set_params(params)

    def on_train_begin(self, logs: Logs = None) -> None:
        for member in self.members:
            member.on_train_begin(logs)

    def on_train_end(self, logs: Logs = None) -> None:
        for member in self.members:
            member.on_train_end(logs)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        for member in self.members:
            member.on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        for member in self.members:
            member.on_epoch_end(epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        for member in self.members:
            member.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        for member in self.members:
            member.on_train_batch_end(batch, logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        for member in self.members:
            member.on_test_begin(logs)

    def on_test_end(self, logs: Logs = None) -> None:
        for member in self.members:
            member.on_test_end(logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        for member in self.members:
            member.on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        for member in self.members:
            member.on_test_batch_end(batch, logs)

    def on_predict_begin(self, logs: Any = None) -> None:
        for member in self.members:
            member.on_predict_begin(logs)

    def on_predict_end(self, logs: Any = None) -> None:
        for member in self.members:
            member.on_predict_end(logs)

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        for member in self.members:
            member.on_predict_batch_begin(batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        for member in self.members:
            member.on_predict_batch_end(batch, logs)

    def settle(self) -> None:
        for member in self.members:
            member.settle()

    def close(self) -> None:
        for member in self.members:
            member.close()

    def state(self) -> Any:
        return [[type(member).__name__, member.state()] for member in self.members]

    def set_state(self, state: Any) -> None:
        for member, (_, kept) in zip(self.members, state, strict=True):
            member.set_state(kept)


class LambdaCallback(Callback):
    """A callback made of functions, one for each hook that is given.

    >>> seen = []
    >>> hook = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["loss"]))
    >>> hook.on_epoch_end(0, {"loss": 0.5})
    >>> seen
    [0.5]
    """

    def __init__(
        self,
        on_epoch_begin: Callable[[int, Any], None] | None = None,
        on_epoch_end: Callable[[int, Any], None] | None = None,
        on_train_begin: Callable[[Any], None] | None = None,
        on_train_end: Callable[[Any], None] | None = None,
        on_train_batch_begin: Callable[[int, Any], None] | None = None,
        on_train_batch_end: Callable[[int, Any], None] | None = None,
    ) -> None:
        self.functions = {
            "epoch_begin": on_epoch_begin, "epoch_end": on_epoch_end,
            "train_begin": on_train_begin, "train_end": on_train_end,
            "batch_begin": on_train_batch_begin, "batch_end": on_train_batch_end,
        }  # fmt: skip

    def __getstate__(self) -> dict[str, Any]:
        """Functions of a training, and the data in them, are not copied with a callback."""
        told = {name: value for name, value in self.params.items() if not callable(value)}
        return {**self.__dict__, "params": told}

    @property
    def hears_steps(self) -> bool:
        return any(self.functions[hook] is not None for hook in ("batch_begin", "batch_end"))

    def _call(self, hook: str, *args: Any) -> None:
        function = self.functions[hook]
        if function is not None:
            function(*args)

    def on_train_begin(self, logs: Logs = None) -> None:
        self._call("train_begin", logs)

    def on_train_end(self, logs: Logs = None) -> None:
        self._call("train_end", logs)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._call("epoch_begin", epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._call("epoch_end", epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._call("batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._call("batch_end", batch, logs)
