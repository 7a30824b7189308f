"""Every refusal says what was wrong, what was received, whose line, and what to write instead."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas
import pytest

import chainrule as cr
from chainrule.errors import (
    ArgumentError,
    AssignmentError,
    ChainruleError,
    GradientCheckError,
    LeakedTraceError,
    LostTraceError,
    NoDependenceError,
    NotDifferentiableError,
    NotScalarError,
    ShapeError,
    TreeError,
    UnsupportedFunctionError,
)


def refusal(
    kind: type[ChainruleError], call: Callable[..., Any], *args: Any, **kwargs: Any
) -> ChainruleError:
    """The error of a call; it must name a line of this file."""
    with pytest.raises(kind) as caught:
        call(*args, **kwargs)
    error = caught.value
    assert "test_errors.py" in error.line, error
    assert error.remedy
    assert error.remedy in str(error)
    return error


class TestOutputs:
    def test_of_a_gradient_must_be_one_number(self) -> None:
        error = refusal(NotScalarError, cr.grad(lambda x: x * 2), np.ones(3))
        assert "returns an array" in error.cause
        assert error.got == "shape (3,)"
        assert "cr.jacobian" in error.remedy
        assert "lambda x: x * 2" in error.line

    def test_of_other_types(self) -> None:
        error = refusal(NotScalarError, cr.grad(lambda x: (x, x)), 1.0)
        assert "tuple" in error.got
        assert "has_aux" in error.remedy
        assert "None" in refusal(NotScalarError, cr.grad(lambda x: None), 1.0).got
        assert "str" in refusal(NotScalarError, cr.jacobian(lambda x: "no"), 1.0).got

    def test_has_aux_wants_a_pair(self) -> None:
        error = refusal(ArgumentError, cr.grad(lambda x: x * 2, has_aux=True), 1.0)
        assert "must return (output, extra)" in error.cause

    @pytest.mark.parametrize(
        "derivative",
        [
            lambda f: cr.grad(f),
            lambda f: cr.jacobian(f),
            lambda f: cr.jacobian(f, mode="reverse"),
            lambda f: lambda x: cr.jvp(f, (x,), (x,)),
            lambda f: lambda x: cr.vjp(f, x),
            lambda f: cr.hessian(f),
        ],
    )
    def test_that_do_not_depend_on_the_input(self, derivative: Any) -> None:
        def constant(weight: Any) -> Any:
            return np.cos(3.0)

        error = refusal(NoDependenceError, derivative(constant), 2.0)
        assert error.cause == "the output of constant does not depend on 'weight'"

    def test_that_depend_through_a_step_only(self) -> None:
        def choice(x: Any) -> Any:
            best = np.argmax(x)
            return best * 2.0

        error = refusal(NoDependenceError, cr.grad(choice), np.array([1.0, 3.0]))
        assert "only through argmax, which has no derivative" in error.cause
        assert "best = np.argmax(x)" in error.line
        error = refusal(NoDependenceError, cr.grad(lambda x: np.floor(x).sum()), np.ones(2))
        assert "only through floor" in error.cause
        error = refusal(NoDependenceError, cr.grad(lambda x: (x > 0).sum()), np.ones(2))
        assert "greater" in error.cause
        error = refusal(NoDependenceError, cr.grad(lambda x: np.argmax(x)), np.ones(2))
        assert "argmax" in error.cause

        error = refusal(NoDependenceError, cr.grad(lambda a: np.linalg.slogdet(a)[0]), np.eye(2))
        assert "only through slogdet[0]" in error.cause

    def test_a_step_beside_a_path_is_no_error(self) -> None:
        # x[argmax(x)] is the maximum; x·floor(x) has the slope floor(x) between the jumps
        x = np.array([1.5, 3.5])
        np.testing.assert_array_equal(cr.grad(lambda x: x[np.argmax(x)])(x), [0.0, 1.0])
        np.testing.assert_array_equal(cr.grad(lambda x: (x * np.floor(x)).sum())(x), [1.0, 3.0])

    def test_unused_second_argument(self) -> None:
        error = refusal(NoDependenceError, cr.grad(lambda a, b: a * 2, (0, 1)), 1.0, 2.0)
        assert "'b'" in error.cause


class TestInputs:
    def test_integer_arrays(self) -> None:
        error = refusal(NotDifferentiableError, cr.grad(lambda n: n.sum() * 1.0), np.arange(3))
        assert "argument 'n'" in error.cause
        assert "int64, shape (3,)" in error.got
        assert "n.astype(float)" in error.remedy

    def test_the_leaf_is_named(self) -> None:
        error = refusal(
            NotDifferentiableError,
            cr.grad(lambda p: p["x"].sum()),
            {"x": np.ones(2), "ids": np.arange(2)},
        )
        assert "p['ids']" in error.cause

    @pytest.mark.parametrize("value", [True, np.array([True]), "text", object(), np.int64(3)])
    def test_other_types(self, value: Any) -> None:
        error = refusal(NotDifferentiableError, cr.grad(lambda x: x * 1.0), value)
        assert "cannot be differentiated" in error.cause

    @pytest.mark.parametrize("value", [1j, np.array([1j]), np.complex128(2)])
    def test_complex_numbers(self, value: Any) -> None:
        error = refusal(NotDifferentiableError, cr.grad(lambda x: (x * x).sum()), value)
        assert "complex numbers cannot be differentiated" in error.cause
        assert "real and imaginary parts" in error.remedy

    def test_complex_constants_within(self) -> None:
        for f in (lambda x: abs(x * 1j), lambda x: (x + np.array([1j])).sum()):
            error = refusal(NotDifferentiableError, cr.grad(f), 1.0)
            assert "complex" in error.cause
        error = refusal(NotDifferentiableError, cr.grad(lambda x: x.astype(complex)), np.ones(2))
        assert "complex" in error.cause

    def test_matrices_and_masked_arrays(self) -> None:
        masked = np.ma.masked_array([1.0, 2.0], mask=[True, False])
        error = refusal(NotDifferentiableError, cr.grad(lambda x: x.sum()), masked)
        assert "argument 'x' is a MaskedArray" in error.cause
        error = refusal(NotDifferentiableError, cr.grad(lambda x: (x * masked).sum()), np.ones(2))
        assert "x.filled(value)" in error.remedy
        refusal(LostTraceError, cr.grad(lambda x: (masked * x).sum()), np.ones(2))
        with pytest.warns(PendingDeprecationWarning, match="matrix"):
            matrix = np.asmatrix(np.eye(2))
        error = refusal(NotDifferentiableError, cr.grad(lambda x: (x * matrix).sum()), np.ones(2))
        assert "matrix" in error.cause

    def test_missing_arguments(self) -> None:
        error = refusal(ArgumentError, cr.grad(lambda a, b: a * b, 1), 1.0)
        assert "without the argument to differentiate: b (position 1)" in error.cause
        error = refusal(ArgumentError, cr.grad(lambda a, b: a * b, "c"), 1.0, 2.0)
        assert (error.cause, error.got) == ("<lambda> has no argument of this name", "argnums='c'")
        assert error.remedy == "its arguments are a, b"

        def by_keyword(a: Any, *, b: Any) -> Any:
            return a * b

        error = refusal(ArgumentError, cr.grad(by_keyword, "b"), 1.0)
        assert "by_keyword was called without the argument to differentiate: b" in error.cause

    def test_a_pandas_series(self) -> None:
        series = pandas.Series([1.0, 2.0])
        error = refusal(NotDifferentiableError, cr.grad(lambda x: x.sum()), series)
        assert error.got == "a Series"
        assert error.remedy == "pass np.asarray(x, float)"
        error = refusal(LostTraceError, cr.grad(lambda a: (series * a).sum()), 2.0)
        assert "test_errors.py" in error.line  # not a line of pandas

    def test_odd_argnums(self) -> None:
        with pytest.raises(ArgumentError, match="positions and argument names"):
            cr.grad(lambda x: x, (0, 1.5))  # type: ignore[arg-type]
        with pytest.raises(ArgumentError, match=r"given afterwards: cr\.grad\(f\)\(x\)"):
            cr.grad(lambda x: x, 2.5)  # type: ignore[arg-type]
        with pytest.raises(ArgumentError, match="no argument to differentiate"):
            cr.grad(lambda x: x, ())
        with pytest.raises(ArgumentError, match="named twice"):
            cr.grad(lambda a, b: a * b, ("a", 0))
        with pytest.raises(ArgumentError, match="'forward', 'reverse' or 'auto'"):
            cr.jacobian(lambda x: x, mode="backward")


class TestTrees:
    def test_tangents_of_another_structure(self) -> None:
        f = lambda p: p["a"] * p["b"]  # noqa: E731
        error = refusal(TreeError, cr.jvp, f, ({"a": 1.0, "b": 2.0},), ({"a": 1.0},))
        assert "structure of the tangent differs" in error.cause
        error = refusal(TreeError, cr.jvp, np.sin, (np.ones(2),), (np.ones(3),))
        assert error.got == "shape (3,) instead of (2,)"
        error = refusal(TreeError, cr.jvp, np.sin, (1.0,), (1.0, 2.0))
        assert "one tangent for each" in error.cause
        error = refusal(TreeError, cr.jvp, np.sin, 1.0, 1.0)
        assert "must be a tuple" in error.cause

    def test_cotangents_of_another_structure(self) -> None:
        _, pullback = cr.vjp(lambda x: {"y": x * 2}, np.ones(2))
        error = refusal(TreeError, pullback, np.ones(2))
        assert "structure of the cotangent" in error.cause
        error = refusal(TreeError, pullback, {"y": np.ones(3)})
        assert error.got == "shape (3,) instead of (2,)"


class TestLostTraces:
    @pytest.mark.parametrize(
        ("convert", "cause"),
        [
            (lambda x: float(x[0]), "float() of a traced value"),
            (lambda x: int(x[0]), "int() of a traced value"),
            (lambda x: np.asarray(x), "np.asarray or np.array of a traced value"),
            (lambda x: np.array([x[0], 1.0]), "float() of a traced value"),
            (lambda x: x[0].item(), ".item() of a traced value"),
            (lambda x: x.tolist(), ".tolist() of a traced value"),
            (lambda x: pickle.dumps(x), "pickling a traced value"),
            (lambda x: np.zeros(2).__setitem__(0, x[0]), "storing it in a plain array"),
            (lambda x: np.zeros((2, 2)).__setitem__(0, x), "storing it in a plain array"),
        ],
    )
    def test_conversions(self, convert: Any, cause: str) -> None:
        def f(x: Any) -> Any:
            convert(x)
            return x.sum()

        error = refusal(LostTraceError, cr.grad(f), np.ones(2))
        assert "would lose the derivative" in error.cause
        assert "a traced value" in error.got

    def test_a_solver_in_c_does_not_hide_it(self) -> None:
        def f(x: Any) -> Any:
            try:
                return float(x)
            except LostTraceError as error:  # as Python does when C code overlooks an error
                raise SystemError("returned a result with an exception set") from error

        refusal(LostTraceError, cr.grad(f), 2.0)

    def test_inside_a_library_the_users_line_is_named(self) -> None:
        from scipy.special import logsumexp

        error = refusal(LostTraceError, cr.grad(lambda x: logsumexp(x)), np.ones(2))
        assert "logsumexp(x)" in error.line
        assert "cr.logsumexp" in error.remedy

    def test_remedies_work(self) -> None:
        def f(x: Any) -> Any:
            y = np.zeros(2, like=x)
            y[0] = x[1]
            y[1] = 3 * x[0]
            z = np.stack([x[0], x[1] * 2])
            return (y * z).sum() * float(x.value[0] > 0)

        # x₁x₀ + 6 x₀x₁ = 7 x₀ x₁
        np.testing.assert_array_equal(cr.grad(f)(np.array([2.0, 5.0])), [35.0, 14.0])

    def test_copies_keep_the_trace(self) -> None:
        x = np.array([1.0, 2.0])
        for duplicate in (copy.copy, copy.deepcopy, np.copy, lambda v: v.copy()):
            gradient = cr.grad(lambda x, d=duplicate: (d(x) ** 2).sum())(x)
            np.testing.assert_array_equal(gradient, 2 * x)

    def test_integers_and_masks_convert_freely(self) -> None:
        def f(x: Any) -> Any:
            k = int(np.argmax(x))
            return x[k] * float(np.sum(x > 0)) + [x[0], x[1]][np.argmin(x)]

        np.testing.assert_array_equal(cr.grad(f)(np.array([1.0, 3.0])), [1.0, 2.0])


class TestLeaks:
    def test_use_after_the_trace(self) -> None:
        kept = []

        def f(x: Any) -> Any:
            kept.append(np.exp(x))
            return x * 2

        cr.grad(f)(1.0)
        for use in (
            lambda v: v + 1,
            lambda v: 2 * v,
            lambda v: -v,
            lambda v: np.sin(v),
            lambda v: np.sum(v),
            lambda v: v > 0,
        ):
            error = refusal(LeakedTraceError, use, kept[0])
            assert "used after the function that made it has returned" in error.cause
            assert "kept.append(np.exp(x))" in error.got
            assert "has_aux" in error.remedy
        assert kept[0].value == pytest.approx(np.e)

    def test_into_another_trace(self) -> None:
        kept = []
        cr.grad(lambda x: kept.append(x * 1) or x * 2)(1.0)  # type: ignore[func-returns-value]
        error = refusal(LeakedTraceError, cr.grad(lambda y: y * kept[0]), 1.0)
        assert "used after" in error.cause

    def test_assignment_to_a_leaked_array(self) -> None:
        kept = []
        cr.grad(lambda x: kept.append(x * 1) or x.sum())(np.ones(2))  # type: ignore[func-returns-value]
        refusal(LeakedTraceError, kept[0].__setitem__, 0, 1.0)


class TestOperations:
    def test_functions_without_a_record(self) -> None:
        error = refusal(UnsupportedFunctionError, cr.grad(lambda x: np.poly(x).sum()), np.ones(3))
        assert "numpy.poly has no derivative record" in error.cause
        error = refusal(
            UnsupportedFunctionError, cr.grad(lambda x: np.polydiv(x, x)[0]), np.ones(3)
        )
        assert "polyval" in error.remedy
        error = refusal(UnsupportedFunctionError, cr.grad(lambda x: np.spacing(x)), 1.0)
        assert "numpy.spacing" in error.cause
        error = refusal(UnsupportedFunctionError, cr.grad(lambda x: np.hypot.reduce(x)), np.ones(3))
        assert "numpy.hypot.reduce" in error.cause
        error = refusal(
            UnsupportedFunctionError, cr.grad(lambda a: np.linalg.eigvals(a).sum()), np.eye(2)
        )
        assert "eigvalsh" in error.remedy

    def test_the_suggested_function_has_a_record(self) -> None:
        names = cr.supported()
        assert "numpy.tanh" in names
        assert "numpy.linalg.solve" in names
        assert "numpy.poly" not in names

    def test_shapes_that_do_not_fit(self) -> None:
        w = np.ones((4, 2))
        error = refusal(ShapeError, cr.grad(lambda x: (w @ x).sum()), np.ones(3))
        assert error.got == "shapes (4, 2), (3,)"
        assert "w @ x" in error.line
        error = refusal(ShapeError, cr.grad(lambda x: (x + np.ones(2)).sum()), np.ones(3))
        assert error.got == "shapes (3,), (2,)"
        error = refusal(ShapeError, cr.grad(lambda x: x.reshape(2, 2).sum()), np.ones(3))
        assert "cannot reshape 3 elements into shape (2, 2)" in error.cause
        error = refusal(ShapeError, cr.grad(lambda x: np.stack([x, x[:1]]).sum()), np.ones(3))
        assert "same shape" in error.cause

    def test_constants_changed_after_use(self) -> None:
        buffer = np.ones(2)

        def f(x: Any) -> Any:
            total = 0.0
            for k in range(3):
                buffer[:] = k
                total = total + (x * buffer).sum()
            return total

        error = refusal(AssignmentError, cr.grad(f), np.ones(2))
        assert "changed afterwards" in error.cause
        assert "buffer[:] = k" in error.line
        assert "a new array" in error.remedy

    def test_plain_targets(self) -> None:
        def add(x: Any) -> Any:
            total = np.zeros(2)
            total += x
            return total.sum()

        error = refusal(AssignmentError, cr.grad(add), np.ones(2))
        assert "total += x" in error.line
        assert "np.zeros(shape, like=x)" in error.remedy
        refusal(AssignmentError, cr.grad(lambda x: np.exp(x, out=np.zeros(2)).sum()), np.ones(2))

    def test_assignment_that_does_not_fit(self) -> None:
        def f(x: Any) -> Any:
            y = x * 1
            y[0] = np.ones(5)
            return y.sum()

        error = refusal(ShapeError, cr.grad(f), np.ones(2))
        assert "does not fit" in error.cause
        error = refusal(AssignmentError, cr.grad(lambda x: x.__setitem__(0, 1.0)), 1.0)
        assert "single number" in error.cause


class TestCheckGrads:
    def test_names_the_element_the_values_and_the_step(self) -> None:
        def f(p: Any) -> Any:
            frozen = cr.stop_gradient(p["w"])  # a wrong derivative on purpose
            return (p["w"] * frozen).sum()

        with pytest.raises(GradientCheckError) as caught:
            cr.check_grads(f)({"w": np.array([[1.0, 2.0]])})
        message = str(caught.value)
        assert "p['w'][0, 0]" in message
        assert "order 1, forward mode" in message
        assert "1 by forward mode" in message  # the frozen half is missing: 1 instead of 2
        assert "2.0000000" in message or "1.999999" in message or ", 2 by differences" in message
        assert "with step" in message

    def test_second_order_and_reverse(self) -> None:
        def f(x: Any) -> Any:
            return x * x * cr.stop_gradient(x)

        with pytest.raises(GradientCheckError, match="reverse mode"):
            cr.check_grads(f, modes=("reverse",))(2.0)
        with pytest.raises(ArgumentError, match="'forward' and 'reverse'"):
            cr.check_grads(f, modes=("backward",))

    def test_passes_what_is_right(self) -> None:
        cr.check_grads(lambda a, b: np.tanh(a @ b).sum(), orders=3)(
            np.array([[0.1, -0.4], [0.3, 0.2]]), np.array([1.0, 0.5])
        )
        cr.check_grads(lambda x: (x**2).sum())(np.array([1.0, 2.0], np.float32))

    def test_kinks_are_reported(self) -> None:
        with pytest.raises(GradientCheckError, match="kink or a jump"):
            cr.check_grads(lambda x: abs(x) + x)(0.0)
