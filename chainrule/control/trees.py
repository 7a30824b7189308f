"""The trees that go through branches and loops, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.array import plain_array
from chainrule.elementary.base import shape_of, value_of
from chainrule.elementary.logic import not_equal
from chainrule.errors import ArgumentError, ShapeError, TreeError, code_line
from chainrule.graph import Node, leaked, user_code
from chainrule.tracing import flatten, leaf_names, name_of


def _line() -> str:
    return code_line(*user_code(3))


def leaves_of(tree: Any, what: str) -> tuple[list[Any], Any]:
    """(leaves, structure) of a tree of numbers and arrays; Python's numbers become NumPy's.

    Raises:
        ArgumentError: a leaf is something else.
    """
    leaves, spec = flatten(tree)
    found: list[Any] = []
    for k, x in enumerate(leaves):
        if isinstance(x, Node) and x.tape.closed:
            raise leaked((x,), *user_code(3))
        if isinstance(x, Node) or (isinstance(x, np.generic) and x.dtype.kind in "fiub"):
            found.append(x)
        elif isinstance(x, np.ndarray) and x.dtype.kind in "fiub":
            found.append(plain_array(x, what))
        elif isinstance(x, (bool, int, float)):
            found.append(np.asarray(x)[()])
        else:
            raise ArgumentError(
                f"{leaf_names(spec, what)[k]} is not made of real numbers",
                got=f"{type(x).__name__}: {x!r}"[:200],
                line=_line(),
                remedy="what goes through a branch or a loop is a number, an array, or a "
                "container of them; anything else can be read from around it",
            )
    return found, spec


def kind_of(x: Any) -> str:
    """The dtype and shape of a leaf in words."""
    return f"{np.asarray(value_of(x)).dtype}{list(shape_of(x))}"


def same_carry(f: Any, before: tuple[list[Any], Any], after: tuple[list[Any], Any]) -> None:
    """Refuse a loop whose carry changes its structure, a shape or a dtype.

    Raises:
        TreeError: the containers differ.
        ShapeError: a leaf has another shape or dtype.
    """
    (old, spec), (new, other) = before, after
    if spec != other:
        raise TreeError(
            f"{name_of(f)} returns a carry of another structure than it was given",
            got=f"{_structure(other)} instead of {_structure(spec)}",
            line=_line(),
            remedy="return the carry in the same containers, with the same keys and lengths",
        )
    for k, (a, b) in enumerate(zip(old, new, strict=True)):
        if kind_of(a) != kind_of(b):
            raise ShapeError(
                f"{name_of(f)} changes the shape or dtype of the carry",
                got=f"{leaf_names(spec, 'carry')[k]} is {kind_of(a)} before a step and "
                f"{kind_of(b)} after it",
                line=_line(),
                remedy="start with an array of the shape and dtype that a step makes "
                "(np.zeros(…), 0.0 instead of 0), or convert what the step returns (.astype)",
            )


def same_branches(
    fs: Sequence[Any], one: tuple[list[Any], Any], two: tuple[list[Any], Any]
) -> None:
    """Refuse branches with results of different structures, shapes or dtypes.

    Raises:
        TreeError: the containers differ.
        ShapeError: a leaf has another shape or dtype.
    """
    (a, spec), (b, other) = one, two
    names = " and ".join(name_of(f) for f in fs)
    if spec != other:
        raise TreeError(
            f"the two branches of cond ({names}) return different structures",
            got=f"{_structure(spec)} if true and {_structure(other)} if false",
            line=_line(),
            remedy="return the same containers with the same keys and lengths from both",
        )
    for k, (x, y) in enumerate(zip(a, b, strict=True)):
        if kind_of(x) != kind_of(y):
            raise ShapeError(
                f"the two branches of cond ({names}) return different shapes or dtypes",
                got=f"{leaf_names(spec, 'result')[k]} is {kind_of(x)} if true and {kind_of(y)} "
                "if false",
                line=_line(),
                remedy="return arrays of the same shape and dtype from both (np.zeros_like, "
                ".astype, np.broadcast_to)",
            )


def _structure(spec: Any) -> str:
    return "a single array" if spec is None else str(spec)


def truth(pred: Any, what: str) -> Any:
    """A predicate as a single truth value, traced or plain.

    Raises:
        ShapeError: it is an array of several, or no number at all.
    """
    value = value_of(pred)
    if not isinstance(value, (bool, int, float, np.generic, np.ndarray)) or np.ndim(value):
        raise ShapeError(
            f"{what} must be a single truth value",
            got=kind_of(pred) if isinstance(value, np.ndarray) else f"{value!r}"[:200],
            line=_line(),
            remedy="reduce it with np.all or np.any; np.where chooses element by element",
        )
    if isinstance(pred, Node) and pred.value.dtype.kind != "b":
        return not_equal(pred, 0)
    return pred if isinstance(pred, Node) else np.bool_(value)


def length_of(xs: Sequence[Any], spec: Any, length: Any) -> int:
    """The number of steps of a scan.

    Raises:
        ArgumentError: nothing tells the number, or it is none.
        ShapeError: the xs tell different numbers.
    """
    if length is not None and (
        isinstance(length, bool) or not isinstance(length, (int, np.integer)) or length < 0
    ):
        raise ArgumentError(
            "the length of a scan is a whole number, known when it is traced",
            got=f"a traced value ('{length.name}')" if isinstance(length, Node) else repr(length),
            line=_line(),
            remedy="give a Python int, or repeat with cr.while_loop while a condition holds",
        )
    if not xs and length is None:
        raise ArgumentError(
            "nothing says how many steps the scan has",
            got="no arrays in xs and no length",
            line=_line(),
            remedy="pass length=…",
        )
    names = leaf_names(spec, "xs") if xs else []
    for x, name in zip(xs, names, strict=True):
        if not shape_of(x):
            raise ShapeError(
                f"{name} has no axis to scan along",
                got="a single number",
                line=_line(),
                remedy="each leaf of xs has the steps along its first axis; what is the same in "
                "every step can be read from around the function",
            )
    found = {shape_of(x)[0] for x in xs} | (set() if length is None else {int(length)})
    if len(found) > 1:
        words = [f"{name} has {shape_of(x)[0]}" for x, name in zip(xs, names, strict=True)]
        words += [] if length is None else [f"length is {length}"]
        raise ShapeError(
            "the leaves of xs have different numbers of steps",
            got=", ".join(words),
            line=_line(),
            remedy="give all of them the same length along the first axis",
        )
    return int(found.pop())


def block_size(checkpoint: Any) -> int | None:
    """The number of steps from one value that is kept to the next; None for every step.

    Raises:
        ArgumentError: it is no whole number of 1 or more.
    """
    if checkpoint is None:
        return None
    whole = isinstance(checkpoint, (int, np.integer)) and not isinstance(checkpoint, bool)
    if not whole or checkpoint < 1:
        raise ArgumentError(
            "checkpoint of while_loop is the number of steps from one kept value to the next",
            got=repr(checkpoint),
            line=_line(),
            remedy="give a whole number, about the root of the number of steps",
        )
    return int(checkpoint)


__all__ = [
    "block_size",
    "kind_of",
    "leaves_of",
    "length_of",
    "same_branches",
    "same_carry",
    "truth",
]
