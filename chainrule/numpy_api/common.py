"""What the NumPy functions share: reading arguments that may be traced, nested lists, keys."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.elementary.base import is_traced, shape_of, value_of
from chainrule.elementary.shaping import broadcast_to, concatenate, reshape
from chainrule.errors import ArgumentError, AssignmentError, BranchError, code_line
from chainrule.graph import Node, user_code


def array_of(x: Any) -> Any:
    """Nested lists and tuples as one array; traced where any element is."""
    if not isinstance(x, (list, tuple)):
        return x
    parts = [array_of(part) for part in x]
    if not any(is_traced(part) for part in parts):
        return np.array(parts)
    shapes = {shape_of(part) for part in parts}
    if len(shapes) > 1:
        raise ArgumentError(
            "a list of traced values with different shapes is not an array",
            got=f"shapes {', '.join(map(str, sorted(shapes)))}",
            line=code_line(*user_code(2)),
            remedy="np.concatenate joins arrays of different lengths",
        )
    return concatenate(*(reshape(part, shape=(1, *shape_of(part))) for part in parts), axis=0)


def arrays(xs: Any) -> list[Any]:
    """The members of a sequence of arrays, or the rows of one traced array."""
    return [array_of(x) for x in xs]


def plain_key(key: Any) -> Any:
    """An index with traced integers and masks replaced by their values.

    Positions have no derivative, so nothing is lost. Arrays are copied: the graph reads the index
    again in the backward pass, when the caller may have changed them.
    """
    if isinstance(key, tuple):
        return tuple(plain_key(part) for part in key)
    if isinstance(key, Node):
        decided(key, "the bounds of a slice")
        key = key.value
    if isinstance(key, list):
        return np.array([plain_key(k) for k in key], None if key else int)
    if isinstance(key, np.ndarray):
        return np.array(key)
    if isinstance(key, slice):
        bounds = (plain_key(b) for b in (key.start, key.stop, key.step))
        return slice(*bounds)
    return key


LOOK_UP = "np.asarray(table, like=i)[i] looks up a plain array at traced positions i; "


def decided(x: Any, what: str, remedy: str = "") -> None:
    """Refuse a decision by a value that will be another when the graph is evaluated again."""
    if isinstance(x, Node) and x.tape.static:
        made = f", made at {x.line}" if x.line else ""
        x.tape.refused = BranchError(
            f"{what} by a traced value: a compiled function runs the same steps for all values",
            got=f"a traced value ('{x.name}', shape {shape_of(x)}{made})",
            line=code_line(*user_code(2)),
            remedy=f"{remedy}np.where(condition, a, b) chooses by value, cr.cond and cr.while_loop "
            "branch and repeat; an argument that decides is named in static_argnames=…",
        )
        raise x.tape.refused


def plain(x: Any, what: str = "a shape, an order or a position that is decided") -> Any:
    """The value of an argument that has no derivative: an index, a mask, a count."""
    if isinstance(x, (list, tuple)):
        return np.array([plain(v, what) for v in x])
    decided(x, what)
    return value_of(x)


def full(x: Any, shape: tuple[int, ...]) -> Any:
    """x broadcast to a shape."""
    return x if shape_of(x) == shape else broadcast_to(x, shape=shape)


def refuse(name: str, option: str, value: Any, remedy: str) -> ArgumentError:
    """An option of a NumPy function that has no meaning for traced values."""
    return ArgumentError(
        f"{name} of a traced value does not take {option}={value!r}",
        line=code_line(*user_code(3)),
        remedy=remedy,
    )


def stored(result: Any, out: Any) -> Any:
    """Store a result in ``out=``: a traced array takes it, a plain one would lose the trace."""
    if out is None:
        return result
    if isinstance(out, tuple):
        if len(out) == 1:
            return stored(result, out[0])
        return tuple(stored(r, o) for r, o in zip(result, out, strict=True))
    if not isinstance(out, Node):
        raise plain_target(out)
    out[...] = result  # type: ignore[index]
    return out


def plain_target(out: Any) -> AssignmentError:
    """The error for writing a traced value into an array that is not traced."""
    return AssignmentError(
        "a traced value cannot be written into a plain array: its derivative would be lost",
        got=f"a plain array of shape {np.shape(out)} as the target of out=, += or .at",
        line=code_line(*user_code(3)),
        remedy="write y = y + … instead of y += …, or make the array traced from the start: "
        "np.zeros(shape, like=x) or np.zeros_like(x), where x is a traced value",
    )
