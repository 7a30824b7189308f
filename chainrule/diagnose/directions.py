"""Directions to look along from a point of the loss: random, of a path, of the Hessian."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ArgumentError
from chainrule.nn.naming import user_line
from chainrule.tracing import flatten

Array = NDArray[np.float64]


def filter_normalised(
    point: Array, paths: Sequence[str], shapes: Sequence[tuple[int, ...]], count: int, seed: int
) -> Array:
    """Random directions in which each filter is as long as the network's own, shape (n, count).

    dᵢⱼ ← dᵢⱼ ‖θᵢⱼ‖/‖dᵢⱼ‖ for the weights of each unit j of layer i, and 0 for parameters of one
    axis (biases, the scales of normalisation). With relu the same network has many sizes of
    weights; so measured, slices of different networks can be compared. Where no parameter has two
    axes (a function of a vector) the whole vector is the filter.

    Source: Li, Xu, Taylor, Studer & Goldstein, "Visualizing the loss landscape of neural nets",
    NeurIPS 2018, section 4.
    """
    rng = np.random.default_rng(seed)
    ends = np.cumsum([0, *(int(np.prod(s)) for s in shapes)])
    found = np.zeros((len(point), count))
    for k in range(count):
        for i, (path, shape) in enumerate(zip(paths, shapes, strict=True)):
            own = point[ends[i] : ends[i + 1]].reshape(shape)
            drawn = rng.standard_normal(shape)
            if len(shape) < 2:
                continue
            # A unit's weights are a column; of an embedding each row is one.
            axes = (-1,) if path.endswith("['embeddings']") else tuple(range(len(shape) - 1))
            length = np.sqrt(np.sum(drawn**2, axis=axes, keepdims=True))
            drawn *= np.sqrt(np.sum(own**2, axis=axes, keepdims=True)) / length
            found[ends[i] : ends[i + 1], k] = np.ravel(drawn)
        if not any(len(shape) >= 2 for shape in shapes):
            whole = rng.standard_normal(len(point))
            length = float(np.linalg.norm(point)) or 1.0
            found[:, k] = whole * length / np.linalg.norm(whole)
    return found


def principal(points: Array, count: int) -> tuple[Array, Array]:
    """(directions, shares): the axes along which a path varies most, and how much each explains.

    The singular vectors of the points less their mean, shape (n, count), pointing the way that
    the path goes; the share of the path's variance along each, of length count.

    Source: Lorch, "Visualizing deep network training trajectories with PCA" (2016); Li et al.
    (2018), section 7.2.
    """
    centred = points - points.mean(axis=0)
    values, vectors = np.linalg.eigh(centred @ centred.T)  # as many rows as records, not as n
    order = np.argsort(-values)[:count]
    total = float(np.trace(centred @ centred.T))
    kept = values[order]
    if len(kept) < count or kept[-1] <= 1e-14 * total or not total:
        raise ArgumentError(
            f"the path does not span {count} directions",
            got=f"{len(points)} points" + (", all the same" if not total else ", on a line"),
            line=user_line(),
            remedy="record more points, choose other directions"
            + (", or look along the line: dimensions=1" if total and count > 1 else ""),
        )
    directions: Array = centred.T @ vectors[:, order] / np.sqrt(kept)
    forward = (points[-1] - points[0]) @ directions
    directions[:, forward < 0.0] *= -1.0
    return directions, np.asarray(kept / total, np.float64)


def path_points(path: Any, shapes: Sequence[tuple[int, ...]]) -> Array:
    """The points of a path, shape (records, n).

    Args:
        path: a `Trajectory`, or what `minimize(record=True)` has recorded: the result, or its tree
            whose arrays have a first axis for the steps.
        shapes: of the parameters.
    """
    if hasattr(path, "points"):
        points = np.asarray(path.points, np.float64)
    else:
        tree = path.path if hasattr(path, "path") else path
        leaves = [np.asarray(leaf, np.float64) for leaf in flatten(tree)[0]] if tree is not None \
            else []  # fmt: skip
        if len(leaves) == 1 and leaves[0].ndim == 2 and leaves[0].shape[1] == _count(shapes):
            points = leaves[0]
        elif [leaf.shape[1:] for leaf in leaves] == [tuple(s) for s in shapes]:
            points = np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], axis=1)
        else:
            points = np.zeros((0, 0))
    if points.ndim != 2 or points.shape[1] != _count(shapes) or len(points) < 2:
        raise ArgumentError(
            "the path has to be one of these parameters, with two points or more",
            got=f"points of shape {points.shape} for {_count(shapes)} parameters",
            line=user_line(),
            remedy="give path=cr.Trajectory() that was a callback of fit, or the result of "
            "cr.minimize(…, record=True)",
        )
    return points


def coordinates(points: Array, centre: Array, directions: Array) -> tuple[Array, float]:
    """Points in a plane's coordinates (least squares), and the share of variance it explains."""
    inside = np.linalg.lstsq(directions, (points - centre).T, rcond=None)[0].T
    centred = points - points.mean(axis=0)
    seen = (inside - inside.mean(axis=0)) @ directions.T
    total = float(np.sum(centred**2))
    return np.asarray(inside, np.float64), float(np.sum(seen**2)) / total if total else 0.0


def _count(shapes: Sequence[tuple[int, ...]]) -> int:
    return sum(int(np.prod(s)) for s in shapes)
