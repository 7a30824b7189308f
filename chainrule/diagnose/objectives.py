"""A loss as a function of one vector, with gradients and Hessian products: what curvature asks.

For a network it is summed over batches, so that data larger than memory pass by. Where so many
evaluations come that it pays, the native engine does them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.derivatives import hvp, value_and_grad
from chainrule.diagnose.naming import element_names
from chainrule.diagnose.passing import KEY
from chainrule.elementary.base import shape_of
from chainrule.errors import ArgumentError, ChainruleError
from chainrule.graph import Node
from chainrule.nn.naming import user_line
from chainrule.optim.vector import Objective
from chainrule.running import Quiet
from chainrule.tracing import Trace, flatten, name_of, parameter_names, paths_of
from chainrule.train.feed import Rows, Stream, is_stream, parts_of
from chainrule.train.fitting import learn
from chainrule.train.inputs import as_inputs, rows_of
from chainrule.train.step import Batch
from chainrule.train.using import evaluation_feed, whole_number

if TYPE_CHECKING:
    from chainrule.train.model import Model

Vector = NDArray[np.float64]
Engine = bool | Literal["auto"]

BATCH = 1024  # rows at a time
# What a Hessian product costs by NumPy, in seconds for each step of the loss, each element of its
# values, and each multiplication in its products; and what compiling it costs.
STEP, ELEMENT, MULTIPLY = 8e-5, 6e-8, 1e-9
COMPILING = 1.0
FEW = 32  # rows that are looked at to tell


class Engines:
    """A function by NumPy or by the native engine, whichever was chosen.

    Args:
        f: pure, of trees of numbers.
        wanted: True or False, or "auto": native if ``pays``, and NumPy where that cannot be.
        pays: whether so many calls are expected that compiling is the shorter way.
    """

    def __init__(self, f: Callable[..., Any], wanted: Engine, pays: bool) -> None:
        self.f, self.wanted = f, wanted
        self.native: Any = None
        known = importlib.util.find_spec("llvmlite") is not None
        if wanted is True or (wanted == "auto" and pays and known):
            from chainrule.engine.compiling import compile

            self.native = compile(f)

    def __call__(self, *args: Any) -> Any:
        if self.native is not None:
            try:
                return self.native(*args)
            except ChainruleError as error:
                if self.wanted is True:
                    raise ArgumentError(
                        "jit_compile=True, and this loss has no native code",
                        got=str(error),
                        line=user_line(),
                        remedy="jit_compile='auto' takes NumPy where it must",
                    ) from error
                self.native = None
        return self.f(*args)


def work(nodes: Sequence[Node]) -> float:
    """About the seconds that NumPy needs for the arrays of a Hessian product, its calls aside."""
    total = 0.0
    for node in nodes:
        size = np.size(node.value) if not isinstance(node.value, tuple) else 0
        total += ELEMENT * size
        if node.name in ("matmul", "conv"):
            shape = shape_of(node.args[1])
            total += MULTIPLY * size * np.prod(shape[:-1])
    return float(total)


class FunctionLoss:
    """A function of a tree of n numbers.

    Attributes:
        point: where the tree stands, shape (n,).
        title: the name of the function.
        names: of the n numbers.
        paths, sizes: the leaves: their names, and how many numbers each holds.
        shapes: of the leaves.
        calls: Hessian products so far.
    """

    rows: int | None = None
    model: Any = None

    def __init__(
        self, f: Callable[[Any], Any], x: Any, *, expected: int = 1, jit_compile: Engine = "auto"
    ) -> None:
        self._objective = Objective(f, x)
        self.point = self._objective.vector(x)
        self.title = name_of(f)
        name = (parameter_names(f) or ["x"])[0]
        self.paths, self._example, self._name = paths_of(x, name), x, name
        self.shapes = [np.shape(leaf) for leaf in flatten(x)[0]]
        self.sizes = [int(np.prod(s)) for s in self.shapes]
        of_vector = self._objective.of_vector
        pays = jit_compile == "auto" and self._cost() * expected > COMPILING
        self._value = Engines(of_vector, jit_compile, pays)
        self._product = Engines(lambda z, v: hvp(of_vector, (z,), (v,)), jit_compile, pays)
        self.calls = 0

    def _cost(self) -> float:
        with Quiet(), Trace() as trace:
            self._objective.of_vector(trace.input(np.array(self.point), "x"))
            return STEP * len(trace.tape.nodes) + work(trace.tape.nodes)

    @property
    def names(self) -> list[str]:
        return element_names(self._example, self._name)

    def tree(self, z: Vector) -> Any:
        return self._objective.tree(z)

    def vector(self, tree: Any) -> Vector:
        return self._objective.vector(tree)

    def value(self, z: Vector) -> float:
        with Quiet():
            return float(self._value(np.array(z)))

    def value_and_gradient(self, z: Vector) -> tuple[float, Vector]:
        with Quiet():
            return self._objective.value_and_gradient(z)

    def product(self, z: Vector, v: Vector) -> Vector:
        """∇²f(z) v."""
        self.calls += 1
        with Quiet():
            return np.asarray(self._product(np.array(z), np.array(v)), np.float64)


class NetworkLoss:
    """The mean loss of a network over data, as a function of its n parameters.

    Args:
        model: compiled; built here if it is not.
        x, y, sample_weight: as for `Model.evaluate`; or batches from an iterable or a function.
        batch_size: rows at a time.
        training: as in a training step (dropout with one draw, batch norm by each batch), instead
            of as in use.
        expected: how many evaluations will come, to choose the engine by.
        jit_compile: as for `Model.compile`.
        seed: of the parameters, if they are made here.

    Attributes: as those of `FunctionLoss`.
    """

    def __init__(
        self,
        model: Model,
        x: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        batch_size: int | None = None,
        training: bool = False,
        expected: int = 1,
        jit_compile: Engine = "auto",
        seed: int = 0,
    ) -> None:
        self.model, self.training = model, training
        self._compiled = model.compiled("curvature")
        self._size = BATCH if batch_size is None else whole_number("batch_size", batch_size)
        self._feed = _feed(model, x, y, sample_weight, self._size, seed)
        self.rows = self._feed.rows
        state = model.training_state("curvature")
        self._layers, self._params = state.layers, state.params
        leaves = flatten(state.params)[0]
        self.shapes = [np.shape(leaf) for leaf in leaves]
        self.sizes = [int(np.size(leaf)) for leaf in leaves]
        self.paths = paths_of(state.params, "params")
        self._tree = Objective(lambda p: p, state.params)
        self.point = self.vector(state.params)
        self.title = model.name
        self.calls = 0
        pays = jit_compile == "auto" and self._cost() * expected > COMPILING
        slope = value_and_grad(self._loss)
        self._value = Engines(self._loss, jit_compile, pays)
        self._slope = Engines(slope, jit_compile is True, False)  # once
        self._product = Engines(self._of_batch, jit_compile, pays)

    def _cost(self) -> float:
        """About the seconds of one product over all rows, from the steps for a few."""
        _, (x, y, weight) = next(self._batches(), (0.0, ((), (), ())))
        leaves, spec = flatten((x, y, weight))
        count = min(len(leaves[0]), FEW) if leaves else 0
        if not count:
            return 0.0
        some = spec.unflatten([leaf[:count] for leaf in leaves])
        rows = self.rows or BATCH
        with Quiet(), Trace() as trace:
            self._loss(trace.tree(self._params, "params"), *some)
            nodes = trace.tape.nodes
            batches = -(-rows // self._size)
            return STEP * len(nodes) * batches + work(nodes) * rows / count

    def _loss(self, params: Any, x: Any, y: Any, weight: Any) -> Any:
        """The loss of one batch; the weight is an array, or an empty tuple for none."""
        compiled = self._compiled
        outputs, _ = compiled.network(params, self._layers, x, training=self.training, rng=KEY)
        return compiled.objective(y, outputs, None if isinstance(weight, tuple) else weight)

    def _of_batch(self, params: Any, v: Any, x: Any, y: Any, weight: Any) -> Any:
        return hvp(lambda p: self._loss(p, x, y, weight), (params,), (v,))

    def _batches(self) -> Iterator[tuple[float, tuple[Any, Any, Any]]]:
        """Each batch with its weight in the mean."""
        batch: Batch
        for batch in self._feed(0, 0):
            weight = () if batch.weight is None else batch.weight
            y = batch.y.astype(np.int64) if batch.y.dtype.kind in "iu" else batch.y
            yield self._compiled.weights(batch)[0], (batch.x, y, weight)

    @property
    def names(self) -> list[str]:
        return element_names(self._params, "params")

    def tree(self, z: Vector) -> Any:
        return self._tree.tree(z)

    def vector(self, tree: Any) -> Vector:
        return self._tree.vector(tree)

    def value(self, z: Vector) -> float:
        params = self.tree(z)
        with Quiet():
            parts = [(w, float(self._value(params, *data))) for w, data in self._batches()]
        return float(sum(w * x for w, x in parts) / self._total(parts))

    def value_and_gradient(self, z: Vector) -> tuple[float, Vector]:
        params = self.tree(z)
        parts, gradient = [], np.zeros(len(z))
        with Quiet():
            for weight, data in self._batches():
                value, slope = self._slope(params, *data)
                parts.append((weight, float(value)))
                gradient += weight * self.vector(slope)
        total = self._total(parts)
        return float(sum(w * x for w, x in parts) / total), gradient / total

    def product(self, z: Vector, v: Vector) -> Vector:
        """∇²L(z) v, summed over the batches."""
        self.calls += 1
        params, direction = self.tree(z), self.tree(v)
        parts, product = [], np.zeros(len(z))
        with Quiet():
            for weight, data in self._batches():
                product += weight * self.vector(self._product(params, direction, *data))
                parts.append((weight, 0.0))
        return product / self._total(parts)

    def _total(self, parts: list[tuple[float, float]]) -> float:
        total = sum(w for w, _ in parts)
        if not total:
            raise ArgumentError(
                "there are no rows to look at",
                got="no batch, or weights that are all 0",
                line=user_line(),
                remedy="a generator runs once: give a function that returns a new one",
            )
        return float(total)


def _feed(model: Model, x: Any, y: Any, weight: Any, size: int, seed: int) -> Rows | Stream:
    """The batches, and a model that knows its labels."""
    if is_stream(x, y):
        stream = Stream(x)
        if stream.once is not None:
            raise ArgumentError(
                "a generator runs once, and curvature goes through the data many times",
                got=type(x).__name__,
                line=user_line(),
                remedy="give a function that returns a new generator, or arrays",
            )
        first, targets, _ = parts_of(stream.first())
        inputs, columns = as_inputs(first, columns=model.columns)
        learn(model, inputs, targets, columns, seed)
        return evaluation_feed(model, x, None, None, size, None)
    if y is None:
        raise ArgumentError(
            "the loss of a network needs inputs and targets",
            got="y=None",
            line=user_line(),
            remedy="give x and y, as for fit",
        )
    inputs, columns = as_inputs(x, columns=model.columns)
    rows_of(inputs)
    learn(model, inputs, y, columns, seed)
    return evaluation_feed(model, x, y, weight, size, None)


def loss_of(
    f: Any,
    x: Any,
    y: Any,
    *,
    sample_weight: Any,
    batch_size: int | None,
    training: bool,
    seed: int,
    expected: int,
    jit_compile: Engine,
) -> FunctionLoss | NetworkLoss:
    """The loss of a model on data, or a function at a point."""
    if hasattr(f, "training_state"):
        return NetworkLoss(
            f, x, y, sample_weight=sample_weight, batch_size=batch_size, training=training,
            expected=expected, jit_compile=jit_compile, seed=seed,
        )  # fmt: skip
    if not callable(f):
        raise ArgumentError(
            "curvature is that of a model on data, or of a function at a point",
            got=f"a {type(f).__name__}",
            line=user_line(),
            remedy="give the compiled model with x and y, or the function itself, not its value",
        )
    given = {"y": y, "sample_weight": sample_weight, "batch_size": batch_size}
    wrong = [name for name, value in given.items() if value is not None]
    if wrong or training:
        raise ArgumentError(
            "a function takes the point alone; data belong to a model",
            got=", ".join(wrong or ["training=True"]),
            line=user_line(),
            remedy="close the function over its data: lambda p: loss(p, x, y)",
        )
    return FunctionLoss(f, x, expected=expected, jit_compile=jit_compile)
