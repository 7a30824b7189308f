"""Arguments of optimizers, schedules and `minimize`: which are refused, and in what words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.elementary.base import is_traced, shape_of, value_of
from chainrule.errors import ArgumentError, NotDifferentiableError, TreeError, code_line
from chainrule.tracing import flatten, paths_of


def users_line() -> str:
    """The nearest line outside this library.

    By module and not by file, because the ``__init__`` of a dataclass has no file.
    """
    frame = sys._getframe(1)
    while frame.f_globals.get("__name__", "").split(".")[0] == "chainrule":
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    return code_line(frame.f_code, frame.f_lasti)


def number(name: str, x: Any, *, allow: Callable[[float], bool], must: str, remedy: str) -> None:
    """Refuse what is not a finite number in the allowed range; traced numbers are numbers."""
    value = value_of(x)
    real = isinstance(value, (int, float, np.integer, np.floating)) or (
        isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iuf"
    )
    if (
        not real
        or isinstance(value, (bool, np.bool_))
        or not np.isfinite(value)
        or not allow(float(value))
    ):
        raise ArgumentError(
            f"{name} must be {must}", got=f"{name}={value!r}", line=users_line(), remedy=remedy
        )


def learning_rate(x: Any) -> None:
    if hasattr(x, "observe"):
        raise ArgumentError(
            "a rate that drops on a plateau is no schedule of the step number",
            got=f"learning_rate={x!r}",
            line=users_line(),
            remedy="in fit use the callback ReduceLROnPlateau; in a loop of one's own "
            "update(…, learning_rate=state.learning_rate) with the state of observe",
        )
    if not callable(x) or isinstance(x, type):  # a class makes schedules and is none
        number(
            "learning_rate", x, allow=lambda v: v >= 0, must="a number ≥ 0 or a schedule",
            remedy="descent is built in: a positive rate such as 0.01, or a callable of the step",
        )  # fmt: skip


def fraction(name: str, x: Any) -> None:
    """Decay rates: at 1 nothing is ever forgotten, and the method diverges."""
    if not callable(x):
        number(
            name, x, allow=lambda v: 0 <= v < 1, must="in [0, 1)",
            remedy=f"{name}=0.9 remembers about ten steps, {name}=0 none",
        )  # fmt: skip


def not_negative(name: str, x: Any) -> None:
    number(
        name, x, allow=lambda v: v >= 0, must="a number ≥ 0",
        remedy=f"{name}=0 leaves it out",
    )  # fmt: skip


def positive(name: str, x: Any) -> None:
    number(
        name, x, allow=lambda v: v > 0, must="a number > 0",
        remedy=f"give {name} a positive value",
    )  # fmt: skip


def whole(name: str, x: Any, least: int) -> None:
    if isinstance(x, bool) or not isinstance(x, (int, np.integer)) or x < least:
        raise ArgumentError(
            f"{name} must be a whole number ≥ {least}",
            got=f"{name}={x!r}",
            line=users_line(),
            remedy=f"{name}={max(least, 10)}, for example",
        )


def choice(name: str, x: Any, allowed: Sequence[str]) -> None:
    """Refuse an unknown name, and say which one is nearest."""
    if isinstance(x, str) and x in allowed:
        return
    from difflib import get_close_matches

    near = get_close_matches(x.lower(), allowed, 1, 0.5) if isinstance(x, str) else []
    listed = ", ".join(repr(a) for a in allowed)
    raise ArgumentError(
        f"unknown {name}",
        got=f"{name}={x!r}",
        line=users_line(),
        remedy=f"did you mean {near[0]!r}? There are {listed}" if near else f"choose from {listed}",
    )


def parameters(tree: Any, name: str) -> None:
    """Refuse a tree with no leaves, and leaves that are not floating-point numbers."""
    leaves, _ = flatten(tree)
    if not any(np.size(value_of(leaf)) for leaf in leaves):
        raise ArgumentError(
            f"{name} holds no numbers",
            got=repr(tree),
            line=users_line(),
            remedy="pass an array, a number, or a container of them",
        )
    for i, leaf in enumerate(leaves):
        value = value_of(leaf)
        if type(value) is float or (type(value) is int and not isinstance(value, bool)):
            continue
        if isinstance(value, (np.ndarray, np.floating)) and value.dtype.kind == "f":
            continue
        path = paths_of(tree, name)[i]
        kind = (
            f"an array of {value.dtype}, shape {value.shape}"
            if isinstance(value, np.ndarray)
            else f"{type(value).__name__}: {value!r}"
        )
        raise NotDifferentiableError(
            f"{path} cannot be optimized: it is not made of floating-point numbers",
            got=kind[:200],
            line=users_line(),
            remedy=f"convert it: {path}.astype(float)"
            if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "iub"
            else "keep settings and labels outside of the tree that is optimized",
        )


def same_tree(params: Any, other: Any, what: str) -> tuple[list[Any], list[Any], Any]:
    """(leaves of the parameters, leaves of the other tree, structure); refused if they differ.

    States may hold one number for a whole array.
    """
    leaves, spec = flatten(params)
    others, found = flatten(other)
    if spec != found:
        mine, theirs = paths_of(params, "params"), paths_of(other, "params")
        missing = [path for path in mine if path not in theirs]
        extra = [path for path in theirs if path not in mine]
        got = "; ".join(
            [f"nothing for {', '.join(missing[:3])}"] * bool(missing)
            + [f"something for {', '.join(extra[:3])}, which is no parameter"] * bool(extra)
        )
        raise TreeError(
            f"the {what} are not a tree like the parameters",
            got=got or f"{found} instead of {spec}",
            line=users_line(),
            remedy="pass what cr.grad returns for these parameters, with the same containers, "
            "keys and lengths",
        )
    for i, (p, o) in enumerate(zip(leaves, others, strict=True)):
        if shape_of(p) != shape_of(o) and not (what == "states" and shape_of(o) == ()):
            raise TreeError(
                f"the {what} differ in shape from {paths_of(params, 'params')[i]}",
                got=f"shape {shape_of(o)} instead of {shape_of(p)}",
                line=users_line(),
                remedy="one number for each number of the parameter; for a batch of gradients "
                "take the mean over its axis",
            )
    return leaves, others, spec


def scheduled(schedule: Any, x: Any) -> Any:
    """What a schedule returned, as `plain` has it; refused if it is no number."""
    try:
        return plain(x)
    except (TypeError, ValueError):
        raise ArgumentError(
            "a schedule must return one number",
            got=f"{x!r}"[:200] + f" from {schedule!r}",
            line=users_line(),
            remedy="return a Python float, such as 0.1 * 0.5 ** (step // 1000)",
        ) from None


def plain(x: Any) -> Any:
    """A traced number as it is; any other as a Python float, which keeps float32 arrays so."""
    return x if is_traced(x) else float(x)
