"""The page: whole, alone, safe, and its numbers those of the predictions."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest

from chainrule.report.page import page
from chainrule.report.work import Work
from tests.report.conftest import HOSTILE, Page, run


def check(text: str) -> Page:
    """What every page must be: nested, alone, described, with numbers under each picture."""
    found = Page(text)
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    tags = {name for name, _ in found.elements}
    assert not tags & {"script", "iframe", "object", "embed", "img", "form", "base", "i", "b2"}
    for name, attributes in found.elements:
        for key, value in attributes.items():
            assert not key.startswith("on"), (name, key)
            if key in ("src", "href", "xlink:href", "action"):
                assert value is not None
                assert value.startswith("#") or value == "data:,", (name, value)
        if name == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-label"]
    # Nothing is loaded from elsewhere: the one address is the name of the SVG language.
    assert set(re.findall(r"https?://[^\"' )<]+", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\(|javascript:", text)
    ids = [a["id"] for _, a in found.elements if "id" in a]
    assert len(ids) == len(set(ids))
    links = {a["href"][1:] for n, a in found.elements if n == "a"}
    assert links == set(ids)
    assert found.figures
    for figure in found.figures:
        assert [figure.count(t) for t in ("figcaption", "svg", "details", "summary")] == [1] * 4
        assert figure.index("svg") < figure.index("details") < figure.index("table")
    style = text[text.index("<style>") : text.index("</style>")]
    for needed in ("prefers-color-scheme: dark", "@media print", "max-width: 34rem"):
        assert needed in style
    assert 'name="viewport"' in text
    assert "nan" not in re.findall(r"[a-z]+", found.words.lower())
    return found


def test_heart(heart: Work, heart_page: str) -> None:
    found = check(heart_page)
    study, rows = heart.study, heart.predictions[heart.main.name]
    truth = study.test.y[:, 0] > 0.5
    params = heart.main.model.params
    hidden = np.maximum(study.test.x @ params["dense"]["kernel"] + params["dense"]["bias"], 0)
    z = (hidden @ params["dense_1"]["kernel"] + params["dense_1"]["bias"])[:, 0]
    p, called = 1 / (1 + np.exp(-z)), z > 0
    np.testing.assert_allclose(rows.probability[:, 1], p, rtol=1e-12)

    counts = [[int(np.sum((truth == a) & (called == b))) for b in (0, 1)] for a in (0, 1)]
    assert found.table("disease \\ predicted") == [
        ["no", *map(str, counts[0])], ["yes", *map(str, counts[1])],
    ]  # fmt: skip
    pairs = [(p[i] > p[j]) + 0.5 * (p[i] == p[j])
             for i, j in product(np.flatnonzero(truth), np.flatnonzero(~truth))]  # fmt: skip
    assert f"{heart.main.name} {np.mean(pairs):.3f} ± " in found.words
    error = 0.0
    for b in range(10):
        mine = np.minimum((p * 10).astype(int), 9) == b
        if mine.any():
            error += mine.mean() * abs(truth[mine].mean() - p[mine].mean())
    assert f"Expected calibration error: {error:.3f}." in found.words
    precision = counts[1][1] / (counts[0][1] + counts[1][1])
    assert found.table("class", "held-out rows")[1][:3] == [
        "yes", str(int(truth.sum())), f"{precision:.1%}",
    ]  # fmt: skip
    right = np.mean(called == truth)
    spread = np.sqrt(right * (1 - right) / (len(truth) - 1))
    assert f"is right about disease for {right:.1%} ± {spread:.1%} of 68" in found.words

    columns = {row[0]: row for row in found.table("column", "read as")}
    assert columns["age"] == ["age", "number", "0", "1", "29 to 77, median 55, mean 54.43"]
    assert columns["sex"][4] == "male 68%, female 32%"
    assert found.table("disease", "training", "held out")[1][1:4] == ["90", "30", "120"]
    curves = [t[1:] for t in found.tables if t[0] == ["epoch", "training", "held-out"]]
    assert len(curves) == 4  # loss and accuracy of both models
    for record, loss, accuracy in zip(heart.main.history, *curves[2:], strict=True):
        assert float(loss[2]) == pytest.approx(record["val_loss"], abs=6e-5)
        assert accuracy[1] == f"{record['accuracy']:.1%}"
    assert "chainrule train heart --target disease --epochs 30" in found.words
    assert "dL/dw" in found.words


def test_the_gradients_drawn_are_those_of_the_training(heart: Work, heart_page: str) -> None:
    """Before the training and after the last epoch, by the formula of the logistic loss."""
    monitor = heart.main.watchers[0]
    found = Page(heart_page)
    shown = next(t for t in found.tables if t[0] == ["epochs", "dense", "dense_1"])
    assert [row[0] for row in shown[1:]] == [str(e) for e in monitor.epochs] == [
        str(e) for e in range(0, 31, 2)
    ]  # fmt: skip
    last = monitor.records[-1]["dense_1"].gradient_rms
    assert float(shown[-1][2]) == pytest.approx(last, rel=1e-3)
    params, study = heart.main.model.params, heart.study
    hidden = np.maximum(study.train.x @ params["dense"]["kernel"] + params["dense"]["bias"], 0)
    z = hidden @ params["dense_1"]["kernel"] + params["dense_1"]["bias"]
    slope = 1 / (1 + np.exp(-z)) - study.train.y  # of a row's loss by its logit
    # The monitor looks at 128 of the 202 rows.
    assert last == pytest.approx(np.sqrt(np.mean(slope**2)), rel=0.25)


def test_names_that_are_markup_stay_text(hostile: Work) -> None:
    found = check(page(hostile))
    for name in HOSTILE.values():
        assert name in found.words
    assert "</td>A" in found.words
    assert "&ltB" in found.words
    heading = f"{HOSTILE['y']} \\ predicted"
    rows, classes = hostile.predictions[hostile.main.name], hostile.study.target.classes
    for k, line in enumerate(found.table(heading)):
        counted = [int(np.sum((rows.truth == k) & (rows.found == j))) for j in range(3)]
        assert line == [classes[k], *map(str, counted)]
    assert "start 2" in found.words
    assert ("Clipped gradients" in found.words) == any(
        record["clipped_share"] > 0 for m in hostile.models for record in m.history
    )


def test_numbers(houses: Work) -> None:
    found = check(page(houses))
    study, rows = houses.study, houses.predictions[houses.main.name]
    errors = rows.truth - rows.found
    rmse = np.sqrt(np.mean(errors**2))
    error = np.std(errors**2, ddof=1) / np.sqrt(len(errors)) / (2 * rmse)
    scores = {row[0]: row for row in found.table("", "RMSE")}
    digits = 1 - int(np.floor(np.log10(error)))
    assert scores[houses.main.name][1] == f"{rmse:.{digits}f} ± {error:.{digits}f}"
    assert scores["training mean"][3].startswith("-") or scores["training mean"][3][:4] == "0.00"
    missing = sum(int(p.table.missing("size").sum()) for p in (study.train, study.test))
    assert missing > 0
    columns = {row[0]: row for row in found.table("column", "read as")}
    assert columns["size"][2:4] == [str(missing), "2"]
    assert columns["place"][1] == "3 categories"
    counted = [int(row[1]) + int(row[2]) for row in found.table("price", "training")]
    assert sum(counted) == 120
    assert len(found.table("predicted", "true")) == len(errors)
    assert f"The largest error is {errors[np.argmax(np.abs(errors))]:.2f}" in found.words


def test_the_same_run_gives_the_same_page(heart: Work, heart_page: str) -> None:
    from chainrule.data import load_heart

    again = run(load_heart(), "Statlog (Heart)", target="disease", data="heart", epochs=30)
    assert page(again) == heart_page


def test_watching_changes_nothing(heart: Work) -> None:
    from chainrule.train import train_models

    plain = list(train_models(heart.study))
    for one, other in zip(plain, heart.models, strict=True):
        assert one.history == other.history
        for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
            assert np.array_equal(a, b)


def test_the_linear_model_alone_and_few_epochs() -> None:
    from chainrule.data import load_heart

    work = run(load_heart(), "heart", target="disease", layers=(), epochs=2)
    found = check(page(work))
    assert "2 epochs are too few" in found.words
    assert "chainrule train --config settings.toml" in found.words
    assert "chainrule train heart" not in found.words  # the settings do not name the data


def test_interrupted_in_the_first_epoch(heart: Work) -> None:
    from chainrule.train import train_models
    from chainrule.train.callbacks import Callback

    class Stops(Callback):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            raise KeyboardInterrupt

    models = list(train_models(
        heart.study, watch=lambda name: [Stops()] if name.startswith("network") else []
    ))  # fmt: skip
    assert models[-1].interrupted
    assert models[-1].history == []
    found = check(page(Work(heart.study, heart.baseline, models, "heart", "patient")))
    assert "interrupted before the end of its first epoch" in found.words
    assert f"{heart.main.name} (interrupted)" in found.words


@pytest.mark.parametrize("data", ["xor", "blobs"])
def test_generated_data_with_deep_networks(data: str) -> None:
    from chainrule.data.bundled import load

    work = run(
        load(data), data, target="class", data=data, layers=(8, 8, 8), batch_norm=True, epochs=6,
        schedule="cosine", activation="tanh", dropout=0.1,
    )  # fmt: skip
    found = check(page(work))
    assert "batch_normalization_2" in found.words
    rates = [float(row[1]) for row in found.table("epochs", "learning rate")]
    # Half a cosine down to 0, over six epochs.
    first = work.study.learning_rate
    expected = [0.5 * first * (1 + np.cos(np.pi * k / 6)) for k in range(7)]
    assert rates == pytest.approx(expected, rel=1e-3, abs=1e-12)
