"""`scan`: the values and derivatives of the unrolled steps."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.control.conftest import Compile

RNG = np.random.default_rng(3)
W, U, XS = RNG.normal(size=(3, 3)) / 2, RNG.normal(size=(3, 2)), RNG.normal(size=(7, 2))


ROW = np.array([1.0, -0.5, 2.0])


def network(p: dict[str, Any], xs: Any, **options: Any) -> Any:
    """A loss of a recurrent network by scan."""

    def step(h: Any, x: Any) -> tuple[Any, Any]:
        h = np.tanh(p["w"] @ h + p["u"] @ x)
        return h, {"out": h * h, "sum": x.sum() * h[0]}

    h, ys = cr.scan(step, np.zeros(3), xs, **options)
    return h.sum() + (ys["out"] ** 2).sum() + (ys["sum"] * np.arange(len(xs))).sum()


def unrolled(p: dict[str, Any], xs: Any, reverse: bool = False) -> Any:
    """The same by a Python loop."""
    h, total = np.zeros(3), 0.0
    for k in range(len(xs))[:: -1 if reverse else 1]:
        h = np.tanh(p["w"] @ h + p["u"] @ xs[k])
        total = total + ((h * h) ** 2).sum() + xs[k].sum() * h[0] * k
    return h.sum() + total


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("checkpoint", [False, True])
def test_a_recurrent_network(compiled: Compile, reverse: bool, checkpoint: bool) -> None:
    p = {"w": W, "u": U}

    def f(p: Any, xs: Any) -> Any:
        return network(p, xs, reverse=reverse, checkpoint=checkpoint)

    truth, slopes = cr.value_and_grad(unrolled, (0, 1))(p, XS, reverse)
    value, found = compiled(cr.value_and_grad(f, (0, 1)))(p, XS)
    np.testing.assert_allclose(value, truth, rtol=1e-13)
    np.testing.assert_allclose(found[0]["w"], slopes[0]["w"], rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(found[0]["u"], slopes[0]["u"], rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(found[1], slopes[1], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("checkpoint", "products"), [(False, 3), (True, 4)])
def test_products_are_kept_for_reverse_mode(checkpoint: bool, products: int) -> None:
    """One forward and two backward; with checkpoints the forward one is done once more."""

    def f(w: Any) -> Any:
        step = lambda h, _: (np.tanh(w @ h), None)  # noqa: E731
        return cr.scan(step, np.ones((3, 2)), length=9, checkpoint=checkpoint)[0].sum()

    gradient = cr.compile(cr.grad(f))
    gradient(W)
    assert gradient.source().count("= matmul(") == products


@pytest.mark.parametrize("checkpoint", [False, True])
def test_second_order_in_every_combination_of_modes(compiled: Compile, checkpoint: bool) -> None:
    def f(w: Any) -> Any:
        return network({"w": W * w, "u": U}, XS[:5], checkpoint=checkpoint)

    truth = cr.hessian(lambda w: unrolled({"w": W * w, "u": U}, XS[:5]))(ROW)
    for inner in ("forward", "reverse"):
        for outer in ("forward", "reverse"):
            h = compiled(cr.jacobian(cr.jacobian(f, mode=inner), mode=outer))
            np.testing.assert_allclose(h(ROW), truth, rtol=1e-10, atol=1e-12)


def test_check_grads() -> None:
    cr.check_grads(lambda w: network({"w": W * w, "u": U}, XS[:3], checkpoint=True))(ROW)
    cr.check_grads(cr.compile(lambda w: network({"w": W * w, "u": U}, XS[:3])), orders=1)(ROW)


def decay(c: Any, x: Any) -> tuple[Any, Any]:
    return 0.5 * c + x, c


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_steps(compiled: Compile, n: int) -> None:
    last, ys = compiled(lambda c, xs: cr.scan(decay, c, xs))(4.0, np.ones(n))
    assert last == [4.0, 3.0, 2.5][n]
    np.testing.assert_array_equal(ys, [4.0, 3.0][:n])
    assert ys.shape == (n,)
    slope = compiled(cr.grad(lambda c, xs: cr.scan(decay, c, xs)[0]))
    assert slope(4.0, np.ones(n)) == 0.5**n


def test_a_length_without_xs(compiled: Compile) -> None:
    """The factorials, with a whole number in the carry."""

    def step(s: Any, _: Any) -> Any:
        return (s[0] + 1, s[1] * s[0]), s[1]

    (k, last), ys = compiled(lambda x: cr.scan(step, (1, x), length=5))(1.0)
    assert (k, last) == (6, 120.0)
    np.testing.assert_array_equal(ys, [1, 1, 2, 6, 24])
    f = compiled(cr.grad(lambda x: cr.scan(step, (1, x), None, 5)[1].sum()))
    assert f(1.0) == 34.0


def test_no_y_and_no_carry(compiled: Compile) -> None:
    last, ys = compiled(lambda xs: cr.scan(lambda c, x: (c * x, None), 1.0, xs))(np.arange(1.0, 5))
    assert (last, ys) == (24.0, None)
    last, ys = compiled(lambda xs: cr.scan(lambda c, x: (None, x * x), None, xs))(np.arange(3.0))
    assert last is None
    np.testing.assert_array_equal(ys, [0, 1, 4])
    slope = compiled(cr.grad(lambda xs: cr.scan(lambda c, x: (c, x**2), (), xs)[1].sum()))
    np.testing.assert_array_equal(slope(np.arange(3.0)), [0, 2, 4])


def test_a_carry_that_forgets(compiled: Compile) -> None:
    """c' does not depend on c: differences of neighbours."""

    def f(xs: Any) -> Any:
        return (cr.scan(lambda c, x: (x, (x - c) ** 2), 0.0, xs)[1]).sum()

    x = np.array([1.0, 3.0, 2.0])
    np.testing.assert_allclose(compiled(cr.grad(f))(x), [2 - 4, 4 + 2, -2])
    np.testing.assert_allclose(
        compiled(cr.hessian(f))(x), [[4, -2, 0], [-2, 4, -2], [0, -2, 2]], atol=1e-14
    )


def test_a_carry_that_stays(compiled: Compile) -> None:
    f = compiled(lambda c, xs: cr.scan(lambda c, x: (c, None), c, xs)[0] * 2.0)
    for _ in range(3):
        np.testing.assert_array_equal(f(np.arange(5.0), np.ones((4, 5))), 2.0 * np.arange(5.0))


def test_results_for_what_nobody_reads(compiled: Compile) -> None:
    """The ys of the first scan begin a part of the second one's carry that leads nowhere."""

    def f(xs: Any) -> Any:
        last, ys = cr.scan(lambda c, x: (c + x, c * x), 0.0, xs)
        return cr.scan(lambda c, x: ((c[0] * x, c[1] - x), None), (ys.sum(), last), xs)[0][1]

    assert compiled(f)(np.array([1.0, 2.0, 4.0])) == 0.0


def test_constant_parts(compiled: Compile) -> None:
    """A carry and a y that are plain numbers after each step."""

    def f(xs: Any) -> Any:
        return cr.scan(lambda c, x: (2.0, (x * c, 1.0)), 3.0, xs)

    last, (ys, ones) = compiled(f)(np.array([1.0, 1.0, 5.0]))
    assert last == 2.0
    np.testing.assert_array_equal(ys, [3, 2, 10])
    np.testing.assert_array_equal(ones, [1, 1, 1])


@pytest.mark.parametrize("checkpoint", [False, True])
def test_nested(compiled: Compile, checkpoint: bool) -> None:
    """Σᵢ Πⱼ a[i, j] by two scans, one in the other."""

    def f(a: Any) -> Any:
        def row(r: Any) -> Any:
            return cr.scan(lambda c, x: (c * x, None), 1.0, r, checkpoint=checkpoint)[0]

        return cr.scan(lambda c, r: (c + row(r), None), 0.0, a, checkpoint=checkpoint)[0]

    a = RNG.normal(size=(5, 6))
    product = a.prod(1, keepdims=True)
    np.testing.assert_allclose(compiled(f)(a), product.sum(), rtol=1e-12)
    np.testing.assert_allclose(compiled(cr.grad(f))(a), product / a, rtol=1e-12)


def test_branches_in_a_scan(compiled: Compile) -> None:
    """Σ of x² where x > 0 and of 3x elsewhere."""

    def branch(x: Any) -> Any:
        return cr.cond(x > 0, np.square, lambda x: 3 * x, x)

    def f(xs: Any) -> Any:
        return cr.scan(lambda c, x: (c + branch(x), None), 0.0, xs)[0]

    x = np.array([1.0, -2.0, 3.0])
    assert compiled(f)(x) == 4.0
    np.testing.assert_array_equal(compiled(cr.grad(f))(x), [2, 3, 6])


def test_a_derivative_inside_of_a_scan(compiled: Compile) -> None:
    """Three steps of gradient descent on a (x − 1)², differentiated by a."""

    def f(a: Any) -> Any:
        slope = cr.grad(lambda x: a * (x - 1) ** 2)
        return cr.scan(lambda x, _: (x - 0.1 * slope(x), None), 0.0, length=3)[0]

    a = 2.0
    np.testing.assert_allclose(compiled(f)(a), 1 - (1 - 0.2 * a) ** 3)
    np.testing.assert_allclose(compiled(cr.grad(f))(a), 0.6 * (1 - 0.2 * a) ** 2)


def kepler(start: Any, steps: int) -> Any:
    """One turn of a planet by the classical Runge–Kutta method; (position, velocity)."""

    def field(s: Any) -> Any:
        cube = (s[:2] @ s[:2]) ** 1.5
        return np.concatenate([s[2:], -s[:2] / cube])

    def step(s: Any, h: Any) -> tuple[Any, Any]:
        one = field(s)
        two = field(s + h / 2 * one)
        three = field(s + h / 2 * two)
        four = field(s + h * three)
        return s + h / 6 * (one + 2 * two + 2 * three + four), s

    return cr.scan(step, start, np.full(steps, 2 * np.pi / steps))[0]


def test_an_orbit_and_how_it_depends_on_its_start(compiled: Compile) -> None:
    """A circle comes back after 2π; a faster start has the period T = 2πa^1.5 (Kepler)."""
    start = np.array([1.0, 0.0, 0.0, 1.0])
    steps = 200
    turn = compiled(lambda s: (kepler(s, steps), cr.jacobian(lambda s: kepler(s, steps))(s)))
    end, derivative = turn(start)
    np.testing.assert_allclose(end, start, atol=1e-6)
    # ȧ = 2 for v̇ = 1 (vis-viva), so Ṫ = 6π: the planet is at −Ṫ · velocity, plus its own start.
    velocity, force = np.array([0.0, 1.0]), np.array([-1.0, 0.0])
    truth = np.concatenate([-6 * np.pi * velocity, -6 * np.pi * force + velocity])
    np.testing.assert_allclose(derivative[:, 3], truth, atol=1e-4)


def test_ten_thousand_steps_are_one_step_of_the_graph() -> None:
    def f(w: Any, xs: Any) -> Any:
        return cr.scan(lambda c, x: (np.tanh(w * c) + x, None), 0.0, xs)[0]

    g = cr.compile(cr.grad(f))
    xs = np.full(10_000, 0.25)
    found = g(0.5, xs)
    [version] = g.versions.values()
    assert len(version.captured.graph) < 40
    c = d = 0.0
    for x in xs:  # ċ' = (1 − tanh²(wc)) (c + w ċ)
        t = np.tanh(0.5 * c)
        c, d = t + x, (1 - t * t) * (c + 0.5 * d)
    np.testing.assert_allclose(found, d, rtol=1e-12)


def test_checkpoints_without_compiling_store_the_root_of_the_steps() -> None:
    """The tape holds one node for the whole scan, whatever its length."""
    lengths = []
    for n in (100, 10_000):
        x = np.float64(0.3)

        def f(x: Any, n: int = n) -> Any:
            y = cr.scan(lambda c, _: (c * x, None), 1.0, length=n, checkpoint=True)[0]
            lengths.append(len(y.tape.nodes))
            return y

        cr.grad(f)(x)
    assert lengths[0] == lengths[1] < 10


def test_parts_of_the_carry_change_places(compiled: Compile) -> None:
    """Fibonacci's numbers as a function of the first two: 34 a + 55 b."""

    def f(a: Any, b: Any) -> Any:
        return cr.scan(lambda s, _: ((s[1], s[0] + s[1]), s[0]), (a, b), length=10)

    (last, _), ys = compiled(f)(0.0, 1.0)
    assert last == 55.0
    np.testing.assert_array_equal(ys, [0, 1, 1, 2, 3, 5, 8, 13, 21, 34])
    assert compiled(cr.grad(lambda a, b: f(a, b)[0][0], (0, 1)))(0.0, 1.0) == (34.0, 55.0)


def test_dtypes_stay(compiled: Compile) -> None:
    """Precision, truth values and whole numbers in the carry; memory of their own."""

    def step(s: Any, x: Any) -> Any:
        single, seen, count = s
        return (single + x, seen | (x > 2), count + 1), single > 0

    start = (np.zeros(2, np.float32), np.zeros(2, bool), 0)
    xs = np.array([[1, 0], [2, 0], [3, 0]], np.float32)
    (single, seen, count), ys = compiled(lambda s, xs: cr.scan(step, s, xs))(start, xs)
    assert (single.dtype, seen.dtype, ys.dtype, count) == (np.float32, bool, bool, 3)
    np.testing.assert_array_equal(single, [6, 0])
    np.testing.assert_array_equal(seen, [True, False])
    np.testing.assert_array_equal(ys, [[False, False], [True, False], [True, False]])
    single += 1
    np.testing.assert_array_equal(start[0], [0, 0])


def test_empty_arrays_in_the_carry(compiled: Compile) -> None:
    f = compiled(lambda e, xs: cr.scan(lambda s, x: ((s[0] * x, s[1] + x), None), (e, 0.0), xs)[0])
    empty, total = f(np.zeros((0, 3)), np.arange(4.0))
    assert (empty.shape, total) == ((0, 3), 6.0)


def test_a_body_by_numpy(compiled: Compile) -> None:
    """Linear algebra has no native code: the loop calls the compiled body. Xₖ₊₁ = Xₖ A⁻¹."""
    a = np.array([[2.0, 1.0], [0.0, 4.0]])

    def f(a: Any) -> Any:
        return cr.scan(lambda x, _: (x @ np.linalg.inv(a), x.sum()), np.eye(2), length=3)[0].sum()

    truth = cr.grad(lambda a: np.linalg.matrix_power(np.linalg.inv(a), 3).sum())(a)
    np.testing.assert_allclose(compiled(cr.grad(f))(a), truth, rtol=1e-12)


def test_a_product_that_is_shared_by_threads() -> None:
    """A body so large that more than one thread works on it."""
    w = RNG.normal(size=(256, 256)) / 16
    f = cr.compile(lambda w, h: cr.scan(lambda h, _: (np.tanh(h @ w), None), h, length=4)[0])
    h = RNG.normal(size=(512, 256))
    truth = h
    for _ in range(4):
        truth = np.tanh(truth @ w)
    np.testing.assert_allclose(f(w, h), truth, rtol=1e-12, atol=1e-14)


def test_only_what_is_read_is_stored() -> None:
    """The carries before each step, 80 MB of them, are for derivatives."""
    f = cr.compile(lambda c: cr.scan(lambda c, _: (c * 0.5 + 1, None), c, length=10_000)[0])
    c = np.ones(1000)
    f(c)
    tracemalloc.start()
    np.testing.assert_allclose(f(c), 2.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_checkpoints_take_the_memory_of_the_root_of_the_steps() -> None:
    def peak(checkpoint: bool) -> int:
        def f(w: Any, c: Any) -> Any:
            step = cr.scan(lambda c, _: (np.sin(w * c), None), c, length=900, checkpoint=checkpoint)
            return step[0].sum()

        g = cr.compile(cr.grad(f))
        c = np.ones(1000)
        g(0.5, c)
        tracemalloc.start()
        g(0.5, c)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(False) > 900 * 8000  # every carry
    assert peak(True) < 200 * 8000  # thirty at the blocks, thirty within one, and copies


def test_a_loop_of_constants_is_run_when_it_is_traced(compiled: Compile) -> None:
    """Its result becomes a constant of the graph: the real one, not the example's."""

    def cube(a: Any) -> Any:
        return cr.scan(lambda c, _: (c * a, None), 1.0, length=3)[0]

    f = compiled(lambda x: x * cr.grad(cube)(2.0) + cube(3.0))
    assert f(10.0) == 120.0 + 27.0


def test_assignment_to_the_carry(compiled: Compile) -> None:
    """It changes neither the start nor what earlier steps have returned."""

    def step(c: Any, x: Any) -> Any:
        c[0] = c[0] * x
        return c, (c, c[:1])

    def f(start: Any) -> Any:
        return cr.scan(step, start, np.array([2.0, 3.0, 4.0]))

    start = np.array([1.0, 5.0])
    last, (whole, first) = compiled(f)(start)
    np.testing.assert_array_equal(start, [1, 5])
    np.testing.assert_array_equal(last, [24, 5])
    np.testing.assert_array_equal(whole, [[2, 5], [6, 5], [24, 5]])
    np.testing.assert_array_equal(first, [[2], [6], [24]])
    slope = compiled(cr.grad(lambda s: f(s)[1][0].sum()))(start)
    np.testing.assert_array_equal(slope, [2 + 6 + 24, 3])
