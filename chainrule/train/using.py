"""A trained network at work: evaluation and prediction, batch by batch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.errors import ArgumentError, DataError
from chainrule.nn.folding import last_activation
from chainrule.nn.losses import Hinge
from chainrule.nn.naming import user_line
from chainrule.train.callbacks.base import Callback, CallbackList
from chainrule.train.callbacks.progress import followed, number
from chainrule.train.feed import Rows, Stream, is_stream, parts_of
from chainrule.train.inputs import as_inputs, rows_of, same_rows, take
from chainrule.train.loop import Record, Report, Run
from chainrule.train.step import Batch, Result

if TYPE_CHECKING:
    from chainrule.train.model import Model

Feed = Rows | Stream


def whole_number(name: str, value: Any, least: int = 1) -> int:
    """A setting as a whole number.

    Raises:
        ArgumentError: it is none, or too small.
    """
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= least:
        return int(value)
    raise ArgumentError(
        f"{name} must be a whole number of {least} or more",
        got=f"{name}={value!r}",
        line=user_line(),
        remedy=f"give one, such as {name}={max(least, 32 if 'batch' in name else 10)}",
    )


def check_verbose(verbose: Any) -> None:
    """Refuse what is no choice of how much to show.

    Raises:
        ArgumentError: it is another value.
    """
    if verbose not in ("auto", 0, 1, 2):
        raise ArgumentError(
            "unknown verbose",
            got=f"verbose={verbose!r}",
            line=user_line(),
            remedy="use 'auto', 0 (quiet), 1 (a progress bar) or 2 (a line)",
        )


def told(callbacks: Sequence[Callback] | Callback | None) -> list[Callback]:
    """The callbacks as a list."""
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]


def row_weight(weight: Any, x: Any, dtype: Any) -> Any:
    """A weight for each row, shape (n,), or None.

    Raises:
        ShapeError: another number of weights than rows.
        DataError: a weight that is no finite number of 0 or more.
    """
    if weight is None:
        return None
    weight = np.asarray(weight, dtype)
    weight = weight.reshape(len(weight)) if weight.size == len(weight) else weight
    same_rows(x, weight, "sample_weight")
    if not np.all((weight >= 0.0) & np.isfinite(weight)):
        raise DataError(
            "sample_weight has a weight that is no finite number of 0 or more",
            got=f"{weight[~((weight >= 0.0) & np.isfinite(weight))][0]}",
            line=user_line(),
            remedy="use 0 for rows that shall not count",
        )
    return weight


def given_batch(model: Model, item: Any) -> Batch:
    """What a stream gives, as a batch for the network."""
    x, y, weight = parts_of(item)
    x, _ = as_inputs(x, columns=model.columns)
    assert model.labels is not None  # found from the first batch
    same_rows(x, y, "y")
    y = model.labels.encode(y, dtype=model.dtype)
    return Batch(take(x, slice(None), model.dtype), y, row_weight(weight, x, model.dtype))


def evaluation_feed(
    model: Model, x: Any, y: Any, weight: Any, batch_size: int | None, steps: int | None
) -> Rows | Stream:
    """The batches to evaluate on."""
    if steps is not None:
        steps = whole_number("steps", steps)
    if is_stream(x, y):
        return Stream(x, lambda item: given_batch(model, item), steps)
    if y is None:
        raise ArgumentError(
            "evaluate needs the targets",
            got="y=None",
            line=user_line(),
            remedy="evaluate(x, y); predict needs none",
        )
    x, _ = as_inputs(x, columns=model.columns)
    assert model.labels is not None
    encoded = model.labels.encode(y, dtype=model.dtype)
    same_rows(x, encoded, "y")
    size = whole_number("batch_size", 32 if batch_size is None else batch_size)
    return Rows(
        x, encoded, row_weight(weight, x, model.dtype), batch_size=size, dtype=model.dtype,
        steps=steps,
    )  # fmt: skip


def evaluate_model(
    model: Model,
    x: Any,
    y: Any,
    weight: Any,
    batch_size: int | None,
    steps: int | None,
    callbacks: Sequence[Callback] | Callback | None,
    verbose: Any = 0,
) -> Record:
    """The loss and the metrics by their names."""
    check_verbose(verbose)
    model.compiled("evaluate")
    model.training_state("evaluate")
    if model.labels is None:
        raise ArgumentError(
            "evaluate needs a model that was trained, or loaded after it was",
            got="a model that was only built",
            line=user_line(),
            remedy="call fit first",
        )
    feed = evaluation_feed(model, x, y, weight, batch_size, steps)
    listeners = CallbackList(told(callbacks))
    listeners.set_model(model)
    single = listeners.hears_test_batches or verbose in (1, "auto")
    scores = measure(model, feed, listeners, verbose, _natively(model, feed, single))
    if verbose in (1, 2) or (verbose == "auto" and sys.stdout.isatty()):
        print("evaluate: " + ", ".join(f"{name} {number(v)}" for name, v in scores.items()))
    return scores


def _natively(model: Model, feed: Feed, single: bool) -> Any:
    """What the native engine says of the batches, or None where NumPy is to do it.

    The number of evaluations decides, not the clock, so that a program repeats itself to the last
    bit: when NumPy has worked as long as compiling takes, the code is made and kept.
    """
    if model.jit_compile is False or not isinstance(feed, Rows):
        return None
    from chainrule.train.evaluating import native_evaluation  # which brings the engine along

    compiled, key = model.compiled("evaluate"), (feed.rows, feed.batch_size, feed.steps)
    model.evaluations[key] = times = model.evaluations.get(key, 0) + 1
    found = native_evaluation(compiled, feed, None, model.run, times, model.sizes)
    return None if found is None else found(model.run, single)


def measure(
    model: Model,
    feed: Feed,
    listeners: Callback,
    verbose: Any = 0,
    given: Any = None,
    look: Callable[[Any, Any], Any] | None = None,
) -> Record:
    """The loss and the metrics over the batches of a feed.

    Args:
        model: has the network and its parameters.
        feed: the batches.
        listeners: are told of each.
        verbose: 1 or "auto" for a bar in a terminal.
        given: what the batches say, where that is known; together if nobody wants to hear of each.
        look: gives the loss and the outputs for a state and a batch, or None where it cannot.
    """
    compiled = model.compiled("evaluate")

    def said(batch: Any) -> Report:
        if given is not None:
            report: Report = batch
            return report
        state = model.training_state("evaluate")
        seen = None if look is None else look(state, batch)
        if seen is None:
            outputs, _ = compiled.network(state.params, state.layers, batch.x, training=False)
            seen = compiled.objective(batch.y, outputs, batch.weight), outputs
        loss, outputs = seen
        return compiled.report(batch, Result(loss, outputs, 0.0))

    listeners.on_test_begin()
    sums = Run(None)
    batches = feed(0, 0) if given is None else given
    with np.errstate(all="ignore"):
        for k, batch in enumerate(followed(batches, feed.steps, "evaluate", verbose)):
            listeners.on_test_batch_begin(k)
            sums.add(said(batch))
            listeners.on_test_batch_end(k, sums.means())
    if not sums.sums:
        raise DataError(
            "there is no batch of data to evaluate on",
            got="an input that is empty or used up",
            line=user_line(),
            remedy="a generator runs once: give a function that returns a new one",
        )
    scores = {**sums.means(), **compiled.finish(sums.kept)}
    scores = {name: scores[name] for name in ("loss", *compiled.metrics)}
    listeners.on_test_end(scores)
    return scores


def outputs_of(
    model: Model,
    network: Any,
    x: Any,
    batch_size: int | None,
    steps: Any,
    verbose: Any = 0,
    callbacks: Sequence[Callback] | Callback | None = None,
) -> Any:
    """The outputs of a network with the model's parameters for all rows."""
    check_verbose(verbose)
    listeners = CallbackList(told(callbacks))
    listeners.set_model(model)
    state = model.training_state("predict")
    dtype = model.dtype
    if steps is not None:
        steps = whole_number("steps", steps)
    feed: Any
    if is_stream(x, None):

        def inputs(item: Any) -> Batch:
            first = item[0] if isinstance(item, tuple) else item
            found, _ = as_inputs(first, columns=model.columns)
            return Batch(take(found, slice(None), dtype), None)

        feed = Stream(x, inputs, steps)
    else:
        found, _ = as_inputs(x, columns=model.columns)
        rows_of(found)
        size = whole_number("batch_size", 32 if batch_size is None else batch_size)
        feed = Rows(found, None, None, batch_size=size, dtype=dtype, steps=steps)
    parts = []
    listeners.on_predict_begin()
    with np.errstate(all="ignore"):
        for k, batch in enumerate(followed(feed(0, 0), feed.steps, "predict", verbose)):
            listeners.on_predict_batch_begin(k)
            outputs, _ = network(state.params, state.layers, batch.x, training=False)
            parts.append(outputs)
            listeners.on_predict_batch_end(k, {"outputs": outputs})
    listeners.on_predict_end()
    if not parts:
        raise DataError(
            "there is nothing to predict",
            got="a generator without a batch",
            line=user_line(),
            remedy="it must yield arrays; one that has run before is used up",
        )
    return np.concatenate(parts)


def classes_of(model: Model, x: Any, batch_size: int | None, steps: int | None) -> Any:
    """The class of each row, in the labels that the training targets had."""
    compiled = model.compiled("predict_classes")
    if model.labels is None or model.labels.kind in ("numeric", "own"):
        raise _no_classes(model)
    if isinstance(compiled.loss, Hinge):
        return model.labels.decode(outputs_of(model, model.layer, x, batch_size, steps), 0.0)
    return model.labels.decode(probabilities_of(model, x, batch_size, steps), 0.5)


def probabilities_of(model: Model, x: Any, batch_size: int | None, steps: int | None) -> Any:
    """The probabilities of the classes for all rows."""
    compiled = model.compiled("predict_proba")
    if last_activation(model.layer) in ("sigmoid", "softmax"):  # whatever the loss
        return outputs_of(model, model.layer, x, batch_size, steps)
    unnamed = model.labels is None or model.labels.kind in ("numeric", "own")
    if unnamed or isinstance(compiled.loss, Hinge):
        raise _no_classes(model)
    return compiled.predictions(outputs_of(model, compiled.network, x, batch_size, steps))


def _no_classes(model: Model) -> ArgumentError:
    loss = type(model.compiled("predict_proba").loss).__name__
    return ArgumentError(
        "probabilities need a model that was trained with a loss for classes",
        got=f"the loss {loss}" if model.labels else "a model that was not trained",
        line=user_line(),
        remedy="use predict, or train with binary_crossentropy or "
        "sparse_categorical_crossentropy, or end the network with sigmoid or softmax",
    )
