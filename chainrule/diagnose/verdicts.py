"""What is wrong with a network, in words, with the cure: one rule for each ailment."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from chainrule.diagnose.health import GradientHealth, LayerHealth

# Where a number begins to be an ailment.
DEAD = 0.25  # of the units; a deep relu network has some at the start
SATURATED = 0.3  # of the outputs
FADING = 1e-3  # of the gradient, from the last layer to the first
GROWING = 10.0  # of the signal, from the first layer to the last
LARGE_INPUT, SMALL_INPUT = 10.0, 1e-2
UNLIKE = 100.0  # the spreads of two features, one over the other
LARGE_UPDATE, SMALL_UPDATE = 0.3, 1e-7
OFF, ENOUGH_UNITS = 4.0, 16  # from what the initialiser predicts, which is an average over units
SLOW_UPDATE = 1e-5  # where the loss is still that of a constant
MEAN_GAP, VARIANCE_GAP = 0.5, 2.0
# Layers of kernels, and layers that leave what is linear linear.
_KERNELS = frozenset({"Dense", "Conv1D", "Conv2D"})
_LINEAR = frozenset({
    "AveragePooling1D", "AveragePooling2D", "BatchNormalization", "Dropout", "Flatten",
    "GlobalAveragePooling1D", "GlobalAveragePooling2D", "Normalization", "Reshape",
})  # fmt: skip


class Verdict(NamedTuple):
    """One ailment.

    Attributes:
        kind: "not finite", "constant output", "symmetric", "dead", "saturated", "no gradient",
            "vanishing", "exploding", "inputs", "growing signal", "fading signal", "initialiser",
            "large steps", "small steps", "batch norm", "linear", "last layer", "targets",
            "classes", "labels" or "no better".
        layer: the layer that it is about; "" for the whole network.
        words: what is the matter, with numbers.
        remedy: what helps.
    """

    kind: str
    layer: str
    words: str
    remedy: str

    def __str__(self) -> str:
        return "\n".join(
            [
                textwrap.fill(self.words, 98, subsequent_indent="  "),
                textwrap.fill(f"  remedy: {self.remedy}", 98, subsequent_indent=" " * 10),
            ]
        )


def verdicts_on(health: GradientHealth) -> list[Verdict]:
    """All ailments of a network, the gravest first."""
    broken = [*_not_finite(health), *_nothing_comes_in(health)]
    if broken:
        return broken
    from chainrule.diagnose.data_verdicts import data_verdicts

    rules = (
        _constant, _symmetric, _dead, _saturated, _no_gradient, _over_depth, _inputs, _signal,
        _initialiser, _updates, _batch_norm, _linear, data_verdicts,
    )  # fmt: skip
    return [verdict for rule in rules for verdict in _merged(list(rule(health)))]


def _merged(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Layers with the same ailment and the same cure as one verdict."""
    found: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        found.setdefault((verdict.kind, verdict.remedy), []).append(verdict)
    merged = []
    for first, *others in found.values():
        names = ", ".join(f"'{v.layer}'" for v in others)
        words = f"{first.words}; likewise in {names}" if others else first.words
        merged.append(first._replace(words=words))
    return merged


def _not_finite(health: GradientHealth) -> Iterator[Verdict]:
    bad = [layer for layer in health.layers if not layer.finite]
    if bad:
        yield Verdict(
            "not finite",
            bad[0].name,
            f"values or gradients of '{bad[0].name}' are not finite numbers",
            "model.fit names the step that made them, and cr.debug for a function; a smaller "
            "learning rate, or cr.optim.Clipped",
        )


def _nothing_comes_in(health: GradientHealth) -> Iterator[Verdict]:
    first = health.layers[0] if health.layers else None
    if first is not None and first.input_rms == 0.0 and first.kind != "Embedding":
        yield Verdict("inputs", first.name, "the inputs are all 0", "look at how x is made or read")


def _constant(health: GradientHealth) -> Iterator[Verdict]:
    for layer in health.layers:
        if layer.activation in ("softmax", "log_softmax") and layer.units == 1:
            yield Verdict(
                "constant output",
                layer.name,
                f"'{layer.name}' has one unit, and the softmax of one number is 1 whatever it is: "
                "nothing before it learns",
                "'sigmoid' for one of two classes, or a unit for each class",
            )


def _symmetric(health: GradientHealth) -> Iterator[Verdict]:
    for layer in health.layers:
        if layer.copies:
            yield Verdict(
                "symmetric",
                layer.name,
                f"{layer.copies} of the {layer.units} units of '{layer.name}' are copies of "
                "others, with equal weights and equal gradients: they will stay equal for ever",
                f"draw the kernel at random: kernel_initializer='{_fitting(layer)}'",
            )


def _fitting(layer: LayerHealth) -> str:
    """The initialiser that goes with an activation."""
    return "he_normal" if "relu" in layer.activation else "glorot_uniform"


def _dead(health: GradientHealth) -> Iterator[Verdict]:
    for layer in health.layers:
        if layer.dead is None or layer.dead < DEAD or layer.copies:
            continue
        count = round(layer.dead * layer.units)
        every = count == layer.units
        which = f"all {count}" if every else f"{count} of the {layer.units}"
        yield Verdict(
            "dead",
            layer.name,
            f"{which} units of '{layer.name}' are dead: the slope of {layer.activation} is 0 for "
            f"every one of {health.rows} rows, and no gradient can wake them"
            + ("; nothing before this layer learns" if every else ""),
            _for_the_dead(layer, health),
        )


def _for_the_dead(layer: LayerHealth, health: GradientHealth) -> str:
    if "relu" not in layer.activation:
        return "smaller weights at the start, and inputs of mean 0 and spread 1"
    other = "activation='leaky_relu' or 'elu', which are flat nowhere"
    if health.steps:
        return (
            "start again with a smaller learning rate (large steps throw units out of the data's "
            f"reach), or clip the gradients; or {other}"
        )
    return f"kernel_initializer='he_normal', a bias of 0, inputs of mean 0; or {other}"


def _saturated(health: GradientHealth) -> Iterator[Verdict]:
    for place, layer in enumerate(health.layers):
        if layer.saturated is None or layer.saturated < SATURATED or layer.copies:
            continue
        remedy = (
            "kernel_initializer='glorot_uniform' (smaller weights), or BatchNormalization before "
            "the activation; in hidden layers relu does not saturate"
        )
        if health.steps:
            remedy = (
                "start again with a smaller learning rate (large steps throw units onto the flat "
                "ends) or clipped gradients; BatchNormalization before the activation"
            )
        if place == 0 and layer.input_rms > 3.0:
            remedy = f"the inputs are large (√mean square {layer.input_rms:.3g}): normalise them " \
                "(nn.Normalization)"  # fmt: skip
        yield Verdict(
            "saturated",
            layer.name,
            f"{layer.saturated:.0%} of the outputs of '{layer.name}' lie on the flat ends of "
            f"{layer.activation}, where hardly any gradient passes",
            remedy,
        )


def _no_gradient(health: GradientHealth) -> Iterator[Verdict]:
    ill = {v.layer for rule in (_symmetric, _dead) for v in rule(health)}
    blocked = any(layer.dead == 1.0 for layer in health.layers) or any(_constant(health))
    for layer in health.layers:
        if layer.weight_gradient_norm == 0.0 and layer.name not in ill and not blocked:
            yield Verdict(
                "no gradient",
                layer.name,
                f"the gradient of all parameters of '{layer.name}' is exactly 0",
                "something after it passes no derivative: weights that are 0, a step function, "
                "stop_gradient, or a loss without rows",
            )


def _over_depth(health: GradientHealth) -> Iterator[Verdict]:
    # The last layer, of few units, hands back less than its own gradient without being to blame.
    layers = [x for x in health.weighted if x.gradient_rms > 0.0][:-1]
    if len(layers) < 2:
        return
    first, last = layers[0], layers[-1]
    ratio = first.gradient_rms / last.gradient_rms
    way = f"from {last.gradient_rms:.2g} at '{last.name}' to {first.gradient_rms:.2g} at " \
        f"'{first.name}', {len(layers) - 1} layers before"  # fmt: skip
    if ratio < FADING:
        yield Verdict(
            "vanishing",
            first.name,
            f"the gradient fades on its way back: {way}",
            f"{_keeping(first)}; BatchNormalization or Residual connections",
        )
    if ratio > 1.0 / FADING:
        yield Verdict(
            "exploding",
            first.name,
            f"the gradient grows on its way back: {way}",
            f"{_keeping(first)} (smaller weights); cr.optim.Clipped(optimizer, by_global_norm=1.0)",
        )


def _keeping(layer: LayerHealth) -> str:
    """What keeps the size of signals and gradients over depth."""
    if layer.activation in ("sigmoid", "hard_sigmoid"):
        return "tanh or relu in hidden layers (the slope of a sigmoid is at most ¼)"
    return f"kernel_initializer='{_fitting(layer)}'"


def _inputs(health: GradientHealth) -> Iterator[Verdict]:
    first = next((x for x in health.layers if x.weight_norm is not None), None)
    if first is None or first.kind in ("BatchNormalization", "Embedding", "Normalization"):
        return
    words = []
    if not SMALL_INPUT < first.input_rms < LARGE_INPUT:
        size = "large" if first.input_rms > 1.0 else "small"
        words.append(
            f"the inputs are {size}: √mean square {first.input_rms:.3g}, mean "
            f"{first.input_mean:.3g}"
        )
    data = health.data
    if data is not None and data.narrow and data.wide and data.wide[1] > UNLIKE * data.narrow[1]:
        words.append(
            f"the features have very different scales: the spread is {data.wide[1]:.3g} in column "
            f"{data.wide[0]} and {data.narrow[1]:.3g} in column {data.narrow[0]}"
        )
    if words:
        yield Verdict(
            "inputs",
            first.name,
            "; ".join(words),
            "bring the features to mean 0 and spread 1: nn.Normalization as the first layer",
        )


def _signal(health: GradientHealth) -> Iterator[Verdict]:
    layers = [x for x in health.weighted if x.preactivation_spread > 0.0]
    if health.steps or len(layers) < 3:
        return
    first, last = layers[0], layers[-1]
    ratio = last.preactivation_spread / first.preactivation_spread
    if 1.0 / (GROWING * len(layers)) < ratio < GROWING:
        return
    grows = ratio > 1.0
    yield Verdict(
        "growing signal" if grows else "fading signal",
        last.name,
        f"the signal {'grows' if grows else 'fades'} with depth: its spread before the activation "
        f"is {first.preactivation_spread:.2g} in '{first.name}' and "
        f"{last.preactivation_spread:.2g} in '{last.name}'",
        f"{_keeping(first)}, or BatchNormalization",
    )


def _initialiser(health: GradientHealth) -> Iterator[Verdict]:
    if health.steps:
        return
    for layer in health.layers:
        ratio = layer.signal_ratio
        if ratio is None or layer.units < ENOUGH_UNITS or 1.0 / OFF < ratio < OFF:
            continue
        yield Verdict(
            "initialiser",
            layer.name,
            f"the signal in '{layer.name}' has {ratio:.2g} times the mean square that its "
            "initialiser predicts",
            "the weights are not those that it draws, or the bias is large: look at what was put "
            "in, or build the model anew",
        )


def _updates(health: GradientHealth) -> Iterator[Verdict]:
    moved = [x for x in health.layers if x.update_ratio is not None and x.weight_gradient_norm]
    if not moved:
        return
    most = max(moved, key=lambda layer: layer.update_ratio or 0.0)
    if (most.update_ratio or 0.0) > LARGE_UPDATE:
        yield Verdict(
            "large steps",
            most.name,
            f"one step changes the parameters of '{most.name}' by {most.update_ratio:.2g} of their "
            "size; about 0.001 is usual",
            "a smaller learning rate, a schedule that starts small, or clipped gradients",
        )
    elif (most.update_ratio or 0.0) < (SMALL_UPDATE if _learnt(health) else SLOW_UPDATE):
        yield Verdict(
            "small steps",
            most.name,
            f"one step changes no layer's parameters by more than {most.update_ratio:.1g} of their "
            "size; about 0.001 is usual",
            "a larger learning rate: model.range_test finds one",
        )


def _learnt(health: GradientHealth) -> bool:
    """Is the loss well below that of a constant, or is that not known?"""
    baseline = health.data.baseline if health.data is not None else None
    return baseline is None or health.loss < 0.9 * baseline


def _linear(health: GradientHealth) -> Iterator[Verdict]:
    """Two linear layers in succession, the first of which is no bottleneck."""
    before: LayerHealth | None = None
    for layer in health.layers:
        if layer.kind in _KERNELS:
            if before is not None and before.units >= layer.units:
                yield Verdict(
                    "linear",
                    before.name,
                    f"'{before.name}' has no activation, and together with '{layer.name}' it is "
                    "one linear layer",
                    "an activation in hidden layers, such as Dense(16, 'relu')",
                )
            before = None if layer.activation else layer
        elif layer.activation or layer.kind not in _LINEAR:
            before = None


def _batch_norm(health: GradientHealth) -> Iterator[Verdict]:
    for layer in health.layers:
        gap = layer.norm_gap
        if gap is None or not health.steps:
            continue
        if gap.mean > MEAN_GAP or gap.variance > VARIANCE_GAP:
            yield Verdict(
                "batch norm",
                layer.name,
                f"the running averages of '{layer.name}' are not those of the data: the mean is "
                f"off by up to {gap.mean:.2g} spreads, the variance by a factor of up to "
                f"{gap.variance:.2g}; its outputs in training and in use differ by "
                f"{gap.output:.0%}",
                "train for more steps, or give a smaller momentum (0.9), so that the averages "
                "follow; larger batches if they fluctuate",
            )
