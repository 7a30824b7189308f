"""A function and its arguments become a graph that can be evaluated at other values."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from chainrule.array import Traced, plain_array
from chainrule.engine.columns import Columns, equal
from chainrule.errors import ArgumentError, BranchError, code_line
from chainrule.ghosts import ghost
from chainrule.graph import Graph, Node, leaked, user_code
from chainrule.records import dataclass
from chainrule.sweeps import Sweep, Sweeps
from chainrule.tracing import Trace, flatten, leaf_names, name_of, unflatten

if TYPE_CHECKING:
    from chainrule.engine.flattening import Flat

NUMBERS = (float, int, np.ndarray, np.generic)
G = TypeVar("G", covariant=True)
Read = Callable[[Sequence[Node], Sequence[Any]], G]  # inputs and outputs on a tape → the graph


@dataclass(frozen=True)
class Captured(Generic[G]):
    """A traced function: its graph, and the trees of its arguments and results.

    Attributes:
        graph: inputs are the traced leaves of the arguments, in order.
        results: what puts the outputs of the graph together to the function's result.
    """

    graph: G
    results: Any

    def pack(self, outputs: Sequence[Any]) -> Any:
        """The result of the function from the outputs of the graph."""
        return unflatten(self.results, outputs)


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """No search for cycles while a graph or code grows: it would look at all again and again."""
    was_on, thread = gc.isenabled(), threading.get_ident()
    try:
        if was_on:
            _pausing.add(thread)
        gc.disable()
        yield
    finally:
        if was_on:
            _pausing.discard(thread)
            gc.enable()


_pausing: set[int] = set()  # threads that are to switch the search on again


def _go_on() -> None:
    """Do in a forked process what threads that are gone would have done."""
    if _pausing - {threading.get_ident()}:
        gc.enable()
    _pausing.intersection_update({threading.get_ident()})


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_go_on)


def is_number(x: Any) -> bool:
    """Is a leaf traced? Truth values, texts and None are part of the signature instead."""
    return isinstance(x, NUMBERS) and not isinstance(x, (bool, np.bool_))


def capture(
    f: Callable[..., Any],
    leaves: Sequence[Any],
    spec: Any,
    name: str = "args",
    probe: bool = True,
    ghosts: bool = False,
) -> Captured[Graph]:
    """Trace f once, with every number and array in its arguments as an input of the graph.

    Args:
        f: a function of NumPy code.
        leaves, spec: of the tree ``(args, kwargs)``.
        name: what the arguments are called in the names of the inputs.
        probe: look whether the function reads values that then are fixed, where that is possible.
        ghosts: trace with arrays that have only a shape and a dtype.

    Raises:
        BranchError: the function decides by a traced value.
        ArgumentError: it returns something that is not made of numbers.
    """
    captured = _captured(f, leaves, spec, name, Graph, ghosts)
    second = _at_others(f, leaves, spec, name, Graph) if probe else None
    if second is not None:
        _refuse(captured.graph, second)
    return captured


def capture_long(
    f: Callable[..., Any], leaves: Sequence[Any], spec: Any, name: str = "args"
) -> Captured[Graph | Flat]:
    """The same; a graph of very many steps on single numbers is flat."""
    sweeps, found = Sweeps(), []

    def read(inputs: Sequence[Node], outputs: Sequence[Any]) -> Graph | Flat:
        graph, columns = _read(inputs, outputs, sweeps.made)
        if columns is not None:
            columns.cut(sweeps.made)
            found.append(columns)
        return graph

    captured = _captured(f, leaves, spec, name, read, sweeps=sweeps)
    if found and _is_repeated(f, leaves, spec, name, found[0], sweeps.made):
        return captured
    second = _at_others(f, leaves, spec, name, lambda *tape: _read(*tape)[0])
    if second is None or _same(captured.graph, second):
        return captured
    return capture(f, leaves, spec, name)  # which line is it? Nodes know that.


def _read(
    inputs: Sequence[Node], outputs: Sequence[Any], sweeps: Sequence[Sweep] = ()
) -> tuple[Graph | Flat, Columns | None]:
    """What a tape holds, as nodes, or in rows and in columns."""
    from chainrule.engine.flattening import LONG, flattened

    nodes = inputs[0].tape.nodes if inputs else []
    if len(nodes) > LONG:
        columns = Columns(nodes, outputs, sweeps)
        flat = flattened(columns, inputs, outputs)
        if flat is not None:
            return flat, columns
    return Graph(inputs, outputs), None


def _is_repeated(
    f: Callable[..., Any],
    leaves: Sequence[Any],
    spec: Any,
    name: str,
    columns: Columns,
    made: Sequence[Sweep],
) -> bool:
    """Does f surely do the same at other values? Sweeps are not made again for that."""
    moved = [
        sweep._replace(values={i: _other(x + 1) for i, x in sweep.values.items()}) for sweep in made
    ]
    sweeps = Sweeps(moved)

    def read(inputs: Sequence[Node], outputs: Sequence[Any]) -> Columns:
        return Columns(inputs[0].tape.nodes, outputs, sweeps.made)

    again = _at_others(f, leaves, spec, name, read, sweeps)
    return again is not None and again.is_same(columns)


def _at_others(
    f: Callable[..., Any],
    leaves: Sequence[Any],
    spec: Any,
    name: str,
    read: Read[G],
    sweeps: Sweeps | None = None,
) -> G | None:
    """What is read at other values; None where f fails there: they need not be sensible ones."""
    others = [_other(x) if is_number(x) else x for x in leaves]
    try:
        with np.errstate(all="ignore"):
            return _captured(f, others, spec, name, read, sweeps=sweeps).graph
    except Exception:
        return None


def _refuse(one: Graph, two: Graph) -> None:
    """What has become part of the graph must not differ at other values.

    A function that reads ``x.value`` puts that number into the graph as a constant; the graph
    would be wrong for all other values.

    Raises:
        BranchError: it does.
    """
    different = _difference(one.nodes, two.nodes)
    if different is not None:
        raise BranchError(
            "the steps of a compiled function depend on a value that was read while tracing",
            got=f"at other values '{different.name}' is another step",
            line=different.line,
            remedy="compute with the traced value itself; x.value, float() and a decision by them "
            "are fixed at the first call, and so are numbers that NumPy draws: draw them before "
            "and pass them. An argument that decides belongs in static_argnames=…",
        )


def _same(one: Graph | Flat, two: Graph | Flat) -> bool:
    """Are the graphs at two values the same?"""
    if isinstance(one, Graph) or isinstance(two, Graph):
        rows = isinstance(one, Graph) and isinstance(two, Graph)
    else:
        rows = one.has_rows_of(two)
    return rows and _difference(one.nodes, two.nodes) is None


def _difference(
    one: Sequence[Node], two: Sequence[Node], same: set[tuple[int, int]] | None = None
) -> Node | None:
    """The first step of a graph that another has not, in the bodies of loops and branches too.

    Args:
        same: the ids of arrays that are equal, as far as they have been compared.
    """
    same = set() if same is None else same
    for a, b in zip(one, two, strict=False):
        if a.fn is not b.fn or not _alike(a, b, same):
            return a
        for inner, other in zip(_parts(a), _parts(b), strict=False):
            found = _difference(inner.nodes, other.nodes, same)
            if found is not None:
                return found
    return None if len(one) == len(two) else one[-1]


def _parts(node: Node) -> list[Graph]:
    """The graphs that a branch or a loop runs."""
    return [graph for x in node.params.values() for graph in getattr(x, "graphs", ())]


def _other(x: Any) -> Any:
    """Another value of the same kind: moved on along the first axis, and larger."""
    if isinstance(x, np.ndarray):
        y = np.roll(x, 1, 0) if x.ndim else x
        return (y * x.dtype.type(1.25)).astype(x.dtype) if x.dtype.kind == "f" else y.copy()
    return type(x)(x * 1.25) if isinstance(x, (float, np.floating)) else type(x)(x + 1)


def _alike(one: Node, two: Node, same: set[tuple[int, int]]) -> bool:
    """Are the constants of two steps the same, and the positions that they take?"""
    return (
        len(one.args) == len(two.args)
        and all(
            isinstance(b, Node) and a.index == b.index
            if isinstance(a, Node)
            else a is b or (not isinstance(b, Node) and _equal(a, b, same))
            for a, b in zip(one.args, two.args, strict=True)
        )
        and equal(one.params.get("index"), two.params.get("index"))
    )


def _equal(a: Any, b: Any, same: set[tuple[int, int]]) -> bool:
    if (id(a), id(b)) in same:
        return True
    equal = np.array_equal(a, b, equal_nan=_floats(a, b))
    if equal:
        same.add((id(a), id(b)))  # both graphs live on, so that no other array gets this id
    return equal


def _floats(*values: Any) -> bool:
    return all(np.asarray(v).dtype.kind == "f" for v in values)


def _captured(
    f: Callable[..., Any],
    leaves: Sequence[Any],
    spec: Any,
    name: str,
    read: Read[G],
    ghosts: bool = False,
    sweeps: Sweeps | None = None,
) -> Captured[G]:
    names = leaf_names(spec, name)
    with Trace() as trace:
        if trace.nested:
            raise ArgumentError(
                f"{name_of(f)} is compiled while another function is traced",
                line=code_line(*user_code(2)),
                remedy="compile the outer function",
            )
        trace.tape.static, trace.tape.sweeps = True, sweeps
        traced = [
            _input(trace, leaf, path, ghosts) if is_number(leaf) else leaf
            for leaf, path in zip(leaves, names, strict=True)
        ]
        trace.tape.free.append(range(trace.inputs))
        args, kwargs = unflatten(spec, traced)
        output = f(*args, **kwargs)
        found, results = flatten(output)
        for y in found:
            if isinstance(y, Node) and y.tape.closed:  # of the body of a loop or a branch
                raise leaked((y,), *user_code(2))
            if not isinstance(y, (Node, *NUMBERS)) and y is not None:
                raise ArgumentError(
                    f"{name_of(f)} returns something that is not made of numbers",
                    got=f"{type(y).__name__}: {y!r}"[:200],
                    line=code_line(*user_code(2)),
                    remedy="return arrays, numbers, or containers of them",
                )
        # Not what f was given: an argument that f assigns to stands for a later node by now.
        return Captured(read(trace.tape.nodes[: trace.inputs], found), results)


def _input(trace: Trace, leaf: Any, name: str, ghosts: bool) -> Traced:
    if type(leaf) is float:
        value: Any = np.float64(leaf)
    elif type(leaf) is int:
        value = np.int64(leaf)
    elif isinstance(leaf, np.ndarray):
        value = plain_array(leaf, f"argument '{name}'")
        if not value.dtype.isnative:  # engines take arrays in the machine's order of bytes
            value = value.astype(value.dtype.newbyteorder("="))
        if ghosts:
            value = ghost(value)
        else:
            trace.tape.hold(value)
    else:
        value = leaf
    trace.inputs += 1
    params = {"name": name, "whole": True} if type(leaf) is int else {"name": name}
    return trace.tape.append(None, (), params, value, None, 0)  # type: ignore[return-value]


__all__ = ["Captured", "capture", "capture_long", "is_number", "without_collection"]
