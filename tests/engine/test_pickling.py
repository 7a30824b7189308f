"""Compiled functions in pickles: by name, as functions are."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import chainrule as cr


def cube(x: Any) -> Any:
    return x**3


@cr.compile
def square(x: Any) -> Any:
    return x * x


class Holder:
    @staticmethod
    @cr.compile
    def half(x: Any) -> Any:
        return x / 2


@cr.compile(static_argnames="n")
def power(x: Any, n: int) -> Any:
    return x**n


class Line:
    def __init__(self, slope: float) -> None:
        self.slope = slope

    def at(self, x: Any) -> Any:
        return self.slope * x


def test_a_decorated_function_is_itself() -> None:
    assert pickle.loads(pickle.dumps(square)) is square
    assert pickle.loads(pickle.dumps(power)) is power
    assert pickle.loads(pickle.dumps(Holder.half)) is Holder.half
    assert copy.deepcopy(square) is square


def test_another_is_made_of_the_same_function_and_settings() -> None:
    compiled = cr.compile(cube, static_argnames=(), engine="numpy")
    compiled(2.0)
    again = pickle.loads(pickle.dumps(compiled))
    assert (again.f, again.engine, again.static, again.versions) == (cube, "numpy", (), {})
    assert again(3.0) == 27.0
    assert copy.deepcopy(compiled)(2.0) == copy.copy(compiled)(2.0) == 8.0


def test_methods_of_objects_take_them_along() -> None:
    compiled = cr.compile(Line(2.0).at)
    assert pickle.loads(pickle.dumps(compiled))(3.0) == compiled(3.0) == 6.0


@pytest.mark.parametrize("f", [lambda x: 2 * x, cr.grad(cube)])
def test_what_has_no_name_is_refused_as_python_does(f: Any) -> None:
    with pytest.raises((pickle.PicklingError, AttributeError), match=r"[pP]ickle"):
        pickle.dumps(cr.compile(f))
