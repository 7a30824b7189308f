"""Formulas as text: ``L = -(y*log(p) + (1-y)*log(1-p)); p = 1/(1+e^(-W*x))`` becomes a function.

A formula is read by a small parser of its own into a list of steps for a stack machine. Nothing
is ever handed to Python to run, so a formula can do arithmetic with named functions and no more.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.errors import FormulaError
from chainrule.formula.parser import Parser, Step
from chainrule.formula.vocabulary import FUNCTIONS, OPERATORS, Function

__all__ = ["Formula", "parse"]


class Formula:
    """A parsed formula: a callable over its variables.

    Attributes:
        text: what was parsed.
        variables: the names without a definition, in the order in which they appear.
        definitions: the names of the intermediate results and of the result.
        result: the name of the result, or "" when it was not given one.

    >>> f = parse("L = -log(p); p = 1/(1 + e^(-W*x))")
    >>> f.variables, f.result
    (('W', 'x'), 'L')
    >>> print(f"{f(3.0, 3.0):.9f}")
    0.000123402
    >>> from chainrule import grad
    >>> print(f"{grad(f, 'W')(3.0, 3.0):.9f}")
    -0.000370184
    """

    def __init__(self, text: str, statements: Sequence[tuple[str, list[Step]]], result: str):
        self.text = text
        self.result = result
        self.definitions = tuple(name for name, _ in statements if name)
        self.variables = tuple(
            dict.fromkeys(
                step.value
                for step in sorted((s for _, part in statements for s in part), key=lambda s: s.at)
                if step.kind == "name" and step.value not in self.definitions
            )
        )
        self._statements = statements
        self.__name__ = result or "formula"
        kind = inspect.Parameter.POSITIONAL_ONLY
        self.__signature__ = inspect.Signature(
            [inspect.Parameter(name, kind) for name in self.variables]
        )

    def __repr__(self) -> str:
        return f"parse({self.text!r})"

    def __call__(self, *args: Any, **values: Any) -> Any:
        """The result for values of the variables, in order or by name.

        Python's numbers become NumPy's: a root of a negative number is nan, as in an array, and
        not a complex number.
        """
        given = {**dict(zip(self.variables, args, strict=False)), **values}
        bound = {k: np.float64(v) if type(v) in (int, float) else v for k, v in given.items()}
        missing = [name for name in self.variables if name not in bound]
        extra = [name for name in values if name not in self.variables]
        if missing or extra or len(args) > len(self.variables):
            cause = "the formula is given too many values"
            if missing:
                cause = f"the formula has no value for {', '.join(missing)}"
            elif extra:
                cause = f"the formula has no variable {', '.join(extra)}"
            raise FormulaError(
                cause,
                got=self.text,
                remedy=f"give a value to each of its variables: {', '.join(self.variables)}"
                if self.variables
                else "it has no variables: call it without values",
            )
        return self.evaluate(bound)[self.result]

    def evaluate(
        self,
        values: Mapping[str, Any],
        functions: Mapping[str, Function] = FUNCTIONS,
        number: Callable[[float], Any] = float,
    ) -> dict[str, Any]:
        """Every definition with its value; the result under its own name.

        ``functions`` and ``number`` are the arithmetic to do it in: mpmath's, for example.
        """
        found = dict(values)
        for name, steps in self._statements:
            stack: list[Any] = []
            for step in steps:
                if step.kind == "number":
                    stack.append(number(step.value))
                elif step.kind == "name":
                    stack.append(found[step.value])
                else:
                    args = stack[-step.arity :]
                    del stack[-step.arity :]
                    table = functions if step.kind == "call" else OPERATORS
                    stack.append(table[step.value](*args))
            found[name] = stack.pop()
        return {name: found[name] for name, _ in self._statements}


def parse(text: str) -> Formula:
    """Read a formula.

    It may use ``+ - * / ** ^``, comparisons, parentheses, the pointwise elementary functions by
    their usual names, ``max``, ``min`` and ``where``, the constants ``pi`` and ``e``, and the
    signs − · × ÷ ² ³ π σ. Statements are separated by ``;`` and may name intermediate results, in
    any order. The result is the statement without a name, or else the last that no other uses.

    Args:
        text: at most 2000 characters.

    Raises:
        FormulaError: with the position of what cannot be read.

    >>> print(parse("x² − 2·x")(3.0))
    3.0
    >>> parse("2*sin(x")
    Traceback (most recent call last):
        ...
    chainrule.errors.FormulaError: a parenthesis is not closed
      received: 2*sin(x
                     ^
      remedy:   write ) where it ends
    """
    statements, result = Parser(text).statements()
    return Formula(text, statements, result)
