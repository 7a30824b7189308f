"""The record of an elementary function, in three kinds: pointwise, linear and general.

A record is the one place that knows a function: its value, its derivative, how tables print it,
and from where the tests draw. Derivative rules are written with records and with operators, which
accept arrays and nodes alike; so a derivative is again a graph and can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.graph import NO_PARAMS, Node

Partial = Callable[..., Any] | float | None
Interval = tuple[float, float]

if TYPE_CHECKING:  # importing numpy.random costs a fifth of importing numpy
    Examples = Callable[[np.random.Generator], Iterator[tuple[tuple[Any, ...], dict[str, Any]]]]


class Elementary:
    """What every record has. Calling it on a node records a node; on arrays it evaluates.

    Args:
        name: the unique name in tables.
        value: the function on NumPy arrays.
        formula: how tables print it, in Python syntax, with the arguments called a, b, c.
        examples: draws (arguments, parameters) for the tests.
    """

    kind = ""
    __slots__ = ("examples", "formula", "name", "value")

    def __init__(
        self, name: str, value: Callable[..., Any], *, formula: str, examples: Examples | None
    ) -> None:
        self.name = name
        self.value = value
        self.formula = formula
        self.examples = examples

    def __call__(self, *args: Any, **params: Any) -> Any:
        for a in args:
            if isinstance(a, Node):
                return a.tape.record(self, args, params, 2)
        return self.value(*args, **params)

    def __repr__(self) -> str:
        return f"<{self.kind} elementary function {self.name}>"


class Pointwise(Elementary):
    """A function applied element by element, with broadcasting: y[i] = f(a[i], b[i], …).

    Args:
        partials: for each argument the partial derivative ``lambda y, a, b: …``, where y is the
            value; a number where it is constant; None where the function is a step in that
            argument (its derivative is zero wherever it exists).
        symbols: the same partials in Python syntax, as the tables print them. The tests hold the
            two against each other.
        domain: for each argument the interval from which the tests draw.
    """

    kind = "pointwise"
    __slots__ = ("domain", "partials", "symbols")

    def __init__(
        self,
        name: str,
        value: Callable[..., Any],
        *partials: Partial,
        formula: str = "",
        symbols: tuple[str, ...] = (),
        domain: tuple[Interval, ...] = (),
        examples: Examples | None = None,
    ) -> None:
        letters = "abcd"[: len(partials)]
        super().__init__(
            name, value, formula=formula or f"{name}({', '.join(letters)})", examples=examples
        )
        if not symbols and all(not callable(p) for p in partials):
            symbols = tuple("0" if p is None else f"{p:g}" for p in partials)  # type: ignore[misc]
        domain = domain or ((-3.0, 3.0),) * len(partials)
        if not (len(partials) == len(symbols) == len(domain)):
            raise TypeError(f"{name}: {len(partials)} partials, {len(symbols)} symbols")
        self.partials = partials
        self.symbols = symbols
        self.domain = domain

    def __call__(self, *args: Any) -> Any:
        for a in args:
            if isinstance(a, Node):
                return a.tape.record(self, args, NO_PARAMS, 2)
        return self.value(*args)

    @property
    def is_step(self) -> bool:
        """True where no argument has a derivative: comparisons, rounding, sign."""
        return all(p is None for p in self.partials)


class Linear(Elementary):
    """A function that is linear in each differentiable argument.

    Forward mode is the function itself applied to the tangent. With ``joint`` the function is
    linear in all its differentiable arguments together (concatenate, where); without it, in each
    of them while the others are kept (matmul).

    Args:
        adjoints: for each argument ``lambda g, *args, **params: …``, the cotangent of that
            argument, in a shape that broadcasts to it; None where it has no derivative. A single
            function with ``variadic`` serves any number of arguments and gets the position first.
        symbols: the adjoints as tables print them, with the cotangent called g.
        view: the value may share memory with the first argument, as NumPy's basic indexing does.
    """

    kind = "linear"
    __slots__ = ("adjoints", "joint", "symbols", "variadic", "view")

    def __init__(
        self,
        name: str,
        value: Callable[..., Any],
        *adjoints: Callable[..., Any] | None,
        formula: str = "",
        symbols: tuple[str, ...],
        examples: Examples,
        joint: bool = False,
        variadic: bool = False,
        view: bool = False,
    ) -> None:
        letters = "abcd"[: len(adjoints)]
        formula = formula or f"{name}({', '.join(letters)})"
        super().__init__(name, value, formula=formula, examples=examples)
        if len(symbols) != len(adjoints):
            raise TypeError(f"{name}: {len(adjoints)} adjoints, {len(symbols)} symbols")
        self.adjoints = adjoints
        self.symbols = symbols
        self.joint = joint
        self.variadic = variadic
        self.view = view

    def adjoint(self, position: int, g: Any, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """The cotangent of one argument, or None where it has no derivative."""
        if self.variadic:
            rule = self.adjoints[0]
            return rule(position, g, *args, **params) if rule else None
        rule = self.adjoints[position]
        return rule(g, *args, **params) if rule else None

    def differentiable(self, position: int) -> bool:
        return self.adjoints[0 if self.variadic else position] is not None


class General(Elementary):
    """A function whose two modes are written out.

    Args:
        jvp: ``lambda tangents, y, *args, **params``: the tangent of the output; a tangent is None
            where its argument does not vary.
        vjp: ``lambda g, y, *args, **params``: a tuple with the cotangent of each argument. Where
            the function returns several arrays, y and g are tuples and members of g may be None.
        symbols: the derivative as tables print it.
        steps: which of several outputs have no derivative.
    """

    kind = "general"
    __slots__ = ("jvp", "outputs", "steps", "symbols", "vjp")

    def __init__(
        self,
        name: str,
        value: Callable[..., Any],
        *,
        jvp: Callable[..., Any],
        vjp: Callable[..., Any],
        symbols: tuple[str, ...],
        examples: Examples,
        formula: str = "",
        outputs: int = 1,
        steps: tuple[int, ...] = (),
    ) -> None:
        letters = "abcd"[: len(symbols)]
        formula = formula or f"{name}({', '.join(letters)})"
        super().__init__(name, value, formula=formula, examples=examples)
        self.jvp = jvp
        self.vjp = vjp
        self.symbols = symbols
        self.outputs = outputs
        self.steps = steps


class Step(Elementary):
    """A function without a derivative whose result is still useful: an order, a position."""

    kind = "step"
    __slots__ = ()

    def __init__(self, name: str, value: Callable[..., Any], *, formula: str = "") -> None:
        super().__init__(name, value, formula=formula or f"{name}(a)", examples=None)


def is_step(fn: Any) -> bool:
    """True when no derivative passes through fn."""
    return isinstance(fn, Step) or (isinstance(fn, Pointwise) and fn.is_step)


def value_of(x: Any) -> Any:
    """The concrete value of a node, or x itself."""
    return x.value if isinstance(x, Node) else x


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of an array, a node or a number."""
    return np.shape(x.value if isinstance(x, Node) else x)


def is_traced(x: Any) -> bool:
    return isinstance(x, Node)


def normal(*shape: int) -> Callable[[np.random.Generator], Any]:
    """Draw an array of standard normal numbers."""
    return lambda rng: rng.standard_normal(shape)


def drawn(
    *cases: tuple[Any, ...],
) -> Examples:
    """Examples from (argument shapes or makers …, parameters) cases.

    >>> rule = drawn(((2, 3), {"axis": 0}))
    >>> [(a.shape, p) for (a,), p in rule(np.random.default_rng(0))]
    [((2, 3), {'axis': 0})]
    """

    def draw(rng: np.random.Generator) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
        for *makers, params in cases:
            args = tuple(
                rng.standard_normal(m) if isinstance(m, tuple) else m(rng) if callable(m) else m
                for m in makers
            )
            yield args, dict(params)

    return draw


__all__ = [
    "NO_PARAMS",
    "Elementary",
    "General",
    "Linear",
    "Pointwise",
    "Step",
    "drawn",
    "is_step",
    "is_traced",
    "normal",
    "shape_of",
    "value_of",
]
