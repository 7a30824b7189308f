"""What a user waits for beside the steps: compiling, the first epoch, whole fits, predictions."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np

from benchmarks import fresh, networks, peers, training
from benchmarks.harness import QUICK, Contestants, Row, agree, measure
from benchmarks.peers import available

ASKED = 40  # predictions of a shape after which the model has compiled them


def _present(names: Any) -> list[str]:
    """The contestants of new processes that are installed."""
    return [n for n in names if available(*(m.partition(".")[0] for m in names[n][0]))]


def small_fit() -> list[Row]:
    """The whole fit of 13-32-16-1: 270 rows, batch 32, 200 epochs; in a new process and again."""
    what = "fit of 13-32-16-1, 270 rows, batch 32, 200 epochs"
    cold = Row(f"{what}, first in a process, nothing cached", "ms", 1e3, 150, 160)
    warm = Row(f"{what}, again in the same process", "ms", 1e3, 20, 40)
    names = _present(fresh.FITS)
    cold.seconds = dict(fresh.contest("fit", names, once=("Keras on JAX",)))
    with tempfile.TemporaryDirectory() as cache:
        loaded = [fresh.seconds("fit", "chainrule", cache) for _ in range(3)]
    cold.notes.append(
        f"With code from the disk cache the first fit takes {min(loaded[1:]) * 1e3:.0f} ms. "
        "“By default” is jit_compile='auto', the other chainrule True. Imports are not counted."
    )
    task = training.small()
    contestants: Contestants = {
        name: (lambda fit=fresh.FITS[name][1]: fit(task, 200)) for name in names
    }
    losses = {name: fit() for name, fit in contestants.items()}
    for name, loss in losses.items():  # weights and orders are their own
        np.testing.assert_allclose(loss, losses["chainrule"], atol=0.15, err_msg=name)
    contestants.pop("Keras on JAX", None)  # it compiles again for each model
    warm.seconds = measure(contestants, rounds=3, seconds=0.3)
    warm.notes.append("Keras, which compiles each new model, is left out of the fit again.")
    return [cold, warm]


def start() -> Row:
    """From the start of a process to the first finished epoch of the small fit."""
    row = Row("process start to the first finished epoch of the small fit", "ms", 1e3, 300, 130)
    row.seconds = dict(fresh.contest("start", _present(fresh.FITS), rounds=5))
    return row


def compiling() -> list[Row]:
    """The first step of training, with compiling it, in a new process."""
    rows = []
    for work, what in (("compile", "784-256-128-10"), ("compile-images", "convolutional net")):
        names = _present(fresh.STEPS)
        once = ("torch.compile",)
        found = dict(fresh.contest(work, names, once=once))
        with tempfile.TemporaryDirectory() as cache:
            runs = [fresh.seconds(work, "chainrule", cache) for _ in range(2 if QUICK else 4)]
        cold = Row(f"first training step of the {what}, compiled", "ms", 1e3, 100, 1_300)
        disk = Row(f"first training step of the {what}, from the disk", "ms", 1e3, 5, 1_300)
        cold.seconds, disk.seconds = found, {**found, "chainrule": float(np.median(runs[1:]))}
        rows += [cold, disk]
    rows[0].notes.append(
        "The first step is counted with recording, compiling, and running it once; that the "
        "benchmark draws the weights is not."
    )
    return rows


def memory() -> Row:
    """What the training of 784-256-128-10 needs beyond data, parameters and optimizer state."""
    rows = 128
    stepper = networks.stepper(training.digits(2 * rows), rows)
    outputs = 4 * rows * (256 + 128 + 10)
    activations = 4 * rows * 784 + outputs
    arena = stepper._arena
    arena[:] = pattern = 0xA5  # memory that is reserved and not written to costs nothing
    stepper.run(np.arange(2 * rows).reshape(2, rows), 2)
    touched = float(np.count_nonzero(arena != pattern) * 256 / 255)  # some bytes are written so
    work = "memory of a step of 784-256-128-10, batch 128, over the live activations of a batch"
    row = Row(work, "×", 1.0, 1.2)
    row.seconds = {"chainrule": touched / activations}
    row.notes.append(
        f"Memory of a step: the {touched / 1024:,.0f} KiB that it writes to; live activations, "
        f"which are the batch and the outputs of the layers: {activations / 1024:,.0f} KiB. "
        "The batch is read where it lies in the data; "
        f"the outputs by themselves are {outputs / 1024:,.0f} KiB."
    )
    return row


def predict(rows: int) -> Row:
    """Predictions of the network 13-32-16-1 for so many rows."""
    import chainrule as cr
    from chainrule import nn

    task = training.small()
    x = np.random.default_rng(1).standard_normal((rows, 13)).astype(np.float32)
    weights = task.weights()
    layers = [nn.Dense(32, activation="relu"), nn.Dense(16, activation="relu"),
              nn.Dense(1, activation="sigmoid")]  # fmt: skip
    model = cr.Model(layers, dtype=np.float32).build((13,))
    for layer, (kernel, bias) in zip(model.params.values(), weights, strict=True):
        layer["kernel"], layer["bias"] = kernel, bias
    network, params, state = model.layer, model.params, model.state
    own = cr.compile(lambda x: network(params, state, x, training=False)[0])

    def by_hand() -> Any:
        h = x
        for kernel, bias in weights[:-1]:
            h = np.maximum(h @ kernel + bias, 0)
        return 1 / (1 + np.exp(-(h @ weights[-1][0] + weights[-1][1])))

    contestants: Contestants = {
        "chainrule": lambda: model.predict(x, batch_size=rows),
        "chainrule compiled": lambda: own(x),
        "NumPy by hand": by_hand,
    }
    if available("onnxruntime", "onnx"):
        session = _onnx_session(weights)
        contestants["ONNX Runtime"] = lambda: session.run(None, {"x": x})[0]
    if available("torch"):
        contestants |= _torch_predictions(task, x)
    if available("jax"):
        jax = peers.jax()
        jnp = jax.numpy

        @jax.jit
        def by_jax(x: Any) -> Any:
            for kernel, bias in weights[:-1]:
                x = jax.nn.relu(x @ kernel + bias)
            return jax.nn.sigmoid(x @ weights[-1][0] + weights[-1][1])

        contestants["JAX jit"] = lambda: np.asarray(by_jax(jnp.asarray(x)))
    if available("sklearn"):
        contestants["scikit-learn"] = _sklearn_prediction(weights, x)
    for _ in range(ASKED):
        model.predict(x, batch_size=rows)
    agree(contestants, rtol=1e-4, atol=1e-5)
    target = {1: (3.0, 7.1), 10_000: (100, 273)}[rows]
    row = Row(f"predict by 13-32-16-1, {rows:,} row{'s' if rows > 1 else ''}", "µs", 1e6, *target)
    row.seconds = measure(contestants)
    row.notes.append(
        "Predictions of “chainrule” are Model.predict's, which compiles for a shape that is asked "
        "for again and again; “chainrule compiled” is cr.compile of the network."
    )
    return row


def _onnx_session(weights: Any) -> Any:
    """ONNX Runtime with the same network: Gemm and Relu, and at the end Sigmoid."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    nodes, held, name = [], [], "x"
    for k, (kernel, bias) in enumerate(weights):
        held += [numpy_helper.from_array(a, f"{n}{k}") for n, a in (("w", kernel), ("b", bias))]
        nodes.append(helper.make_node("Gemm", [name, f"w{k}", f"b{k}"], [f"z{k}"]))
        last = k == len(weights) - 1
        name = "y" if last else f"h{k}"
        nodes.append(helper.make_node("Sigmoid" if last else "Relu", [f"z{k}"], [name]))
    x, y = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, ["rows", columns])
        for n, columns in (("x", 13), ("y", 1))
    )
    graph = helper.make_graph(nodes, "network", [x], [y], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = peers.THREADS
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _torch_predictions(task: Any, x: Any) -> Contestants:
    torch = peers.torch()
    network = torch.nn.Sequential(networks.torch_network(task), torch.nn.Sigmoid()).eval()
    compiled = torch.compile(network, dynamic=False)

    def call(network: Any) -> Any:
        with torch.inference_mode():
            return network(torch.from_numpy(x)).numpy()

    return {"PyTorch": lambda: call(network), "torch.compile": lambda: call(compiled)}


def _sklearn_prediction(weights: Any, x: Any) -> Any:
    """MLPClassifier with weights of another's."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier((32, 16), max_iter=1, batch_size=2)
    rng = np.random.default_rng(0)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(rng.standard_normal((4, 13)).astype(np.float32), np.array([0, 1, 0, 1]))
    model.coefs_ = [kernel for kernel, _ in weights]
    model.intercepts_ = [bias for _, bias in weights]
    return lambda: model.predict_proba(x)[:, 1:]
