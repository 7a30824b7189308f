"""`loss_slice`: the loss along a line or over a plane through the parameters."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.diagnose.curvature import Curvature, curvature
from chainrule.diagnose.directions import coordinates, filter_normalised, path_points, principal
from chainrule.diagnose.objectives import Engine, FunctionLoss, NetworkLoss, loss_of
from chainrule.errors import ArgumentError
from chainrule.insight.shown import Shown
from chainrule.nn.naming import user_line
from chainrule.records import dataclass
from chainrule.train.using import whole_number

Array = NDArray[np.float64]

MARGIN = 0.15  # around a path, of its extent
VALUES = 5  # of the loss in the time of one Hessian product, about
KINDS = ("random", "path", "hessian")


@dataclass(frozen=True)
class LossSlice(Shown):
    """The loss at θ + Σ aᵢ dᵢ. `plot` draws it.

    Attributes:
        title: the model, or the function.
        along: what the directions are: "random", "path", "hessian" or "given".
        axes: the coordinates a along each direction, one array for each.
        losses: shape (points,), or (points, points) with ``losses[j, i]`` at
            ``(axes[0][i], axes[1][j])``, as contour plots want it.
        centre: the loss at θ, where all coordinates are 0.
        directions: d₁ and d₂, each a tree like the parameters.
        labels: what each is, in words.
        path: the path in these coordinates, shape (records, 1 or 2); None without one.
        explained: the share of the path's variance that lies in the line or plane; None without
            a path. Where it is small the picture shows the path's shadow, not the path.
    """

    title: str
    along: str
    axes: tuple[Array, ...]
    losses: Array
    centre: float
    directions: tuple[Any, ...] = field(repr=False)
    labels: tuple[str, ...]
    path: Array | None = field(repr=False, default=None)
    explained: float | None = None

    def __str__(self) -> str:
        known = self.losses[np.isfinite(self.losses)]
        size = " × ".join(str(n) for n in self.losses.shape)
        lines = [
            f"loss of {self.title} at {size} points around it; {self.centre:.6g} in the middle",
            *(f"  axis {k + 1}: {label}, from {a[0]:.3g} to {a[-1]:.3g}"
              for k, (label, a) in enumerate(zip(self.labels, self.axes, strict=True))),
        ]  # fmt: skip
        if known.size:
            lowest = np.unravel_index(np.nanargmin(self._finite()), self.losses.shape)[::-1]
            at = ", ".join(f"{a[i]:.3g}" for a, i in zip(self.axes, lowest, strict=True))
            lines.append(f"  lowest: {known.min():.6g} at ({at}); highest: {known.max():.6g}")
        if known.size < self.losses.size:
            lines.append(f"  {self.losses.size - known.size} points are not finite")
        if self.explained is not None:
            lines.append(f"  of the path's variance {self.explained:.1%} lies in it")
        return "\n".join(lines)

    def _finite(self) -> Array:
        return np.where(np.isfinite(self.losses), self.losses, np.nan)

    def plot(self, ax: Any = None) -> Any:
        """The curve, or the contours with the path; see `plot_slice`."""
        from chainrule.diagnose.curvature_plots import plot_slice

        return plot_slice(self, ax)


def loss_slice(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    along: Any = None,
    path: Any = None,
    dimensions: int = 2,
    extent: float | None = None,
    points: int = 25,
    sample_weight: Any = None,
    batch_size: int | None = None,
    training: bool = False,
    jit_compile: Engine = "auto",
    seed: int = 0,
) -> LossSlice:
    """The loss along a line or over a plane through the present parameters.

    Args:
        model: compiled, with data x, y (batches from a function too); or a function of a tree,
            with its point x.
        along: "random": filter-normalised random directions, in which a coordinate of 1 changes
            each unit's weights by their own length; "path": the directions in which the path varies
            most; "hessian": those of the largest curvatures in size; a `Curvature`, to use what is
            known; or trees like the parameters, one for each dimension. By default "path" if there
            is one, else "random".
        path: a `Trajectory` from `fit`, or a recorded result of `minimize`, to draw in the picture.
        dimensions: 1 or 2.
        extent: the coordinates go from −extent to extent. By default 1 for random directions, the
            path and a margin, or so far that the curvature alone would raise the loss fourfold.
        points: along each axis.
        sample_weight, batch_size, training, jit_compile: as for `curvature`.
        seed: of random directions.

    Returns:
        A :class:`LossSlice`.

    Raises:
        ArgumentError: "path" without a path, or a path of other parameters.

    A plane shows two of many dimensions: a valley in it may be a saddle beside it. The principal
    axes of a path explain much of it even for a random walk, so that a high share is no sign of a
    simple landscape (Antognini & Sohl-Dickstein, NeurIPS 2018).

    >>> import chainrule as cr
    >>> bowl = cr.minimize(lambda w: w[0]**2 + 10 * w[1]**2, np.array([1.0, 1.0]), optimizer="sgd",
    ...                    steps=20, record=True)
    >>> seen = loss_slice(lambda w: w[0]**2 + 10 * w[1]**2, bowl.x, path=bowl, points=5)
    >>> seen.losses.shape, round(seen.explained, 6)
    ((5, 5), 1.0)

    Source: Goodfellow, Vinyals & Saxe, "Qualitatively characterizing neural network optimization
    problems", ICLR 2015; Li et al., NeurIPS 2018.
    """
    if dimensions not in (1, 2):
        raise ArgumentError(
            "a slice is a line or a plane",
            got=f"dimensions={dimensions!r}",
            line=user_line(),
            remedy="dimensions=1 or dimensions=2",
        )
    points = whole_number("points", points, 2)
    if extent is not None and not 0.0 < float(extent) < float("inf"):
        raise ArgumentError(
            "extent is how far a slice goes to both sides",
            got=f"extent={extent!r}",
            line=user_line(),
            remedy="give a positive number, such as 1.0",
        )
    options = {"sample_weight": sample_weight, "batch_size": batch_size, "training": training,
               "jit_compile": jit_compile, "seed": seed}  # fmt: skip
    loss = loss_of(model, x, y, expected=points**dimensions // VALUES, **options)
    walked = None if path is None else path_points(path, loss.shapes)
    kind = along if along is not None else "path" if walked is not None else "random"
    name, vectors, labels, reach = _directions(
        kind, loss, walked, dimensions, seed, lambda: curvature(model, x, y, **options)
    )
    inside, explained = None, None
    if walked is not None:
        inside, explained = coordinates(walked, loss.point, vectors)
    axes = _axes(extent, reach, inside if name == "path" else None, points, dimensions)
    grids = np.meshgrid(*axes)
    places = np.stack([np.ravel(g) for g in grids], axis=1)
    losses = np.array([loss.value(loss.point + vectors @ a) for a in places])
    return LossSlice(
        loss.title, name, axes, losses.reshape(grids[0].shape), loss.value(loss.point),
        tuple(loss.tree(v) for v in vectors.T), labels, inside, explained,
    )  # fmt: skip


def _directions(
    kind: Any, loss: FunctionLoss | NetworkLoss, walked: Array | None, count: int, seed: int,
    curved: Any,
) -> tuple[str, Array, tuple[str, ...], float]:  # fmt: skip
    """(name, vectors of shape (n, count), labels, how far to go)."""
    if len(loss.point) < count:
        raise ArgumentError(
            "a plane needs two parameters or more",
            got=f"{len(loss.point)} parameter",
            line=user_line(),
            remedy="dimensions=1",
        )
    if isinstance(kind, str) and kind == "random":
        vectors = filter_normalised(loss.point, loss.paths, loss.shapes, count, seed)
        return kind, vectors, ("random direction",) * count, 1.0
    if isinstance(kind, str) and kind == "path":
        if walked is None:
            raise ArgumentError(
                "there is no path whose directions to take",
                got="along='path' without path=…",
                line=user_line(),
                remedy="give fit a callback path = cr.Trajectory(), and then path=path",
            )
        vectors, shares = principal(walked, count)
        labels = tuple(f"principal axis {k + 1} of the path ({share:.1%})"
                       for k, share in enumerate(shares))  # fmt: skip
        return kind, vectors, labels, 1.0
    if isinstance(kind, Curvature) or (isinstance(kind, str) and kind == "hessian"):
        found = kind if isinstance(kind, Curvature) else curved()
        order = np.argsort(-np.abs(found.eigenvalues), kind="stable")[:count]
        bend = float(np.abs(found.eigenvalues[order[0]]))
        reach = float(np.sqrt(2.0 * 3.0 * abs(found.loss) / bend)) if bend and found.loss else 1.0
        labels = tuple(f"Hessian direction, λ = {found.eigenvalues[k]:.4g}" for k in order)
        return "hessian", found.eigenvectors[:, order], labels, reach
    if isinstance(kind, str):
        raise ArgumentError(
            "unknown directions",
            got=f"along={kind!r}",
            line=user_line(),
            remedy=f"one of {', '.join(map(repr, KINDS))}, a Curvature, or trees like the "
            "parameters",
        )
    given = list(kind) if isinstance(kind, (tuple, list)) else [kind]
    columns = [loss.vector(tree) for tree in given]
    if len(given) != count or any(len(v) != len(loss.point) for v in columns):
        raise ArgumentError(
            f"a slice of {count} dimensions takes {count} directions like the parameters",
            got=f"{len(given)} of sizes {', '.join(str(len(v)) for v in columns)}",
            line=user_line(),
            remedy=f"give trees of {len(loss.point)} numbers, such as cr.grad(f)(x)",
        )
    return "given", np.stack(columns, axis=1), ("given direction",) * count, 1.0


def _axes(
    extent: float | None, reach: float, path: Array | None, points: int, dimensions: int
) -> tuple[Array, ...]:
    """The coordinates along each direction."""
    found = []
    for k in range(dimensions):
        low, high = (-reach, reach) if extent is None else (-extent, extent)
        if extent is None and path is not None:
            low, high = min(path[:, k].min(), 0.0), max(path[:, k].max(), 0.0)
            margin = MARGIN * (high - low)
            low, high = low - margin, high + margin
        found.append(np.linspace(low, high, points))
    return tuple(found)
