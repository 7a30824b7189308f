"""grad, jvp, vjp, jacobian, hessian and hvp against closed forms and SciPy's own derivatives."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.optimize import root, rosen_der, rosen_hess, rosen_hess_prod

import chainrule as cr
from chainrule.errors import ZeroGradientWarning


def logistic_loss(W: Any, x: Any, y: Any) -> Any:
    p = 1 / (1 + np.exp(-W * x))
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def rosen(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


POINT = np.array([-1.2, 1.0, 0.7, 0.3, -0.5])


class TestGrad:
    def test_of_the_lectures_example(self) -> None:
        # dL/dW = (p − y) x with p = σ(9), in 25 digits: −3.701837279586951906…e−4
        assert cr.grad(logistic_loss)(3, 3, 1) == pytest.approx(-3.7018372795869519e-4, rel=1e-14)

    def test_python_numbers_get_python_floats(self) -> None:
        assert type(cr.grad(lambda w: w * w)(3)) is float
        assert type(cr.grad(lambda w: w * w)(3.0)) is float

    def test_of_rosenbrock(self) -> None:
        np.testing.assert_allclose(cr.grad(rosen)(POINT), rosen_der(POINT), rtol=1e-12)

    def test_value_comes_with_it(self) -> None:
        value, gradient = cr.value_and_grad(rosen)(POINT)
        assert value == rosen(POINT)
        np.testing.assert_allclose(gradient, rosen_der(POINT), rtol=1e-12)

    def test_single_precision_is_kept(self) -> None:
        x = np.array([1.0, 2.0], np.float32)
        gradient = cr.grad(lambda x: (np.sin(x) * 2.0).sum())(x)
        assert gradient.dtype == np.float32
        assert cr.grad(lambda x: (x * np.array([1.0, 2.0])).sum())(x).dtype == np.float32

    def test_argnums_by_position_name_and_sequence(self) -> None:
        def f(a: Any, b: Any, *, c: Any = 1.0) -> Any:
            return a * b**2 * c

        assert cr.grad(f)(2.0, 3.0) == 9.0
        assert cr.grad(f, 1)(2.0, 3.0) == 12.0
        assert cr.grad(f, "b")(2.0, b=3.0) == 12.0
        assert cr.grad(f, ("c", 0))(2.0, 3.0, c=5.0) == (18.0, 45.0)
        assert cr.grad(f, argnums=-1)(2.0, 3.0) == 12.0

    def test_has_aux(self) -> None:
        gradient, extra = cr.grad(lambda x: (x**2, {"seen": x * 3}), has_aux=True)(2.0)
        assert gradient == 4.0
        assert extra == {"seen": 6.0}
        (value, extra), gradient = cr.value_and_grad(lambda x: (x**2, x + 1), has_aux=True)(2.0)
        assert (value, extra, gradient) == (4.0, 3.0, 4.0)

    def test_trees_of_containers(self) -> None:
        class Layer(NamedTuple):
            w: Any
            b: Any

        @dataclass(frozen=True)
        class Model:
            layers: list[Layer]
            scale: Any

        model = Model([Layer(np.array([[1.0, 2.0]]), np.array([0.5]))], 3.0)
        x = np.array([2.0, -1.0])
        gradient = cr.grad(lambda m: m.scale * (m.layers[0].w @ x + m.layers[0].b).sum())(model)
        assert isinstance(gradient, Model)
        np.testing.assert_array_equal(gradient.layers[0].w, 3 * x[None])
        np.testing.assert_array_equal(gradient.layers[0].b, [3.0])
        assert gradient.scale == 0.5  # w·x + b = 2 − 2 + 0.5

    def test_code_written_to_the_array_api(self) -> None:
        def norm(x: Any) -> Any:
            xp = x.__array_namespace__()
            return xp.sqrt(xp.sum(xp.square(x)))

        np.testing.assert_allclose(cr.grad(norm)(np.array([3.0, 4.0])), [0.6, 0.8], rtol=1e-15)

    def test_control_flow_on_values(self) -> None:
        def f(x: Any) -> Any:
            while x < 100:
                x = x * 2 if x > 1 else x * 3
            return x

        assert cr.grad(f)(0.5) == 3 * 2**7  # 0.5 → 1.5 → 3 → … → 192

    def test_positions_as_numbers(self) -> None:
        """What is computed from positions is a constant factor, read one by one or together."""
        x = np.array([3.0, 1.0, 2.0])

        def f(x: Any) -> Any:
            order = np.argsort(x)
            return x[0] * order[1] + (x * order[[0, 0, 2]]).sum() + order.sum() * x[2]

        np.testing.assert_array_equal(cr.grad(f)(x), [2.0 + 1.0, 1.0, 0.0 + 3.0])

    def test_unused_leaf_is_zero_and_says_so(self) -> None:
        with pytest.warns(ZeroGradientWarning, match=r"does not depend on p\['b'\]"):
            gradient = cr.grad(lambda p: p["a"] ** 2)({"a": 3.0, "b": np.ones(2)})
        assert gradient["a"] == 6.0
        np.testing.assert_array_equal(gradient["b"], [0.0, 0.0])

    def test_results_can_be_changed_and_share_nothing(self) -> None:
        x, y = np.ones(3), np.ones(3)
        gx, gy = cr.grad(lambda x, y: (x + y).sum(), (0, 1))(x, y)
        gx += 1
        np.testing.assert_array_equal(gy, [1.0, 1.0, 1.0])
        c = np.arange(3.0)
        g = cr.grad(lambda x: (x * c).sum())(x)
        g[0] = 7
        np.testing.assert_array_equal(c, [0.0, 1.0, 2.0])

    def test_arguments_and_constants_are_writable_again(self) -> None:
        x, c = np.ones(3), np.ones(6)
        view = c[::2]
        cr.grad(lambda x: (x * view * c[1::2]).sum())(x)
        x[0] = c[0] = view[1] = 5.0
        assert c[2] == 5.0

    def test_an_exception_leaves_nothing_behind(self) -> None:
        c = np.ones(2)

        def f(x: Any) -> Any:
            _ = (x * c).sum()
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            cr.grad(f)(np.ones(2))
        assert gc.isenabled()
        c[0] = 2.0
        assert cr.grad(lambda x: (x * c).sum())(np.ones(2)).tolist() == [2.0, 1.0]

    def test_in_several_threads(self) -> None:
        results: dict[int, float] = {}

        def work(k: int) -> None:
            for _ in range(50):
                results[k] = cr.grad(lambda x: x**k + cr.grad(lambda y: y * x)(1.0))(2.0)

        threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert results == {k: k * 2.0 ** (k - 1) + 1 for k in range(1, 6)}


class TestNesting:
    def test_third_derivative(self) -> None:
        third = cr.grad(cr.grad(cr.grad(np.sin)))
        assert third(0.3) == pytest.approx(-np.cos(0.3), rel=1e-15)

    def test_perturbations_are_not_confused(self) -> None:
        # d/dx [x · d/dy(x·y)] = d/dx x² = 2x
        assert cr.grad(lambda x: x * cr.grad(lambda y: x * y)(x))(3.0) == 6.0
        # Siskind & Pearlmutter (2005): d/dx (x · d/dy (x + y)|_{y=1}) = 1, not 2
        assert cr.grad(lambda x: x * cr.grad(lambda y: x + y)(1.0))(1.0) == 1.0
        assert cr.jvp(lambda x: x * cr.jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,))[
            1
        ] == pytest.approx(1.0)

    def test_inner_function_closes_over_outer(self) -> None:
        # inner: d/dy (x³ y²) at y = 2 is 4 x³; its derivative at 3 is 12·9
        assert cr.grad(lambda x: cr.grad(lambda y: x**3 * y**2)(2.0))(3.0) == 108.0

    @pytest.mark.parametrize("outer", ["forward", "reverse"])
    @pytest.mark.parametrize("inner", ["forward", "reverse"])
    def test_every_pair_of_modes(self, outer: str, inner: str) -> None:
        def derivative(f: Any, mode: str) -> Any:
            return cr.jacobian(f, mode=mode)

        second = derivative(derivative(rosen, inner), outer)(POINT)
        np.testing.assert_allclose(second, rosen_hess(POINT), rtol=1e-11, atol=1e-11)

    def test_three_modes_deep(self) -> None:
        def f(x: Any) -> Any:
            return (x**4).sum()

        x, v = np.array([2.0, 1.0]), np.array([1.0, 0.0])
        third = cr.jvp(lambda x: cr.hvp(f, (x,), (v,)), (x,), (v,))[1]
        np.testing.assert_allclose(third, [48.0, 0.0])
        np.testing.assert_allclose(cr.grad(lambda x: cr.hvp(f, (x,), (v,)).sum())(x), [48.0, 0.0])

    def test_a_constant_inner_derivative_is_a_true_zero(self) -> None:
        assert cr.grad(cr.grad(lambda x: 3.0 * x))(2.0) == 0.0
        np.testing.assert_array_equal(cr.hessian(lambda x: x.sum())(np.ones(2)), np.zeros((2, 2)))

    def test_inner_gradient_of_constants_costs_no_lost_dependence(self) -> None:
        def newton_root(a: Any) -> Any:
            x = 1.0
            for _ in range(8):
                f = lambda x: x * x - a  # noqa: E731
                x = x - f(x) / cr.grad(f)(x)
            return x

        # d√a/da = 1/(2√a)
        assert cr.grad(newton_root)(2.0) == pytest.approx(0.5 / np.sqrt(2.0), rel=1e-14)


class TestJvpVjp:
    def test_jvp_is_the_directional_derivative(self) -> None:
        v = np.array([1.0, -2.0, 0.5, 3.0, 1.0])
        value, tangent = cr.jvp(rosen, (POINT,), (v,))
        assert value == rosen(POINT)
        assert tangent == pytest.approx(rosen_der(POINT) @ v, rel=1e-12)

    def test_jvp_with_argnums_and_aux(self) -> None:
        value, tangent, extra = cr.jvp(
            lambda x, y: (x * y, "note"), (2.0, 3.0), (1.0,), argnums=(1,), has_aux=True
        )
        assert (value, tangent, extra) == (6.0, 2.0, "note")

    def test_vjp_pullback_can_be_called_again(self) -> None:
        a = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        value, pullback = cr.vjp(lambda x: a @ x, np.array([1.0, -1.0]))
        np.testing.assert_array_equal(value, [-1.0, -1.0, -1.0])
        for e in np.eye(3):
            np.testing.assert_array_equal(pullback(e)[0], a.T @ e)

    def test_pullback_keeps_the_point_of_its_run(self) -> None:
        """Arguments, constants and the value may change before the pullback is called."""
        x, c = np.array([1.0, 2.0]), np.array([3.0, 4.0])
        value, pullback = cr.vjp(lambda x: np.exp(x[::-1]) * c * x, x)
        expected = pullback(np.ones(2))[0]
        x[:] = c[:] = value[:] = 0.0
        np.testing.assert_array_equal(pullback(np.ones(2))[0], expected)
        assert expected.all()

    def test_vjp_of_a_tree(self) -> None:
        def f(p: Any) -> Any:
            return {"product": p[0] * p[1], "sum": p[0] + p[1]}

        _, pullback = cr.vjp(f, (2.0, 3.0))
        assert pullback({"product": 1.0, "sum": 10.0}) == ((13.0, 12.0),)

    def test_pullback_inside_another_derivative(self) -> None:
        # d/dt of t ↦ J(x)ᵀ(t, t) is the sum of the rows of J
        x = np.array([1.0, 2.0])
        _, pullback = cr.vjp(lambda x: x**2, x)
        assert cr.grad(lambda t: pullback(np.stack([t, t]))[0].sum())(1.0) == 6.0


class TestJacobian:
    @pytest.mark.parametrize("mode", ["forward", "reverse", "auto"])
    def test_shape_is_output_then_input(self, mode: str) -> None:
        x = np.arange(6.0).reshape(2, 3) + 1
        j = cr.jacobian(lambda x: (x**2).sum(axis=0), mode=mode)(x)
        expected = np.zeros((3, 2, 3))
        for i in range(3):
            expected[i, :, i] = 2 * x[:, i]
        np.testing.assert_array_equal(j, expected)

    @pytest.mark.parametrize("mode", ["forward", "reverse"])
    def test_of_trees(self, mode: str) -> None:
        j = cr.jacobian(lambda p: {"s": p["a"] * p["b"], "t": p["b"] ** 2}, mode=mode)(
            {"a": np.array([1.0, 2.0]), "b": 3.0}
        )
        np.testing.assert_array_equal(j["s"]["a"], 3 * np.eye(2))
        np.testing.assert_array_equal(j["s"]["b"], [1.0, 2.0])
        np.testing.assert_array_equal(j["t"]["a"], [0.0, 0.0])
        assert j["t"]["b"] == 6.0

    def test_f_runs_once(self) -> None:
        calls = []

        def f(x: Any) -> Any:
            calls.append(1)
            return np.sin(x)

        cr.jacobian(f)(np.ones(4))
        assert len(calls) == 1

    def test_of_several_arguments_with_aux(self) -> None:
        (ja, jb), extra = cr.jacobian(lambda a, b: (a * b, a.shape), (0, 1), has_aux=True)(
            np.array([1.0, 2.0]), 3.0
        )
        np.testing.assert_array_equal(ja, 3 * np.eye(2))
        np.testing.assert_array_equal(jb, [1.0, 2.0])
        assert extra == (2,)


class TestSecondOrder:
    def test_hessian_of_rosenbrock(self) -> None:
        np.testing.assert_allclose(
            cr.hessian(rosen)(POINT), rosen_hess(POINT), rtol=1e-12, atol=1e-12
        )

    def test_hvp_of_rosenbrock(self) -> None:
        v = np.array([1.0, -2.0, 0.5, 3.0, 1.0])
        np.testing.assert_allclose(
            cr.hvp(rosen, (POINT,), (v,)), rosen_hess_prod(POINT, v), rtol=1e-11
        )

    def test_hessian_of_a_tree(self) -> None:
        h = cr.hessian(lambda p: p["a"] ** 2 * p["b"].sum())({"a": 3.0, "b": np.array([1.0, 2.0])})
        assert h["a"]["a"] == 6.0
        np.testing.assert_array_equal(h["a"]["b"], [6.0, 6.0])
        np.testing.assert_array_equal(h["b"]["a"], [6.0, 6.0])
        np.testing.assert_array_equal(h["b"]["b"], np.zeros((2, 2)))

    def test_hvp_of_one_of_two_arguments(self) -> None:
        product = cr.hvp(lambda x, y: (x**3 * y).sum(), (np.ones(2), 2.0), np.ones(2), argnums=0)
        np.testing.assert_array_equal(product, [12.0, 12.0])

    def test_hvp_of_all_arguments(self) -> None:
        # f = x²y at (1, 2): H = [[4, 2], [2, 0]]
        assert cr.hvp(lambda x, y: x**2 * y, (1.0, 2.0), (1.0, 1.0)) == (6.0, 2.0)

    def test_hessian_with_aux(self) -> None:
        h, extra = cr.hessian(lambda x: (x[0] * x[1], "kept"), has_aux=True)(np.array([2.0, 5.0]))
        np.testing.assert_array_equal(h, [[0.0, 1.0], [1.0, 0.0]])
        assert extra == "kept"


class TestLongGraphs:
    def test_a_million_nodes(self) -> None:
        def chain(x: Any) -> Any:
            for _ in range(500_000):
                x = -(x * 1.000001)
            return x

        assert cr.grad(chain)(1.0) == pytest.approx(1.000001**500_000, rel=1e-9)

    def test_forward_mode_of_a_long_chain(self) -> None:
        def chain(x: Any) -> Any:
            for _ in range(50_000):
                x = x * 1.00001
            return x

        assert cr.jvp(chain, (1.0,), (1.0,))[1] == pytest.approx(1.00001**50_000, rel=1e-9)

    def test_memory_grows_linearly(self) -> None:
        def peak(n: int) -> int:
            def chain(x: Any) -> Any:
                for _ in range(n):
                    x = np.sin(x)
                return x

            tracemalloc.start()
            cr.grad(chain)(0.5)
            size = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return size

        small, large = peak(2_000), peak(20_000)
        assert large < 15 * small
        assert large / 20_000 < 500  # bytes a node

    def test_a_loop_over_elements_adds_in_place(self) -> None:
        """The gradient of Σ x[i]² by a loop allocates one array, not one for each element."""
        n = 4_000

        def f(x: Any) -> Any:
            total = 0.0
            for i in range(n):
                total = total + x[i] * x[i]
            return total

        x = np.arange(float(n))
        tracemalloc.start()
        gradient = cr.grad(f)(x)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        np.testing.assert_array_equal(gradient, 2 * x)
        assert size < 20e6  # n arrays of n numbers would take 128 MB


def test_import_is_light() -> None:
    """Importing chainrule loads none of the heavy packages that it uses later."""
    import subprocess
    import sys

    code = (
        "import sys, numpy; before = set(sys.modules); import chainrule;"
        "new = {m.split('.')[0] for m in set(sys.modules) - before};"
        "print(sorted(new & {'scipy', 'optree', 'rich', 'typer', 'llvmlite', 'matplotlib'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_jacobian_without_elements() -> None:
    assert cr.jacobian(lambda x: x**2)(np.zeros((0, 2))).shape == (0, 2, 0, 2)
    assert cr.jacobian(lambda x: x[:0], mode="reverse")(np.ones(2)).shape == (0, 2)


def test_numbers_in_the_memory_of_another_library() -> None:
    """MINPACK calls back with arrays that NumPy could not make writable again."""

    def f(x: Any) -> Any:
        return np.stack([x[0] ** 2 + x[1] - 3, x[0] - x[1]])

    found = root(f, np.ones(2), jac=cr.jacobian(f))
    np.testing.assert_allclose(found.x, (np.sqrt(13) - 1) / 2)
    lent = np.frombuffer(bytearray(24))
    assert cr.grad(lambda x: x @ lent + x.sum())(lent).tolist() == [1.0, 1.0, 1.0]
    assert lent.flags.writeable


def test_what_is_differentiated_is_a_function() -> None:
    for make in (cr.grad, cr.value_and_grad, cr.jacobian, cr.hessian):
        with pytest.raises(
            cr.errors.ArgumentError, match=r"not a function(?s:.*)not cr.grad\(f\(x"
        ):
            make(np.sin(1.0))
