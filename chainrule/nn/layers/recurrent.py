"""Layers that go through a sequence step by step: SimpleRNN, GRU, LSTM, and both directions.

Names, defaults, the order of the gates and the shapes of the parameters are Keras's. The loop is
`cr.scan`, one step of the graph, so that a compiled training takes sequences of any length.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from chainrule.elementary.base import shape_of
from chainrule.nn.activations import Activation, get_activation
from chainrule.nn.initializers import Init, get_initializer
from chainrule.nn.layers.base import Layer, Shape, Tree
from chainrule.nn.layers.draws import Rng, starting
from chainrule.nn.naming import lookup
from chainrule.records import dataclass

_MEANING = "(batch, time, features)"


@dataclass(frozen=True)
class Recurrent(Layer):
    """What the layers that carry a state through a sequence have in common.

    Args:
        units: the number n of outputs, and of numbers in each part of the state.
        activation: of the candidate for the state.
        use_bias: whether to add a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: a name, a record, or a function
            of (rng, shape, dtype).
        return_sequences: the outputs of all times, shape (batch, time, n), not of the last alone.
        go_backwards: from the last time to the first; the outputs come in that order too.

    Parameters: ``kernel`` of shape (m, k n), ``recurrent_kernel`` of shape (n, k n), ``bias``; with
    k = 1 for SimpleRNN, 3 for GRU and 4 for LSTM. The state begins at 0.
    """

    units: int
    activation: Activation = "tanh"
    use_bias: bool = True
    kernel_initializer: Init = "glorot_uniform"
    recurrent_initializer: Init = "orthogonal"
    bias_initializer: Init = "zeros"
    return_sequences: bool = False
    go_backwards: bool = False

    gates: ClassVar[int] = 1  # blocks of n columns in the kernels
    parts: ClassVar[int] = 1  # of the state

    def __post_init__(self) -> None:
        self.whole("units", self.units)
        get_activation(self.activation)
        for init in (self.kernel_initializer, self.recurrent_initializer, self.bias_initializer):
            get_initializer(init)

    def build(
        self, rng: Rng, input_shape: Shape, *, dtype: DTypeLike = np.float64
    ) -> tuple[Tree, Tree]:
        _, width = self._sequence(input_shape)
        rng, columns = starting(rng), self.gates * self.units
        draw = get_initializer(self.kernel_initializer)
        params = {"kernel": draw(rng, (int(width), columns), dtype)}
        draw = get_initializer(self.recurrent_initializer)
        params["recurrent_kernel"] = draw(rng, (self.units, columns), dtype)
        if self.use_bias:
            params["bias"] = self._bias(rng, dtype)
        return params, {}

    def _bias(self, rng: np.random.Generator, dtype: DTypeLike) -> Any:
        shape = (self.gates * self.units,)
        return get_initializer(self.bias_initializer)(rng, shape, dtype)

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        last, outputs = self.through(params, x, self.go_backwards)
        if not self.return_sequences:
            return last, state
        return (outputs[:, ::-1] if self.go_backwards else outputs), state

    def through(self, params: Tree, x: Any, backward: bool) -> tuple[Any, Any]:
        """The last output, and those of all times in their places; None if nobody wants them."""
        from chainrule.control.repeating import scan  # which networks without a loop do not need

        x = self.batch(x, 3, _MEANING)
        rows, _, width = shape_of(x)
        wanted = shape_of(params["kernel"])[0]
        if width != wanted:
            raise self.misfit(
                f"the input must have {wanted} features at each time",
                f"an array of shape {shape_of(x)}",
                f"give an array of shape {_MEANING} with {wanted} features, or build the layer "
                f"for input_shape={shape_of(x)[1:]}",
            )
        inputs = x @ params["kernel"]
        if self.use_bias:
            inputs = inputs + self._of_inputs(params["bias"])

        def step(state: Any, z: Any) -> tuple[Any, Any]:
            state = self._step(params, state, z)
            return state, state[0] if self.return_sequences else None

        start = (np.zeros((rows, self.units), x.dtype),) * self.parts
        state, outputs = scan(step, start, np.swapaxes(inputs, 0, 1), reverse=backward)
        return state[0], (np.swapaxes(outputs, 0, 1) if self.return_sequences else None)

    def _of_inputs(self, bias: Any) -> Any:
        """The part of the bias that is added to what comes of the inputs."""
        return bias

    @abstractmethod
    def _step(self, params: Tree, state: Any, z: Any) -> Any:
        """The state after a time; its first part is the output. z is what comes of the inputs."""

    def _gate(self, z: Any, k: int) -> Any:
        """The k-th block of columns."""
        return z[:, k * self.units : (k + 1) * self.units]

    def output_shape(self, input_shape: Shape) -> Shape:
        time, _ = self._sequence(input_shape)
        return (time, self.units) if self.return_sequences else (self.units,)

    def _sequence(self, input_shape: Shape) -> Shape:
        """The shape of one example, checked to be that of a sequence."""
        if len(input_shape) == 1:
            raise self.misfit(
                "one example must have 2 axes, (time, features)",
                f"an input shape of {tuple(input_shape)} (without the batch axis)",
                "after another recurrent layer give that one return_sequences=True; of numbers one "
                f"after the other nn.Reshape({(*input_shape, 1)}) or x[..., None] makes a sequence",
            )
        return self.example(input_shape, 2, "(time, features)")


@dataclass(frozen=True)
class SimpleRNN(Recurrent):
    """hₜ = activation(xₜ W + hₜ₋₁ U + b); the output is the last h, or all of them.

    Args, parameters: as of `Recurrent`, with one block of columns.

    >>> layer = SimpleRNN(1, kernel_initializer="ones", recurrent_initializer="ones",
    ...                   activation="linear", return_sequences=True)
    >>> params, state = layer.build(0, (3, 1))
    >>> layer(params, state, np.ones((1, 3, 1)), training=False)[0].ravel()
    array([1., 2., 3.])

    Source: Elman, "Finding structure in time", Cognitive Science 14 (1990).
    """

    def _step(self, params: Tree, state: Any, z: Any) -> Any:
        (h,) = state
        return (get_activation(self.activation)(z + h @ params["recurrent_kernel"]),)


@dataclass(frozen=True)
class _Gated(Recurrent):
    """A layer whose gates have an activation of their own."""

    recurrent_activation: Activation = "sigmoid"

    def __post_init__(self) -> None:
        super().__post_init__()
        get_activation(self.recurrent_activation)


@dataclass(frozen=True)
class LSTM(_Gated):
    """A cell c that is added to, and gates that decide what it keeps, takes in and shows.

        i, f, g, o = the blocks of xₜ W + hₜ₋₁ U + b
        cₜ = σ(f) cₜ₋₁ + σ(i) tanh(g)
        hₜ = σ(o) tanh(cₜ)

    Args:
        recurrent_activation: of the gates, σ above; ``activation`` is tanh above.
        unit_forget_bias: the bias of f begins at 1, so that the cell keeps what it has.

    Other args, parameters: as of `Recurrent`, with four blocks of columns, in the order above, as
    in Keras and PyTorch (which keeps them transposed, and two biases that are added).

    >>> layer = LSTM(2)
    >>> params, state = layer.build(0, (5, 3))
    >>> params["bias"], layer(params, state, np.ones((4, 5, 3)), training=False)[0].shape
    (array([0., 0., 1., 1., 0., 0., 0., 0.]), (4, 2))

    Source: Hochreiter & Schmidhuber, "Long short-term memory", Neural Computation 9 (1997); Gers,
    Schmidhuber & Cummins, "Learning to forget", Neural Computation 12 (2000).
    """

    unit_forget_bias: bool = True
    gates: ClassVar[int] = 4
    parts: ClassVar[int] = 2

    def _bias(self, rng: np.random.Generator, dtype: DTypeLike) -> Any:
        bias = np.array(super()._bias(rng, dtype))
        if self.unit_forget_bias:
            bias[self.units : 2 * self.units] = 1.0
        return bias

    def _step(self, params: Tree, state: Any, z: Any) -> Any:
        h, c = state
        act, sigma = get_activation(self.activation), get_activation(self.recurrent_activation)
        z = z + h @ params["recurrent_kernel"]
        i, f, g, o = (self._gate(z, k) for k in range(4))
        c = sigma(f) * c + sigma(i) * act(g)
        return sigma(o) * act(c), c


@dataclass(frozen=True)
class GRU(_Gated):
    """A gate z between the old state and a candidate, which sees the old one through a gate r.

        z, r = σ(their blocks of xₜ W + b + hₜ₋₁ U + d)
        g = tanh(xₜ W_g + b_g + r (hₜ₋₁ U_g + d_g))
        hₜ = z hₜ₋₁ + (1 − z) g

    Args:
        recurrent_activation: of the gates, σ above; ``activation`` is tanh above.

    Other args, parameters: as of `Recurrent`, with three blocks of columns in the order z, r, g
    (PyTorch: r, z, g), and a ``bias`` of shape (2, 3 n), b and d. It is Keras's with its default
    ``reset_after=True``, and PyTorch's.

    >>> layer = GRU(2, return_sequences=True)
    >>> params, state = layer.build(0, (5, 3))
    >>> params["bias"].shape, layer(params, state, np.ones((4, 5, 3)), training=False)[0].shape
    ((2, 6), (4, 5, 2))

    Source: Cho et al., "Learning phrase representations using RNN encoder–decoder", EMNLP (2014),
    section 2.3.
    """

    gates: ClassVar[int] = 3

    def _bias(self, rng: np.random.Generator, dtype: DTypeLike) -> Any:
        return get_initializer(self.bias_initializer)(rng, (2, 3 * self.units), dtype)

    def _of_inputs(self, bias: Any) -> Any:
        return bias[0]

    def _step(self, params: Tree, state: Any, z: Any) -> Any:
        (h,) = state
        act, sigma = get_activation(self.activation), get_activation(self.recurrent_activation)
        back = h @ params["recurrent_kernel"]
        if self.use_bias:
            back = back + params["bias"][1]
        keep = sigma(self._gate(z, 0) + self._gate(back, 0))
        reset = sigma(self._gate(z, 1) + self._gate(back, 1))
        g = act(self._gate(z, 2) + reset * self._gate(back, 2))
        return (keep * h + (1.0 - keep) * g,)


_MERGES: dict[str, Any] = {
    "concat": lambda a, b: np.concatenate([a, b], axis=-1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: 0.5 * (a + b),
}


@dataclass(frozen=True)
class Bidirectional(Layer):
    """Two recurrent layers, one from the first time on, the other from the last one back.

    Args:
        layer: a SimpleRNN, GRU or LSTM that goes forward.
        merge_mode: "concat" (twice the outputs), "sum", "mul" or "ave". With
            ``return_sequences`` the two outputs of each time are put together.
        backward_layer: the other one; one like the first by default.

    Parameters: under ``layer`` and ``backward_layer``.

    >>> layer = Bidirectional(GRU(4, return_sequences=True))
    >>> layer.output_shape((10, 3))
    (10, 8)

    Source: Schuster & Paliwal, "Bidirectional recurrent neural networks", IEEE Trans. Signal
    Processing 45 (1997).
    """

    layer: Layer
    merge_mode: str = "concat"
    backward_layer: Layer | None = None

    def __post_init__(self) -> None:
        lookup("merge_mode", self.merge_mode, _MERGES)
        if self.backward_layer is None:
            if not isinstance(self.layer, Recurrent) or self.layer.go_backwards:
                raise self.wrong(
                    "it is made of a SimpleRNN, GRU or LSTM that goes forward",
                    repr(self.layer),
                    "give one, such as Bidirectional(LSTM(16))",
                )
            back = replace(self.layer, go_backwards=True)
            object.__setattr__(self, "backward_layer", back)

    def _both(self) -> list[tuple[str, Layer]]:
        assert self.backward_layer is not None
        return [("layer", self.layer), ("backward_layer", self.backward_layer)]

    def build(
        self, rng: Rng, input_shape: Shape, *, dtype: DTypeLike = np.float64
    ) -> tuple[Tree, Tree]:
        self.output_shape(input_shape)
        rng = starting(rng)
        return {k: each.build(rng, input_shape, dtype=dtype)[0] for k, each in self._both()}, {}

    def __call__(
        self, params: Tree, state: Tree, x: Any, *, training: bool, rng: Rng | None = None
    ) -> tuple[Any, Tree]:
        there, back = (each(params[k], {}, x, training=training)[0] for k, each in self._both())
        if len(shape_of(back)) == 3:  # it comes in its own order
            back = back[:, ::-1]
        return _MERGES[self.merge_mode.lower()](there, back), state

    def output_shape(self, input_shape: Shape) -> Shape:
        *rest, units = self.layer.output_shape(input_shape)
        *others, more = self._both()[1][1].output_shape(input_shape)
        if others != rest or (self.merge_mode.lower() != "concat" and more != units):
            raise self.misfit(
                "the two layers give examples of different shapes",
                f"{(*rest, units)} and {(*others, more)}",
                "give them the same return_sequences, and the same units unless they are put "
                "beside each other",
            )
        return (*rest, units + more if self.merge_mode.lower() == "concat" else units)
