"""Compiled functions and their derivatives: the same mathematics for each contestant."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from benchmarks import peers
from benchmarks.harness import Contestants, Row, agree, empty_cache, measure
from benchmarks.peers import available, casadi_call
from benchmarks.recording import (
    chain_steps,
    logistic_loss,
    micrograd_logistic,
    rosen,
    rosen_by_hand,
    rosen_product_by_hand,
)


def scalar() -> Row:
    """Value and gradient of the logistic loss of one number in float64, floats in and out."""
    own = cr.compile(cr.value_and_grad(logistic_loss(np)))
    contestants: Contestants = {"chainrule": lambda: own(3.0, 3.0, 1.0)}
    if available("casadi"):
        import casadi

        w, x, y = casadi.SX.sym("w"), casadi.SX.sym("x"), casadi.SX.sym("y")
        loss = logistic_loss(casadi)(w, x, y)
        given = (np.array([3.0]), np.array([3.0]), np.array([1.0]))
        contestants["CasADi through buffers"] = casadi_call(
            [w, x, y], [loss, casadi.gradient(loss, w)], *given
        )
    if available("micrograd"):
        contestants["micrograd"] = micrograd_logistic
    if available("mygrad"):
        import mygrad

        by_mygrad = logistic_loss(mygrad)

        def mygrad_both() -> Any:
            w = mygrad.tensor(3.0)
            loss = by_mygrad(w, 3.0, 1.0)
            loss.backward()
            return float(loss), float(w.grad)

        contestants["MyGrad"] = mygrad_both
    if available("torch"):
        torch = peers.torch()
        by_torch = logistic_loss(torch)

        def torch_both() -> Any:
            w = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
            loss = by_torch(w, 3.0, 1.0)
            loss.backward()
            return loss.item(), w.grad.item()

        contestants["PyTorch"] = torch_both
    if available("jax"):
        jax = peers.jax(double=True)
        compiled = jax.jit(jax.value_and_grad(logistic_loss(jax.numpy)))
        device = tuple(map(jax.numpy.asarray, (3.0, 3.0, 1.0)))
        contestants["JAX jit, device arrays"] = lambda: jax.block_until_ready(compiled(*device))
        contestants["JAX jit, floats"] = lambda: tuple(map(float, compiled(3.0, 3.0, 1.0)))
    agree(contestants, lambda both: tuple(np.reshape(x, ()) for x in both))
    row = Row("compiled scalar logistic loss, value and gradient", "µs a call", 1e6, 1.0, 0.32)
    row.seconds = measure(contestants)
    return row


def chain(n: int = 100_000) -> list[Row]:
    """Value and gradient of a compiled chain of n scalar steps in float64: time and memory."""

    def both(x: Any) -> Any:
        return cr.value_and_grad(lambda x: chain_steps(np.sin, x, n))(x)

    own = cr.compile(both)
    way = Row(
        f"the way to a compiled scalar chain of {n:,} steps", "µs a step", 1e6 / n, 15.0, 37.0
    )
    way.seconds = {"chainrule": _once(lambda: own(0.5))}
    contestants: Contestants = {"chainrule": lambda: own(0.5)}
    if available("casadi"):
        import casadi

        def made() -> Any:
            x = casadi.SX.sym("x")
            y = chain_steps(casadi.sin, x, n)
            return casadi_call([x], [y, casadi.gradient(y, x)], np.array([0.5]))

        way.seconds["CasADi"] = _once(
            lambda: contestants.update({"CasADi through buffers": made()})
        )
    if available("jax"):
        jax, short = peers.jax(double=True), 1_000
        unrolled = jax.jit(jax.value_and_grad(lambda x: chain_steps(jax.numpy.sin, x, short)))
        way.seconds["JAX jit"] = n / short * _once(lambda: jax.block_until_ready(unrolled(0.5)))
        way.notes.append(f"JAX, of which more takes more a step, on a chain of {short:,} steps.")
    if available("torch"):
        torch = peers.torch()

        def torch_both() -> Any:
            t = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
            y = chain_steps(torch.sin, t, n)
            y.backward()
            return y.item(), t.grad.item()

        contestants["PyTorch"] = torch_both
    agree(contestants, lambda both: tuple(np.reshape(x, ()) for x in both))
    work = f"compiled scalar chain of {n:,} steps, value and gradient"
    row = Row(work, "ns a node", 1e9 / n, 12.0, 27.0)
    row.seconds = measure(contestants, rounds=3)
    held = Row(work, "bytes a node", 1 / n, 48.0)
    held.seconds = {"chainrule": _bytes(own)}
    held.notes.append("Bytes of the chain: instructions, constants, and the memory of a call.")
    return [row, held, way]


def _once(work: Callable[[], Any]) -> float:
    """Seconds that something takes that is done once."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _bytes(compiled: Any) -> float:
    """What a compiled function and a call of it hold, beside its machine code."""
    (version,) = compiled.versions.values()
    return float(
        version.run.storage.arena_size + sum(a.nbytes for a in version.run.storage.constants)
    )


ROSENBROCK = {  # order, n -> target, best peer in µs
    (1, 1_000): (3, 18), (1, 100_000): (30, 269), (1, 1_000_000): (400, 1_341),
    (2, 1_000): (3, 21), (2, 100_000): (45, 145), (2, 1_000_000): (600, 1_031),
}  # fmt: skip


def rosenbrock(n: int, order: int) -> Row:
    """Value and gradient (order 1), or a Hessian product (order 2), of Rosenbrock's function."""
    x, v = np.random.default_rng(0).standard_normal((2, n))
    contestants: Contestants = {}
    if order == 1:
        both = cr.compile(cr.value_and_grad(rosen))
        contestants["chainrule"] = lambda: both(x)
        contestants["NumPy by hand"] = lambda: rosen_by_hand(x)
    else:
        product = cr.compile(lambda x, v: cr.hvp(rosen, (x,), (v,)))
        contestants["chainrule"] = lambda: product(x, v)
        contestants["NumPy by hand"] = lambda: rosen_product_by_hand(x, v)
    if available("jax"):
        contestants["JAX jit"] = _rosenbrock_by_jax(x, v, order)
    if available("torch"):
        contestants |= _rosenbrock_by_torch(x, v, order)
    if available("casadi"):
        import casadi

        xs, vs = casadi.MX.sym("x", n), casadi.MX.sym("v", n)
        a, b = xs[1:] - xs[:-1] ** 2, 1 - xs[:-1]
        f = casadi.sum1(100 * a**2 + b**2)
        g = casadi.gradient(f, xs)
        outputs = [f, g] if order == 1 else [casadi.jtimes(g, xs, vs)]
        contestants["CasADi through buffers"] = casadi_call([xs, vs], outputs, x, v)
    agree(contestants, _leaves, rtol=1e-6, atol=1e-6)
    what = "value and gradient" if order == 1 else "Hessian product"
    row = Row(f"compiled Rosenbrock, n = {n:,}, {what}", "µs", 1e6, *ROSENBROCK[order, n])
    row.seconds = measure(contestants, rounds=5)
    return row


def _leaves(result: Any) -> Any:
    parts = result if isinstance(result, (tuple, list)) else (result,)
    return [np.squeeze(part.detach() if hasattr(part, "detach") else part) for part in parts]


def _rosenbrock_by_jax(x: Any, v: Any, order: int) -> Any:
    jax = peers.jax(double=True)
    xj, vj = jax.numpy.asarray(x), jax.numpy.asarray(v)
    if order == 1:
        both = jax.jit(jax.value_and_grad(rosen))
        return lambda: jax.block_until_ready(both(xj))
    product = jax.jit(lambda x, v: jax.jvp(jax.grad(rosen), (x,), (v,))[1])
    return lambda: jax.block_until_ready(product(xj, vj))


def _rosenbrock_by_torch(x: Any, v: Any, order: int) -> Contestants:
    torch = peers.torch()
    xt, vt = torch.tensor(x, requires_grad=True), torch.tensor(v)

    def eager() -> Any:
        f = rosen(xt)
        (g,) = torch.autograd.grad(f, xt, create_graph=order == 2)
        return (f, g) if order == 1 else torch.autograd.grad(g, xt, vt)

    found: Contestants = {"PyTorch": eager}
    if order == 1 and len(x) >= 100_000:
        plain = xt.detach()
        both = torch.compile(torch.func.grad_and_value(rosen), dynamic=False)
        found["torch.compile"] = lambda: both(plain)[::-1]
    return found


def logistic_regression() -> Row:
    """Value and gradient for 100,000 rows of 100 columns in float32."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100_000, 100)).astype(np.float32)
    y = (rng.random(100_000) > 0.5).astype(np.float32)
    w = (rng.standard_normal(100) / 10).astype(np.float32)

    def loss(w: Any, x: Any, y: Any) -> Any:
        return cr.sigmoid_cross_entropy(x @ w, y).mean()

    def by_hand() -> Any:
        z = x @ w
        e = np.exp(-np.abs(z))
        value = (np.maximum(z, 0) - z * y + np.log1p(e)).mean()
        p = np.where(z >= 0, 1, e) / (1 + e)
        return value, (p - y) @ x / np.float32(len(x))

    own = cr.compile(cr.value_and_grad(loss))
    contestants: Contestants = {"chainrule": lambda: own(w, x, y), "NumPy by hand": by_hand}
    if available("torch"):
        torch = peers.torch()
        wt = torch.tensor(w, requires_grad=True)
        xt, yt = torch.tensor(x), torch.tensor(y)
        bce = torch.nn.functional.binary_cross_entropy_with_logits

        def by_torch() -> Any:
            value = bce(xt @ wt, yt)
            return value, *torch.autograd.grad(value, wt)

        contestants["PyTorch"] = by_torch
    if available("jax"):
        jax = peers.jax()
        jnp = jax.numpy

        def by_jax(w: Any, x: Any, y: Any) -> Any:
            z = x @ w
            return (jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z)))).mean()

        both = jax.jit(jax.value_and_grad(by_jax))
        wj, xj, yj = map(jnp.asarray, (w, x, y))
        contestants["JAX jit"] = lambda: jax.block_until_ready(both(wj, xj, yj))
    agree(contestants, _leaves, rtol=1e-3, atol=1e-5)
    row = Row("logistic regression 100,000 × 100, value and gradient", "ms", 1e3, 1.4, 3.54)
    row.seconds = measure(contestants)
    row.notes.append("NumPy's two bare products, x @ w and v @ x, are in its time by hand.")
    return row


SIZES = (13, 32, 16, 1)


def _small_loss(lib: Any, theta: Any, x: Any, y: Any) -> Any:
    """Logistic loss of the network 13-32-16-1 with its 993 parameters in one vector."""
    start = 0
    for k, (m, n) in enumerate(itertools.pairwise(SIZES)):
        w = theta[start : start + m * n].reshape(m, n)
        b = theta[start + m * n : start + m * n + n]
        start += m * n + n
        x = x @ w + b
        if k < len(SIZES) - 2:
            x = lib.where(x > 0, x, 0.0)
    z = x[:, 0]
    return (lib.log1p(lib.exp(-lib.abs(z))) + lib.where(z > 0, z, 0.0) - z * y).mean()


def hessian() -> list[Row]:
    """The dense Hessian of the small network's loss, 270 rows in float64."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((270, 13))
    y = (x[:, 0] > 0).astype(float)
    theta = 0.3 * rng.standard_normal(sum(m * n + n for m, n in itertools.pairwise(SIZES)))

    def own() -> Any:
        return cr.compile(cr.hessian(lambda t: _small_loss(np, t, x, y)))

    def own_anew() -> Any:
        with empty_cache():
            return own()(theta)

    ready = own()
    quick: Contestants = {"chainrule": lambda: ready(theta)}
    anew: Contestants = {"chainrule": own_anew}
    notes = []
    if available("jax"):
        jax = peers.jax(double=True)
        tj, xj, yj = map(jax.numpy.asarray, (theta, x, y))

        def by_jax() -> Any:
            return jax.jit(jax.hessian(lambda t: _small_loss(jax.numpy, t, xj, yj)))

        def jax_anew() -> Any:
            jax.clear_caches()
            return by_jax()(tj).block_until_ready()

        compiled = by_jax()
        quick["JAX jit"] = lambda: compiled(tj).block_until_ready()
        anew["JAX jit"] = jax_anew
    if available("torch"):
        torch = peers.torch()
        tt, xt, yt = map(torch.tensor, (theta, x, y))
        by_torch = torch.func.hessian(lambda t: _small_loss(torch, t, xt, yt))
        quick["PyTorch"] = lambda: by_torch(tt)
        notes.append(
            "torch.compile, which takes 17 s for its first Hessian and is slower than JAX after "
            "that, is left out of that row."
        )
    agree(quick, rtol=1e-6, atol=1e-10)
    agree(anew, rtol=1e-6, atol=1e-10)
    work = "dense Hessian of the 13-32-16-1 loss, 270 rows, float64"
    rows = [Row(work, "ms", 1e3, 40, 86), Row(f"{work}, with compilation", "ms", 1e3, 200, 520)]
    rows[0].seconds = measure(quick, rounds=5, seconds=0.3)
    rows[1].seconds = measure(anew, rounds=3, seconds=0.0)
    rows[1].notes += notes
    return rows


def kalman_filter(steps: int = 200) -> Row:
    """Likelihood of the noises of a Kalman filter and its gradient: 4 states, 2 measured."""
    rng = np.random.default_rng(0)
    motion, measured = np.eye(4) + 0.1 * np.eye(4, k=2), np.eye(2, 4)
    track = rng.standard_normal((steps, 2)).cumsum(axis=0)
    given = np.array([-1.0, -0.5]), track, motion, measured

    def likelihood(lib: Any, scan: Any) -> Callable[..., Any]:
        def negative(noises: Any, track: Any, f: Any, h: Any) -> Any:
            q, r = lib.exp(noises[0]) * np.eye(4), lib.exp(noises[1]) * np.eye(2)

            def step(carry: Any, y: Any) -> Any:
                x, p, total = carry
                x, p = f @ x, f @ p @ f.T + q
                e, s = y - h @ x, h @ p @ h.T + r
                gain = lib.linalg.solve(s, h @ p).T
                total = total + lib.linalg.slogdet(s)[1] + e @ lib.linalg.solve(s, e)
                return (x + gain @ e, p - gain @ h @ p, total), None

            return scan(step, (0.0 * f[0], 1.0 * lib.eye(4), 0.0 * noises[0]), track)[0][2] / 2

        return negative

    own = cr.compile(cr.value_and_grad(likelihood(np, cr.scan)))
    contestants: Contestants = {"chainrule": lambda: own(*given)}
    if available("jax"):
        jax = peers.jax(double=True)
        peer = jax.jit(jax.value_and_grad(likelihood(jax.numpy, jax.lax.scan)))
        device = tuple(map(jax.numpy.asarray, given))
        contestants["JAX scan"] = lambda: jax.block_until_ready(peer(*device))
    agree(contestants)
    row = Row(f"Kalman filter of {steps} steps, value and gradient", "ms", 1e3, 1.0, 1.0)
    row.seconds = measure(contestants)
    return row


def adam(n: int = 10_000_000) -> Row:
    """One step of Adam on n parameters in float32, the gradient given."""
    from chainrule import optim
    from chainrule.engine.native.stepping import Plan, Stepper

    rng = np.random.default_rng(0)
    p, g = rng.standard_normal((2, n), dtype=np.float32)
    rule = optim.Adam(1e-3)

    def one(state: Any, data: Any, own: Any) -> Any:
        params, memory = state
        params, memory = rule.update(data, memory, params, learning_rate=own)
        return (params, memory), own

    start = p, rule.init(p)
    stepper = Stepper(Plan.of(one, start, g, np.float64(1e-3)), start, g)
    rates = np.full(1, 1e-3)
    contestants: Contestants = {"chainrule": lambda: stepper.run(rates, 1)}
    after = {"chainrule": lambda: stepper.memory.state()[0]}
    if available("torch"):
        torch = peers.torch()
        pt = torch.tensor(p, requires_grad=True)
        pt.grad = torch.tensor(g)
        peer = torch.optim.Adam([pt], 1e-3, fused=True)
        contestants["PyTorch, fused"] = peer.step
        after["PyTorch, fused"] = lambda: pt.detach()
    if available("jax"):
        import functools

        jax = peers.jax()
        from benchmarks.networks import jax_adam

        step = functools.partial(jax.jit, donate_argnums=0)(jax_adam)
        pj, gj = jax.numpy.asarray(p.copy()), jax.numpy.asarray(g)
        zero = jax.numpy.zeros_like(pj)
        held = [(pj, zero, zero.copy(), jax.numpy.float32(0))]

        def by_jax() -> Any:
            held[0] = jax.block_until_ready(step(held[0], gj))

        contestants["JAX jit"] = by_jax
        after["JAX jit"] = lambda: held[0][0]
    for call in contestants.values():
        call()
    agree(after, rtol=1e-5, atol=1e-6)
    row = Row("Adam on 10,000,000 parameters, one step", "ms", 1e3, 4.5, 4.7)
    row.seconds = measure(contestants, rounds=5)
    return row
