"""What is measured in a process of its own: ``python -m benchmarks.fresh WORK CONTESTANT``.

It prints seconds. "fit" and "compile" begin after the imports, "start" with the process.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import networks
from benchmarks.harness import QUICK
from benchmarks.networks import Task

# The whole fit of the small network: 270 rows, batches of 32, and so one of 14 at the end --------


def _orders(task: Task, epochs: int) -> list[np.ndarray]:
    """The rows of each batch."""
    rng = np.random.default_rng(0)
    n = len(task.x)
    return [rows for _ in range(epochs) for rows in np.split(rng.permutation(n), range(32, n, 32))]


def fit_chainrule(task: Task, epochs: int, native: Any = True) -> float:
    import chainrule as cr
    from chainrule import nn

    layers = [nn.Dense(32, activation="relu"), nn.Dense(16, activation="relu"),
              nn.Dense(1, activation="sigmoid")]  # fmt: skip
    model = cr.Model(layers)
    model.compile("adam", "binary_crossentropy", jit_compile=native)
    labels = task.y.astype(int)
    history = model.fit(task.x, labels, batch_size=32, epochs=epochs, verbose=0)
    return float(history.history["loss"][-1])


def fit_auto(task: Task, epochs: int) -> float:
    return fit_chainrule(task, epochs, "auto")


def fit_sklearn(task: Task, epochs: int) -> float:
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        (32, 16), batch_size=32, max_iter=epochs, n_iter_no_change=epochs, tol=0.0, alpha=0.0,
        random_state=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        model.fit(task.x, task.y.astype(int))
    return float(model.loss_)


def fit_numpy(task: Task, epochs: int) -> float:
    losses = networks.numpy_trainer(task)(_orders(task, epochs))  # type: ignore[arg-type]
    return float(np.mean(losses[-9:]))


def fit_torch(task: Task, epochs: int) -> float:
    train = networks.torch_trainer(task, fused=True)
    losses = [train(rows[None]) for rows in _orders(task, epochs)]
    return float(np.mean(losses[-9:]))


_jax_fits: dict[str, Any] = {}


def fit_jax(task: Task, epochs: int) -> float:
    """A scan over the epochs, in it one over the whole batches, and the short one."""
    import jax

    state, step = networks.jax_step(task)

    def epoch(state: Any, order: Any) -> Any:
        whole = len(task.x) // 32 * 32
        state, losses = jax.lax.scan(step, state, order[:whole].reshape(-1, 32))
        state, last = step(state, order[whole:])
        return state, (losses.sum() + last) / (len(losses) + 1)

    if "fit" not in _jax_fits:  # compiled once in a process
        _jax_fits["fit"] = jax.jit(lambda state, orders: jax.lax.scan(epoch, state, orders)[1])
    rng = np.random.default_rng(0)
    orders = np.stack([rng.permutation(len(task.x)) for _ in range(epochs)])
    return float(_jax_fits["fit"](state, orders)[-1])


def fit_keras(task: Task, epochs: int) -> float:
    model = networks.keras_model(task)
    history = model.fit(task.x, task.y, batch_size=32, epochs=epochs, verbose=0)
    return float(history.history["loss"][-1])


FITS: dict[str, tuple[tuple[str, ...], Callable[[Task, int], float]]] = {  # modules, fit
    "chainrule": (("chainrule", "chainrule.train.model"), fit_chainrule),
    "chainrule, by default": (("chainrule", "chainrule.train.model"), fit_auto),
    "scikit-learn": (("sklearn.neural_network",), fit_sklearn),
    "JAX scan": (("jax",), fit_jax),
    "PyTorch, fused": (("torch",), fit_torch),
    "Keras on JAX": (("keras", "jax"), fit_keras),
    "NumPy by hand": ((), fit_numpy),
}


# The first training step, compiled ---------------------------------------------------------------


def compile_chainrule(task: Task, rows: int) -> Any:
    model = networks.own_model(task)
    x, y = task.x[:rows], task.y[:rows].astype(int)
    return model.fit(x, y, batch_size=rows, epochs=1, verbose=0)


def compile_jax(task: Task, rows: int) -> Any:
    return networks.jax_trainer(task, scan=False)(np.arange(rows)[None])


def compile_torch(task: Task, rows: int) -> Any:
    return networks.torch_trainer(task, compiled=True)(np.arange(rows)[None])


STEPS: dict[str, tuple[tuple[str, ...], Callable[[Task, int], Any]]] = {
    "chainrule": (
        (
            "chainrule.train.fitting",
            "chainrule.train.native",
            "chainrule.engine.native.stepping",
            "chainrule.engine.native.compiler",
            "chainrule.engine.native.elf",
            "chainrule.engine.native.objects",
            "chainrule.engine.simplifying",
        ),
        compile_chainrule,
    ),
    "JAX jit": (("jax",), compile_jax),
    "torch.compile": (("torch",), compile_torch),
}


# Processes ---------------------------------------------------------------------------------------


def seconds(work: str, name: str, cache: str) -> float:
    """Seconds of one contestant in a new process.

    Args:
        work: "fit", "compile", "compile-images", or "start".
        name: the contestant.
        cache: the folder of compiled code.
    """
    import subprocess  # not in the processes that are measured from their start

    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env |= {"CHAINRULE_CACHE": cache, "TORCHINDUCTOR_CACHE_DIR": os.path.join(cache, "torch")}
    command = [sys.executable, "-m", "benchmarks.fresh", work, name]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        said = process.stdout.readline()  # "start" ends here, not when the process does
        wall = time.perf_counter() - began
        process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"{name} failed in {' '.join(command)}")
    return wall if work == "start" else float(said)


def contest(
    work: str, names: Sequence[str], rounds: int = 3, once: Sequence[str] = ()
) -> Mapping[str, float]:
    """Medians over rounds of new processes, each with an empty cache of compiled code.

    The first process of a contestant fills the cache of byte code and does not count.
    """
    import tempfile

    samples: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(1 if QUICK else rounds + 1):
        for name in names:
            if name in once and turn:
                continue
            with tempfile.TemporaryDirectory() as cache:
                samples[name].append(seconds(work, name, cache))
    return {name: float(np.median(found[1:] or found)) for name, found in samples.items()}


def main() -> None:
    from benchmarks import training

    work, name = sys.argv[1:3]
    table: Mapping[str, Any] = STEPS if work.startswith("compile") else FITS
    modules, call = table[name]
    task = {
        "compile": lambda: training.digits(1_280),
        "compile-images": lambda: training.images(64),
    }
    given = (task[work](), 64 if work == "compile-images" else 128) if work in task else (
        training.small(), 1 if work == "start" else 200
    )  # fmt: skip
    if work != "start":
        for module in modules:
            __import__(module)
        given[0].weights()  # the benchmark's own work
    began = time.perf_counter()
    call(*given)
    print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()
