"""chainrule's models and scikit-learn's on the heart data, on the same folds and features.

Repeated stratified cross-validation; encoding and scaling are fitted on each fold's training part.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from chainrule import nn
from chainrule.optim import kernels_only

Array = NDArray[Any]
Predict = Callable[[Array], Array]
FOLDS, REPEATS = 5, 5


@dataclass(frozen=True)
class Paired:
    """A mean difference over the folds, with its standard error."""

    mean: float
    error: float

    @property
    def t(self) -> float:
        return self.mean / self.error if self.error else 0.0


def corrected(differences: Array, test_share: float) -> Paired:
    """Mean and corrected standard error of paired differences over resampled folds.

    s² (1/k + n_test/n_train): folds share training rows and so are not independent, and the plain
    s²/k would be far too small (Nadeau & Bengio, "Inference for the generalization error", Machine
    Learning 52, 2003). Student's t with k − 1 degrees of freedom.

    Args:
        differences: one for each fold of each repetition, shape (k,).
        test_share: n_test/n_train.
    """
    variance = np.var(differences, ddof=1) * (1 / len(differences) + test_share)
    return Paired(float(np.mean(differences)), float(np.sqrt(variance)))


def folds(y: Array) -> Iterator[tuple[Array, Array]]:
    """Training and test rows of every fold of every repetition, stratified by class."""
    for repeat in range(REPEATS):
        rng = np.random.default_rng(repeat)
        fold = np.empty(len(y), int)
        dealt = 0
        for label in np.unique(y):
            rows = rng.permutation(np.flatnonzero(y == label))
            fold[rows] = (dealt + np.arange(len(rows))) % FOLDS
            dealt += len(rows)
        for k in range(FOLDS):
            yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)


def our_logistic(x: Array, y: Array, seed: int) -> Predict:
    """Logistic regression with ½‖w‖²/n added to the mean loss: scikit-learn's C = 1."""
    optimizer = cr.optim.NesterovReformulated(1.5, 0.94, l2=1 / len(x), penalize=kernels_only)
    model = cr.Model([nn.Dense(1)])
    model.compile(optimizer, "binary_crossentropy")
    model.fit(x, y, batch_size=len(x), epochs=300, verbose=0, seed=seed)
    return lambda rows: model.predict_proba(rows).ravel()


def our_network(x: Array, y: Array, seed: int, dropout: float = 0.0) -> Predict:
    """One hidden layer of 100, as MLPClassifier has by default, with its settings."""
    l2 = 1e-4 / min(200, len(x))  # alpha over the rows of a batch
    model = cr.Model([nn.Dense(100, "relu"), nn.Dropout(dropout), nn.Dense(1)])
    model.compile(cr.optim.Adam(l2=l2, penalize=kernels_only), "binary_crossentropy")
    model.fit(x, y, batch_size=min(200, len(x)), epochs=200, verbose=0, seed=seed)
    return lambda rows: model.predict_proba(rows).ravel()


def their_logistic(x: Array, y: Array, seed: int) -> Predict:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(x, y)
    return lambda rows: model.predict_proba(rows)[:, 1]


def their_network(x: Array, y: Array, seed: int) -> Predict:
    from sklearn.neural_network import MLPClassifier

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 200 epochs are all that it does by default
        model = MLPClassifier(random_state=seed).fit(x, y)
    return lambda rows: model.predict_proba(rows)[:, 1]


MODELS: dict[str, Callable[[Array, Array, int], Predict]] = {
    "logistic": our_logistic,
    "network": our_network,
    "network, dropout 0.5": lambda x, y, seed: our_network(x, y, seed, 0.5),
    "LogisticRegression": their_logistic,
    "MLPClassifier": their_network,
}
PAIRS = [
    ("logistic", "LogisticRegression"),
    ("network", "MLPClassifier"),
    ("network, dropout 0.5", "MLPClassifier"),
    ("network, dropout 0.5", "LogisticRegression"),
]


def scores(y: Array, p: Array) -> tuple[float, float, float]:
    """Accuracy, mean log loss, and the area under the ROC curve."""
    p = np.clip(p, 1e-12, 1 - 1e-12)
    wins = p[y == 1][:, None] - p[y == 0][None, :]
    return (
        float(np.mean((p > 0.5) == y)),
        float(-np.mean(np.log(np.where(y == 1, p, 1 - p)))),
        float(np.mean((wins > 0) + 0.5 * (wins == 0))),
    )


def measured(models: dict[str, Any] = MODELS) -> dict[str, Array]:
    """For each model its scores in every fold, shape (folds, 3)."""
    table = cr.data.load_heart()
    y = np.array([c == "yes" for c in table.categories("disease")], float)
    kinds = cr.data.column_kinds(table, "disease")
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in models}
    for number, (train, test) in enumerate(folds(y)):
        encoder = cr.data.fit_encoder(table.take(train), kinds)
        x, x_test = encoder.transform(table.take(train)), encoder.transform(table.take(test))
        for name, train_model in models.items():
            predict = train_model(x, y[train], number)
            found[name].append(scores(y[test], predict(x_test)))
    return {name: np.array(rows) for name, rows in found.items()}


def compare() -> Iterator[str]:
    """A table of the models and one of the paired differences."""
    from scipy.stats import t as student

    found = measured()
    yield "| model | accuracy | log loss | AUC |"
    yield "|---|---|---|---|"
    for name, rows in found.items():
        accuracy, loss, auc = rows.mean(axis=0)
        yield f"| {name} | {accuracy:.2%} | {loss:.4f} | {auc:.4f} |"
    yield ""
    yield "| difference | accuracy, points | p | log loss | p | AUC | p |"
    yield "|---|---|---|---|---|---|---|"
    for mine, theirs in PAIRS:
        cells = [f"{mine} − {theirs}"]
        for k, (scale, digits) in enumerate([(100, 2), (1, 4), (1, 4)]):
            paired = corrected(scale * (found[mine] - found[theirs])[:, k], 1 / (FOLDS - 1))
            p = 2 * float(student.sf(abs(paired.t), FOLDS * REPEATS - 1))
            cells += [f"{paired.mean:+.{digits}f} ± {paired.error:.{digits}f}", f"{p:.2f}"]
        yield "| " + " | ".join(cells) + " |"
