"""Writes the figures of scikit-learn and PyTorch that the tests beside it compare with.

Run by hand, from the root of the repository, in an environment that has both:

    PYTHONPATH=. python tests/claims/reference/figures.py

The tests read the JSON file beside this script and need neither library.
"""

from __future__ import annotations

import json
import platform
import warnings
from pathlib import Path

import numpy as np
import sklearn
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier

import chainrule as cr
from tests.claims.same_start import CNN, MLP, batches, start, torch_layout

HERE = Path(__file__).parent
FOLDS = 5


def heart() -> dict:
    """Log loss and accuracy of each fold, on the inputs that `fit_encoder` makes."""
    table = cr.data.load_heart()
    y = np.array([c == "yes" for c in table.categories("disease")], float)
    kinds = cr.data.column_kinds(table, "disease")
    fold = np.empty(len(y), int)
    parts = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(y[:, None], y)
    scores = {"LogisticRegression": [], "MLPClassifier": []}
    for k, (train, test) in enumerate(parts):
        fold[test] = k
        encoder = cr.data.fit_encoder(table.take(train), kinds)
        x, x_test = encoder.transform(table.take(train)), encoder.transform(table.take(test))
        for model in (LogisticRegression(tol=1e-10), MLPClassifier(random_state=0)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # 200 epochs are its default
                p = model.fit(x, y[train]).predict_proba(x_test)[:, 1]
            loss = -np.mean(np.log(np.where(y[test] == 1, p, 1 - p)))
            scores[type(model).__name__].append([float(loss), float(np.mean((p > 0.5) == y[test]))])
    return {"fold": fold.tolist(), "scores": scores}


def losses(kind: str) -> list[float]:
    """The loss of each step in PyTorch."""
    t = torch.nn
    if kind == MLP:
        net = t.Sequential(
            t.Flatten(), t.Linear(196, 24), t.BatchNorm1d(24), t.ReLU(), t.Linear(24, 10)
        )
        rule = torch.optim.SGD
        options = {"lr": 0.05, "momentum": 0.9}
    else:
        net = t.Sequential(
            t.Conv2d(1, 4, 3), t.ReLU(), t.MaxPool2d(2), t.Flatten(), t.Linear(144, 10)
        )
        rule, options = torch.optim.Adam, {"lr": 0.01}
    net = net.double()
    weights = iter(torch_layout(kind, start(kind)))
    with torch.no_grad():
        for layer in net:
            if isinstance(layer, (t.Linear, t.Conv2d)):
                layer.weight.copy_(torch.from_numpy(next(weights).copy()))
                layer.bias.zero_()
    optimizer = rule(net.parameters(), **options)
    found = []
    for x, y in batches():
        images = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
        loss = t.functional.cross_entropy(net(images), torch.from_numpy(y.astype(np.int64)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


if __name__ == "__main__":
    figures = {
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "torch": torch.__version__,
        },
        "heart": heart(),
        "losses": {kind: losses(kind) for kind in (MLP, CNN)},
    }
    text = json.dumps(figures)
    (HERE / "figures.json").write_text(text + "\n", encoding="utf-8")
