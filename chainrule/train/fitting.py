"""`Model.fit`: checks what it was given, makes the feeds, and runs the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.errors import ArgumentError, DivergenceError, ShapeError
from chainrule.nn.naming import user_line, warn
from chainrule.records import dataclass
from chainrule.train.callbacks.base import Callback, CallbackList
from chainrule.train.callbacks.history import History
from chainrule.train.feed import STEP, Rows, Stream, is_stream, parts_of
from chainrule.train.inputs import as_inputs, example_shape, precision, rows_of, same_rows, take
from chainrule.train.labels import find_labels
from chainrule.train.loop import Record, Report, Run, run_epochs
from chainrule.train.single import SingleSteps
from chainrule.train.step import Batch, TrainState
from chainrule.train.summary import output_shape
from chainrule.train.using import (
    check_verbose,
    given_batch,
    measure,
    row_weight,
    told,
    whole_number,
)

if TYPE_CHECKING:
    from chainrule.train.model import Model


@dataclass(frozen=True)
class Options:
    """The arguments of `Model.fit` beside the data."""

    batch_size: int | Callable[[int], int] | None = None
    epochs: int = 1
    verbose: Any = "auto"
    callbacks: Sequence[Callback] | Callback | None = None
    validation_split: float = 0.0
    validation_data: Any = None
    shuffle: bool = True
    class_weight: Mapping[Any, float] | str | None = None
    sample_weight: Any = None
    initial_epoch: int = 0
    steps_per_epoch: int | None = None
    validation_steps: int | None = None
    validation_batch_size: int | None = None
    validation_freq: int = 1
    seed: int = 0

    def check(self) -> None:
        """Refuse numbers that are out of range.

        Raises:
            ArgumentError: one is.
        """
        whole_number("epochs", self.epochs)
        whole_number("initial_epoch", self.initial_epoch, 0)
        whole_number("seed", self.seed, 0)
        whole_number("validation_freq", self.validation_freq)
        if not callable(self.batch_size) and self.batch_size is not None:
            whole_number("batch_size", self.batch_size)
        for name in ("steps_per_epoch", "validation_steps", "validation_batch_size"):
            if getattr(self, name) is not None:
                whole_number(name, getattr(self, name))
        if not 0.0 <= self.validation_split < 1.0:
            raise ArgumentError(
                "validation_split is the share of the rows to validate on",
                got=f"validation_split={self.validation_split!r}",
                line=user_line(),
                remedy="give a number from 0 up to, but not including, 1, such as 0.2",
            )
        check_verbose(self.verbose)

    @property
    def rows(self) -> int | Callable[[int], int]:
        """Rows in a step, or the function that gives them for each epoch."""
        given = self.batch_size
        if callable(given):
            return lambda epoch: whole_number("batch_size", given(epoch))
        return 32 if given is None else int(given)

    @property
    def validation_rows(self) -> int:
        """Rows in a batch of the validation, by default as many as in training at first."""
        if self.validation_batch_size is not None:
            return int(self.validation_batch_size)
        rows = self.rows
        return rows(0) if callable(rows) else rows


def fit_model(model: Model, x: Any, y: Any, options: Options) -> History:
    """Train a model; see `Model.fit`."""
    options.check()
    feed, held_out = feed_of(model, x, y, options)
    validation = _validation(model, held_out, options)
    _try(model, validation)
    _warn_of_new_classes(model, feed, validation, held_out is not None)
    ready(model)

    callbacks = told(options.callbacks)
    history = next((c for c in callbacks if isinstance(c, History)), None)
    if history is None:
        history = History()
        callbacks = [*callbacks, history]  # last, to see what others add to the logs
    listeners = CallbackList([*callbacks, *_display(options)])
    model.listeners = listeners
    listeners.set_model(model)
    params = {
        "epochs": options.epochs, "steps": feed.steps, "verbose": options.verbose,
        "batch_size": options.batch_size or 32, "seed": options.seed, "rows": feed.rows,
        "shuffle": options.shuffle,
        "validates_later": validation is not None and options.validation_freq > 1,
    }  # fmt: skip
    data = {"sample": lambda rows: sample_of(feed, rows, options.seed), "digest": feed.digest}
    listeners.set_params({**params, **data})
    model.run = Run(model.run.state, epoch=options.initial_epoch)
    try:
        _train(model, feed, validation, options, listeners)
    finally:
        listeners.set_params(params)  # callbacks outlive the training, and need not keep its data
    history.interrupted = model.run.interrupted
    return history


def _train(
    model: Model,
    feed: Rows | Stream,
    validation: Rows | Stream | None,
    options: Options,
    listeners: CallbackList,
) -> None:
    """Compile the step where that pays, and go through the epochs."""
    compiled, run = model.compiled("fit"), model.run
    update = compiled.step

    def step(state: TrainState, batch: Batch, epoch: int, number: int) -> tuple[Any, Report]:
        key = (options.seed, STEP, epoch, number)
        new, result = (single or update)(state, batch, key, model.override)
        return new, compiled.report(batch, result, clipped=compiled.clipped(state, new))

    def explain(run: Run, batch: Any, report: Report) -> DivergenceError | None:
        from chainrule.train.divergence import explainer  # which brings much along

        look = explainer(compiled, options.seed, listeners.members, feed, model.columns)
        return look(run, batch, report)

    from chainrule.train.native import native_steps

    try:
        native = native_steps(
            compiled, feed, run, options.epochs, listeners.members, model.jit_compile,
            lambda: model.override, 0 if validation is None else options.validation_freq,
            model.single,
        )  # fmt: skip
    except KeyboardInterrupt:  # Ctrl-C ends a training before its first step as after it
        run.interrupted = True
        return
    several, single = (None, native) if isinstance(native, SingleSteps) else (native, None)
    measured = None
    if validation is not None and several is not None:
        from chainrule.train.evaluating import native_evaluation

        times = (options.epochs - run.epoch) // options.validation_freq
        measured = native_evaluation(compiled, validation, several, run, times)

    def evaluate(run: Run) -> Record:
        scores = compiled.finish(run.kept)
        if validation is not None and (run.epoch + 1) % options.validation_freq == 0:
            given = None if measured is None else measured(run, listeners.hears_test_batches)
            look = None if single is None else single.look
            found = measure(model, validation, listeners, given=given, look=look)
            if not isfinite(found["loss"]):
                from chainrule.train.divergence import not_validated

                raise not_validated(run.epoch, found["loss"], validation, model.columns)
            scores |= {f"val_{name}": value for name, value in found.items()}
        return scores

    run_epochs(
        run, step, feed, epochs=options.epochs, callbacks=listeners, evaluate=evaluate,
        explain=explain, several=several,
    )  # fmt: skip


def feed_of(model: Model, x: Any, y: Any, options: Options) -> tuple[Rows | Stream, Any]:
    """The batches to train on, and the rows held out for validation, if any are.

    The model learns from them what it must know of its data, and is built.
    """
    if is_stream(x, y):
        return _stream(model, x, options), None
    return _rows(model, x, y, options)


def _rows(model: Model, x: Any, y: Any, options: Options) -> tuple[Rows, Any]:
    """The batches of arrays, and the rows held out for validation."""
    if y is None:
        raise ArgumentError(
            "fit needs the targets",
            got=f"y=None with x a {type(x).__name__}",
            line=user_line(),
            remedy="fit(x, y); only batches bring their targets along, from a generator or from a "
            "function: fit(lambda: iter(batches))",
        )
    _one_input(x, y)
    x, columns = as_inputs(x, columns=model.columns)
    n = rows_of(x)
    learn(model, x, y, columns, options.seed)
    assert model.labels is not None
    encoded = model.labels.encode(y, dtype=model.dtype)
    same_rows(x, encoded, "y")
    weight = row_weight(options.sample_weight, x, model.dtype)
    count = n - int(n * (1.0 - options.validation_split)) if options.validation_split else 0
    held_out = None
    if count:
        if count == n:
            raise ArgumentError(
                "validation_split leaves no row to train on",
                got=f"validation_split={options.validation_split} of {n} rows",
                line=user_line(),
                remedy="give more rows, or a smaller share",
            )
        last = slice(n - count, n)
        held_out = (take(x, last), encoded[last], None if weight is None else weight[last])
        first = slice(0, n - count)
        x, encoded = take(x, first), encoded[first]
        weight = None if weight is None else weight[first]
    class_weight = options.class_weight
    if class_weight is not None:
        if isinstance(class_weight, str):
            class_weight = _balanced(model, encoded, class_weight)
        by_class = model.labels.weights(encoded, class_weight).astype(model.dtype)
        weight = by_class if weight is None else weight * by_class
    return (
        Rows(
            x, encoded, weight, batch_size=options.rows, dtype=model.dtype,
            shuffle=bool(options.shuffle), seed=options.seed, steps=options.steps_per_epoch,
        ),
        held_out,
    )  # fmt: skip


def _one_input(x: Any, y: Any) -> None:
    """Refuse a list of inputs, as Keras takes it: a list is an array, of as many rows."""
    if not isinstance(x, list) or not hasattr(y, "__len__") or len(x) in (0, len(y)):
        return
    if all(isinstance(part, np.ndarray) and part.shape[:1] == (len(y),) for part in x):
        raise ShapeError(
            "a list is one array, with as many rows as the list is long",
            got=f"a list of {len(x)} arrays for {len(y)} targets",
            line=user_line(),
            remedy="several inputs are a tuple or a dict: fit((a, b), y)",
        )


def _try(model: Model, validation: Rows | Stream | None) -> None:
    """Refuse what the network cannot be validated on before the training, not after an epoch."""
    if not isinstance(validation, Rows) or example_shape(validation.x) == model.input_shape:
        return
    state, row = model.training_state("fit"), take(validation.x, slice(0, 1), validation.dtype)
    try:
        with np.errstate(all="ignore"):
            model.layer(state.params, state.layers, row, training=False)
    except ShapeError as error:
        raise ShapeError(
            f"validation_data does not fit the network: {error.cause}",
            got=f"examples of shape {example_shape(validation.x)}; those of the training have "
            f"{model.input_shape}",
            line=user_line(),
            remedy="prepare both in the same way",
        ) from None


def _warn_of_new_classes(model: Model, feed: Any, validation: Any, split: bool) -> None:
    """What is validated on should be what is learnt: no class may be new there."""
    if not (isinstance(feed, Rows) and isinstance(validation, Rows)):
        return
    assert model.labels is not None
    missing = model.labels.present(validation.y) - model.labels.present(feed.y)
    if not missing:
        return
    names = ", ".join(sorted(map(repr, missing)))
    divide = "cr.data.train_test_split(len(x), stratify=y)"
    if split:  # rows that are sorted by class are a bad case for holding out the last ones
        what = (
            f"validation_split holds out the last rows, and the others have no row of class "
            f"{names}: are the rows sorted? Shuffle them, or give validation_data, divided by "
            f"{divide}"
        )
    else:
        what = (
            f"validation_data has rows of class {names}, and the training data have none: what "
            f"is not learnt cannot be right there. Divide the rows by {divide}"
        )
    warn(what)


def _balanced(model: Model, encoded: Any, class_weight: str) -> Mapping[Any, float]:
    if class_weight != "balanced":
        raise ArgumentError(
            "unknown class_weight",
            got=repr(class_weight),
            line=user_line(),
            remedy="use 'balanced', or a dict such as {0: 1.0, 1: 5.0}",
        )
    assert model.labels is not None
    return model.labels.balanced(encoded)


def _stream(model: Model, source: Any, options: Options) -> Stream:
    """The batches of an iterable, a generator or a function."""
    remedies = {
        "validation_split": "give validation_data=(x, y)",
        "sample_weight": "yield (x, y, sample_weight)",
        "batch_size": "leave it out: a batch is as large as x makes it",
    }
    for name, remedy in remedies.items():
        given = getattr(options, name)
        if given is not None and (name != "validation_split" or given != 0.0):
            raise ArgumentError(
                f"{name} needs arrays, and x gives batches",
                got=f"{name} with x a {type(source).__name__}",
                line=user_line(),
                remedy=remedy,
            )
    if isinstance(options.class_weight, str):
        raise ArgumentError(
            "class_weight='balanced' needs arrays, and x gives batches",
            got=repr(options.class_weight),
            line=user_line(),
            remedy="give a dict with the weight of each class",
        )
    stream = Stream(source, steps=options.steps_per_epoch)
    stream.first_epoch = options.initial_epoch
    if stream.once is not None and options.steps_per_epoch is None and options.epochs > 1:
        raise ArgumentError(
            "a generator runs once, and there are several epochs",
            got=f"epochs={options.epochs} with x a {type(source).__name__}",
            line=user_line(),
            remedy="give steps_per_epoch, or a function that returns a new generator",
        )
    first = stream.first()
    x, y, _ = parts_of(first)
    if not np.ndim(y) and not isinstance(x, (dict, tuple)):
        raise ShapeError(
            "the source gives examples one by one, and batches are wanted",
            got=f"x of shape {np.shape(x)} with one target, {y!r}",
            line=user_line(),
            remedy="put the rows together, fit(np.stack(xs), np.array(ys), batch_size=32), or "
            "yield batches, arrays with rows first",
        )
    x, columns = as_inputs(x, columns=model.columns)
    rows_of(x)
    learn(model, x, y, columns, options.seed)

    def prepare(item: Any) -> Batch:
        batch = given_batch(model, item)
        if options.class_weight is None:
            return batch
        assert model.labels is not None
        assert not isinstance(options.class_weight, str)
        by_class = model.labels.weights(batch.y, options.class_weight).astype(model.dtype)
        return batch._replace(weight=by_class if batch.weight is None else batch.weight * by_class)

    stream.prepare, stream.example = prepare, prepare(first)
    return stream


def learn(model: Model, x: Any, y: Any, columns: Any, seed: int) -> None:
    """Take from the first data what the model must know: precision, shapes, classes, columns."""
    if not model.built:
        model.dtype = model.dtype or precision(x)
        model.build(example_shape(x), seed=seed)
    model.dtype = model.dtype or np.dtype(np.float64)
    if model.labels is None:
        shape = output_shape(model.layer, example_shape(x))
        model.labels = find_labels(y, model.compiled("fit").loss, tuple(shape))
        model.columns = columns


def _validation(model: Model, held_out: Any, options: Options) -> Rows | Stream | None:
    """The batches to validate on."""
    from chainrule.train.using import evaluation_feed

    size = options.validation_rows
    if options.validation_data is None:
        if held_out is None:
            return None
        x, y, weight = held_out
        return Rows(
            x, y, weight, batch_size=size, dtype=model.dtype, steps=options.validation_steps
        )
    data = options.validation_data
    if isinstance(data, (tuple, list)):
        if len(data) not in (2, 3):
            raise ArgumentError(
                "validation_data is (x, y) or (x, y, sample_weight)",
                got=f"{type(data).__name__} of {len(data)}",
                line=user_line(),
                remedy="give validation_data=(x_val, y_val)",
            )
        x, y, *weight = data
        return evaluation_feed(
            model, x, y, weight[0] if weight else None, size, options.validation_steps
        )
    if not is_stream(data, None):
        raise ArgumentError(
            "validation_data needs the targets",
            got=f"{type(data).__name__}, which is one thing alone",
            line=user_line(),
            remedy="give validation_data=(x_val, y_val)",
        )
    feed = evaluation_feed(model, data, None, None, size, options.validation_steps)
    if isinstance(feed, Stream) and feed.once is not None and options.epochs > 1:
        raise ArgumentError(
            "a generator runs once, and validation_data is needed after every epoch",
            got=type(data).__name__,
            line=user_line(),
            remedy="give arrays, or a function that returns a new generator",
        )
    return feed


def ready(model: Model) -> None:
    """Start the optimizer's state, if the model has none."""
    state = model.training_state("fit")
    if state.optimizer is None:
        optimizer = model.compiled("fit").optimizer
        model.run.state = state._replace(optimizer=optimizer.init(state.params))


def sample_of(feed: Rows | Stream, rows: int, seed: int) -> Batch:
    """Some rows of what is trained on, drawn at random; of a stream its first batch."""
    if isinstance(feed, Stream):
        batch: Batch = feed.prepare(feed.first())
        return batch
    chosen = np.arange(feed.rows)
    if feed.rows > rows:
        chosen = np.sort(np.random.default_rng((seed, rows)).choice(feed.rows, rows, False))
    weight = None if feed.weight is None else feed.weight[chosen]
    return Batch(take(feed.x, chosen, feed.dtype), feed.y[chosen], weight)


def _display(options: Options) -> list[Callback]:
    """What shows the progress, if anything shall."""
    if options.verbose == 0:
        return []
    from chainrule.train.callbacks.progress import display

    return display(options.verbose)
