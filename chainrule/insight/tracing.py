"""``trace``: run a function once and keep its graph, with every value and the user's names."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.elementary.base import value_of
from chainrule.errors import ArgumentError
from chainrule.graph import Node
from chainrule.tracing import (
    Trace,
    flatten,
    leaf_value,
    name_of,
    parameter_names,
    paths_of,
    unflatten,
)

if TYPE_CHECKING:
    from chainrule.insight.traced import Argument, TracedGraph


def trace(f: Callable[..., Any], *, has_aux: bool = False) -> Callable[..., TracedGraph]:
    """The function that runs f once and returns its graph, with all values.

    Every float in the arguments becomes an input with the name of its parameter (``params['w']``
    in a tree), and so does a Python integer. Arrays of integers, strings, booleans and None stay
    constants. Branches are recorded as they were taken.

    Args:
        f: a function of NumPy code.
        has_aux: f returns ``(output, extra)``; if extra is a dict, its values are shown in tables
            by their keys.

    Returns:
        A function of the same arguments that returns a ``TracedGraph``: call it, print it, draw it
        (``draw``; ``to_dot``, ``to_mermaid`` for other programs), or ask for its trace table
        (``table``) or its derivation (``to_latex``).

    Raises:
        NotDifferentiableError: an argument is complex.
        ArgumentError: with ``has_aux``, f returns no pair.

    >>> def area(r):
    ...     return 3.14 * r**2
    >>> print(trace(area)(2).table("forward"))
    area(r) at r = 2
    <BLANKLINE>
     variable         │ partial derivative │ value │ partial value │ dξₙ/dr
    ──────────────────┼────────────────────┼───────┼───────────────┼────────
     ξ₁ = r²          │ ∂ξ₁/∂r = 2·r       │     4 │             4 │      4
     L = ξ₂ = 3.14·ξ₁ │ ∂ξ₂/∂ξ₁ = 3.14     │ 12.56 │          3.14 │  12.56
    ──────────────────┼────────────────────┼───────┼───────────────┼────────
     r                │ dL/dr              │     2 │               │  12.56
    """

    @functools.wraps(f)
    def record(*args: Any, **kwargs: Any) -> TracedGraph:
        from chainrule.insight.drawing.names import Returns
        from chainrule.insight.traced import TracedGraph  # the printers load when first needed

        with Trace() as run:
            names, arguments, values, named = entered(run, f, args, kwargs)
            with Returns() as returns:
                result = f(*values, **named)
            extra: Any = {}
            if has_aux:
                if not (isinstance(result, tuple) and len(result) == 2):
                    raise ArgumentError(
                        f"with has_aux=True {name_of(f)} must return (output, extra)",
                        got=type(result).__name__,
                        remedy="return a pair, or drop has_aux",
                    )
                result, extra = result
            outputs, structure = flatten(result)
            inputs = run.tape.nodes[run.start : run.start + run.inputs]
            return TracedGraph(
                inputs,
                outputs,
                structure,
                extra if isinstance(extra, dict) else {},
                f"{name_of(f)}({', '.join(names)})",
                arguments,
                tuple(kwargs),
                [(n, returns.names[id(n)]) for n in run.tape.nodes if id(n) in returns.names],
            )

    return record


def trace_with_variables(f: Callable[..., Any]) -> Callable[..., TracedGraph]:
    """As `trace`, with steps printed by the names of the user's variables that held them."""
    from chainrule.insight.variables import Watch, unique_names
    from chainrule.insight.words import name_word

    @functools.wraps(f)
    def watched(*args: Any, **kwargs: Any) -> Any:
        # Before f runs: an argument that it assigns to stands for another node then.
        inputs = {x.name for x in flatten((args, kwargs))[0] if isinstance(x, Node)}
        with Watch() as watch:
            result = f(*args, **kwargs)
        made = [s for s in watch.sightings.values() if s.node.fn is not None]
        return result, unique_names(made, inputs)

    @functools.wraps(f)
    def record(*args: Any, **kwargs: Any) -> TracedGraph:
        graph = trace(watched, has_aux=True)(*args, **kwargs)
        for name, node in graph.names.items():
            if node.fn is not None:
                graph.words[node.index] = name_word(name)
        return graph

    return record


def entered(
    run: Trace, f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[list[str], list[Argument], list[Any], dict[str, Any]]:
    """The arguments as inputs of a trace: their names, what is known of them, and what f gets."""
    names = [*_names_of(f, len(args)), *kwargs]
    arguments, values = [], []
    for name, x in zip(names, [*args, *kwargs.values()], strict=True):
        argument, tree = _enter(run, name, x)
        arguments.append(argument)
        values.append(tree)
    return (
        names,
        arguments,
        values[: len(args)],
        dict(zip(kwargs, values[len(args) :], strict=True)),
    )


def _enter(run: Trace, name: str, x: Any) -> tuple[Argument, Any]:
    """An argument with its numbers as inputs of the trace, copied so that they stay."""
    from chainrule.insight.traced import Argument

    leaves, structure = flatten(x)
    paths = paths_of(x, name)
    kept, traced, varying = [], [], []
    for leaf, path in zip(leaves, paths, strict=True):
        leaf = value_of(leaf)
        if isinstance(leaf, np.ndarray):
            leaf = np.array(leaf)
            leaf.flags.writeable = False
        varies = _varies(leaf, path)
        kept.append(leaf)
        varying.append(varies)
        traced.append(run.input(leaf, path) if varies else leaf)
    return Argument(name, kept, structure, varying), unflatten(structure, traced)


def _varies(leaf: Any, path: str) -> bool:
    """Is a leaf an input? Complex numbers are refused."""
    kind = np.asarray(leaf).dtype.kind if isinstance(leaf, (np.ndarray, np.generic)) else ""
    if kind == "c" or isinstance(leaf, complex):
        leaf_value(leaf, path)
    return kind == "f" or (isinstance(leaf, (int, float)) and not isinstance(leaf, bool))


def _names_of(f: Any, count: int) -> list[str]:
    """A name for each positional argument."""
    names = parameter_names(f)[:count]
    if len(names) < count:
        try:
            parameters = inspect.signature(f).parameters.values()
        except (TypeError, ValueError):
            parameters = ()  # type: ignore[assignment]
        rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "argument")
        names += [f"{rest}[{i}]" for i in range(count - len(names))]
    return names
