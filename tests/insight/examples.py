"""Tables that several tests look at: the lecture's logistic loss, and a small network."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from chainrule.insight.table import Table


def loss(W: Any, x: Any, y: Any) -> Any:
    p = 1 / (1 + np.exp(-W * x))
    return -(y * np.log(p) + (1 - y) * np.log(1 - p)), {"p": p}


def table(mode: str = "both", wrt: Any = "W", at: tuple[Any, ...] = (3, 3, 1)) -> Table:
    return cr.trace(loss, has_aux=True)(*at).table(mode, wrt)


def by_formula(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["formula"] or row["name"]: row for row in rows}


def network(params: Any, X: Any, t: Any) -> Any:
    h = np.tanh(X @ params["w"] + params["b"])
    return ((h - t) ** 2).mean()


def network_table(mode: str = "both", wrt: Any = "params") -> Table:
    rng = np.random.default_rng(0)
    params = {"w": rng.standard_normal((3, 2)), "b": np.zeros(2)}
    return cr.trace(network)(params, rng.standard_normal((4, 3)), np.ones((4, 2))).table(mode, wrt)
