"""Generators, memory-mapped arrays, dicts and data frames train as arrays do."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, DataError
from chainrule.optim import BatchGrowth
from chainrule.train.feed import Rows

X = np.random.default_rng(2).normal(size=(23, 3))
Y = X @ np.array([1.0, 2.0, -1.0])


def trained(*data: Any, layers: Any = None, **options: Any) -> list[Any]:
    model = cr.Model(layers or [nn.Dense(4, "tanh"), nn.Dense(1)])
    model.compile("adam", "mse", ["mae"])
    history = model.fit(*data, epochs=3, verbose=0, **options)
    return [*model.get_weights(), history.history]


def batches() -> Iterator[Any]:
    for start in range(0, 23, 5):
        yield X[start : start + 5], Y[start : start + 5]


class Numbered:
    """Batches by number, as Keras's PyDataset: no end by IndexError."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, k: int) -> Any:
        return X[5 * k : 5 * k + 5], Y[5 * k : 5 * k + 5]


def same(one: list[Any], other: list[Any]) -> None:
    assert one[-1] == other[-1]
    for a, b in zip(one[:-1], other[:-1], strict=True):
        np.testing.assert_array_equal(a, b)


ARRAYS = trained(X, Y, batch_size=5, shuffle=False)


def test_the_order_of_an_epoch_does_not_depend_on_what_was_asked_before() -> None:
    rows = Rows(X, Y, None, batch_size=5, dtype=None, shuffle=True, seed=3)
    for epoch in (2, 0, 2, 10**6):
        stream = np.random.PCG64((3, 1)).jumped(epoch)
        expected = np.random.Generator(stream).permutation(23)
        np.testing.assert_array_equal(rows.permutation(epoch), expected)


@pytest.mark.parametrize(
    "source",
    [batches, list(batches()).__iter__, type("Set", (), {"__iter__": lambda self: batches()})()],
    ids=["function", "bound", "iterable"],
)
def test_a_stream_of_batches_trains_as_the_array(source: Any) -> None:
    same(trained(source), ARRAYS)


def test_a_generator_that_runs_once() -> None:
    thrice = (batch for _ in range(3) for batch in batches())
    same(trained(thrice, steps_per_epoch=5), ARRAYS)
    assert next(thrice, None) is None


def test_a_generator_is_not_asked_for_more_than_needed() -> None:
    asked = []

    def endless() -> Iterator[Any]:
        while True:
            asked.append(1)
            yield X[:5], Y[:5]

    trained(endless(), steps_per_epoch=4)
    assert len(asked) == 12


def test_weights_in_a_stream() -> None:
    weight = np.arange(23.0)

    def weighted() -> Iterator[Any]:
        for start in range(0, 23, 5):
            rows = slice(start, start + 5)
            yield X[rows], Y[rows], weight[rows]

    same(trained(weighted), trained(X, Y, batch_size=5, shuffle=False, sample_weight=weight))


def test_a_stream_validates_and_predicts_too() -> None:
    model = cr.Model([nn.Dense(1)])
    model.compile("adam", "mse")
    history = model.fit(batches, validation_data=batches, epochs=2, verbose=0)
    assert history.history["val_loss"][-1] == pytest.approx(model.evaluate(X, Y), rel=1e-12)
    assert model.evaluate(batches) == pytest.approx(model.evaluate(X, Y), rel=1e-12)
    np.testing.assert_allclose(model.predict(batches), model.predict(X), rtol=1e-12)
    np.testing.assert_allclose(model.predict(batches, steps=2), model.predict(X[:10]), rtol=1e-12)


def test_arrays_on_disk(tmp_path: Path) -> None:
    file = tmp_path / "x.npy"
    np.save(file, X)
    mapped = np.load(file, mmap_mode="r")
    same(trained(mapped, Y, batch_size=5), trained(X, Y, batch_size=5))
    feed = Rows(mapped, Y, None, batch_size=5, dtype=np.float64)
    assert feed.x is mapped  # not read into memory


def test_the_last_batch_is_short_and_every_row_comes_once() -> None:
    feed = Rows(X, np.arange(23), None, batch_size=5, dtype=np.float64, shuffle=True, seed=4)
    first, second = list(feed(0)), list(feed(1))
    assert [len(batch.y) for batch in first] == [5, 5, 5, 5, 3]
    orders = [np.concatenate([batch.y for batch in epoch]) for epoch in (first, second)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(23))
    assert orders[0].tolist() != orders[1].tolist()
    # From the middle of an epoch on, the rest is the same.
    np.testing.assert_array_equal(np.concatenate([b.y for b in feed(1, 2)]), orders[1][10:])


def test_steps_per_epoch_cuts_the_epoch() -> None:
    model = cr.Model([nn.Dense(1)])
    model.compile("sgd", "mse")
    history = cr.train.History(per_step=True)
    model.fit(X, Y, batch_size=5, epochs=2, steps_per_epoch=3, verbose=0, callbacks=[history])
    assert len(history.steps["loss"]) == 6


def test_several_inputs_as_a_tuple() -> None:
    net = nn.Graph(lambda layers, a, b: layers.out(a * b), {"out": nn.Dense(1)})
    same(
        trained((X, 2 * X), Y, layers=net, batch_size=5),
        trained(2 * X * X, Y, layers=nn.Graph(lambda ls, a: ls.out(a), {"out": nn.Dense(1)}),
                batch_size=5),
    )  # fmt: skip


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames(library: str) -> None:
    frames = importlib.import_module(library)
    table = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]}
    frame, target = frames.DataFrame(table), frames.Series(Y)
    same(trained(frame, target, batch_size=5), trained(X, Y, batch_size=5))
    model = cr.Model([nn.Dense(1)])
    model.compile("adam", "mse")
    model.fit(frame, target, verbose=0)
    # Columns are taken by name.
    np.testing.assert_array_equal(model.predict(frame[["c", "a", "b"]]), model.predict(X))
    with pytest.raises(DataError, match=r"(?s)x lacks columns.*no b among a, c.*in any order"):
        model.predict(frame[["a", "c"]])
    with pytest.raises(DataError, match=r"(?s)column 's' of x is not made of numbers.*encode it"):
        trained(frames.DataFrame({"s": ["u"] * 23}), target)


def test_data_frames_whose_columns_have_no_names() -> None:
    """pandas numbers them, and takes the same name twice."""
    import pandas

    frame = pandas.DataFrame(X)
    same(trained(frame, Y, batch_size=5), trained(X, Y, batch_size=5))
    model = cr.Model([nn.Dense(1)])
    model.compile("adam", "mse")
    model.fit(frame, Y, verbose=0)
    np.testing.assert_array_equal(model.predict(frame[[2, 0, 1]]), model.predict(X))
    np.testing.assert_array_equal(cr.data.from_frame(frame).numbers("2"), X[:, 2])
    with pytest.raises(DataError, match="columns of a data frame have the same name"):
        model.predict(pandas.DataFrame(X, columns=["a", "a", "b"]))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_truth_values_beside_numbers_are_0_and_1(library: str) -> None:
    frames = importlib.import_module(library)
    frame = frames.DataFrame({"a": X[:, 0], "n": np.arange(23), "up": X[:, 1] > 0})
    numbers = np.stack([X[:, 0], np.arange(23), X[:, 1] > 0], axis=1)
    same(trained(frame, Y, batch_size=5), trained(numbers, Y, batch_size=5))
    if library == "polars":
        same(trained(frame.lazy(), Y, batch_size=5), trained(numbers, Y, batch_size=5))


def test_the_batch_grows_from_epoch_to_epoch() -> None:
    x = np.arange(20.0).reshape(10, 2)
    feed = Rows(x, None, None, batch_size=BatchGrowth(2, every=1, largest=5), dtype=float)
    sizes = [[len(batch.x) for batch in feed(epoch)] for epoch in range(4)]
    assert sizes == [[2, 2, 2, 2, 2], [4, 4, 2], [5, 5], [5, 5]]
    assert [len(batch.x) for batch in feed(1, skip=1)] == [4, 2]
    assert sum(len(b.x) for b in Rows(x, None, None, batch_size=lambda epoch: 4, dtype=float,
                                      steps=2)(0)) == 8  # fmt: skip


def test_fit_takes_a_growing_batch() -> None:
    """The steps of each epoch are counted, and every row is seen once in each."""
    x = np.random.default_rng(0).standard_normal((48, 2))
    model = cr.Model([nn.Dense(1)])
    model.compile("sgd", "mse")
    history = cr.train.History(per_step=True)
    grow = BatchGrowth(8, factor=2, every=2, largest=24)
    model.fit(x, x @ [1.0, 2.0], grow, epochs=6, verbose=0, callbacks=[history],
              validation_split=0.0, validation_data=(x, x @ [1.0, 2.0]))  # fmt: skip
    # 48 rows: 6, 6, 3, 3, 2 and 2 steps
    assert len(history.steps["loss"]) == 22
    assert model.run.state.optimizer.step == 22
    with pytest.raises(ArgumentError, match="batch_size must be a whole number of 1 or more"):
        model.fit(x, x @ [1.0, 2.0], lambda epoch: 0, verbose=0)


def test_batches_by_number() -> None:
    same(trained(Numbered()), trained(batches))
    model = cr.Model([nn.Dense(1)])
    model.compile("adam", "mse")
    model.fit(Numbered(), validation_data=Numbered(), epochs=2, verbose=0)
    assert model.predict(Numbered()).shape == (23, 1)
