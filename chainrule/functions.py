"""Functions that NumPy lacks: those of networks, exact in saturation too, and special ones.

Each takes numbers, arrays, nested lists or traced values, of any shape and of either precision,
and returns the like. Integers are taken as float64. None of them overflows on the way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.elementary import exponential, network, normal, shaping, special
from chainrule.elementary import softmax as softmax_
from chainrule.elementary.base import is_traced, shape_of, value_of
from chainrule.errors import ArgumentError, NotDifferentiableError, ShapeError, code_line
from chainrule.graph import Node, user_code
from chainrule.numpy_api.common import array_of


def floating(x: Any) -> Any:
    """An argument as a floating-point value: lists become arrays, integers become float64."""
    x = array_of(x)
    if is_traced(x):
        return x if x.dtype.kind == "f" else shaping.astype(x, dtype=np.dtype(np.float64))
    x = np.asarray(x)
    if x.dtype.kind not in "fbui":
        raise NotDifferentiableError(
            "this function takes real numbers",
            got=f"an array of {x.dtype}",
            line=code_line(*user_code(2)),
            remedy="convert it with .astype(float), or use its real and imaginary parts",
        )
    return (x if x.dtype.kind == "f" else x.astype(np.float64))[()]


def sigmoid(x: Any) -> Any:
    """The logistic function σ(x) = 1/(1 + e⁻ˣ), with σ' = σ(x) σ(−x).

    >>> sigmoid([0.0, 800.0, -700.0])
    array([5.00000000e-001, 1.00000000e+000, 9.85967654e-305])

    Source: Goodfellow, Bengio & Courville, *Deep Learning* (MIT Press 2016), section 3.10.
    """
    return exponential.sigmoid(floating(x))


def log_sigmoid(x: Any) -> Any:
    """log σ(x) = −log(1 + e⁻ˣ), which keeps its digits where σ(x) rounds to 0 or to 1.

    >>> log_sigmoid([-800.0, 40.0])
    array([-8.00000000e+02, -4.24835426e-18])

    Source: Goodfellow, Bengio & Courville (2016), section 3.10.
    """
    return network.log_sigmoid(floating(x))


def softplus(x: Any) -> Any:
    """ζ(x) = log(1 + eˣ), the smooth version of max(x, 0); ζ' = σ(x).

    >>> softplus([-800.0, 0.0, 800.0])
    array([0.00000000e+00, 6.93147181e-01, 8.00000000e+02])

    Source: Dugas et al., "Incorporating second-order functional knowledge for better option
    pricing", NIPS 13 (2000).
    """
    return network.softplus(floating(x))


def relu(x: Any) -> Any:
    """max(x, 0); the slope at 0 is 0, the subgradient of least norm.

    >>> relu([-1.0, 0.0, 2.0])
    array([0., 0., 2.])

    Source: Nair & Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML
    (2010).
    """
    return network.relu(floating(x))


def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Any:
    """x for x > 0, and negative_slope · x otherwise; the slope may be a traced parameter (PReLU).

    >>> leaky_relu([-1.0, 2.0], 0.1)
    array([-0.1,  2. ])

    Source: Maas, Hannun & Ng, "Rectifier nonlinearities improve neural network acoustic models",
    ICML (2013).
    """
    return network.leaky_relu(floating(x), _option(negative_slope))


def elu(x: Any, alpha: Any = 1.0) -> Any:
    """x for x > 0, and alpha · (eˣ − 1) otherwise.

    >>> elu([-1.0, 2.0])
    array([-0.63212056,  2.        ])

    Source: Clevert, Unterthiner & Hochreiter, "Fast and accurate deep network learning by
    exponential linear units", ICLR (2016).
    """
    return network.elu(floating(x), _option(alpha))


def _option(x: Any) -> Any:
    """A number stays a Python number, which leaves float32 as it is."""
    return float(x) if isinstance(x, (int, float)) else floating(x)


def selu(x: Any) -> Any:
    """The scaled elu λ · elu(x, α) whose λ and α keep mean 0 and variance 1 through the layers.

    >>> selu([-1.0, 1.0])
    array([-1.11133074,  1.05070099])

    Source: Klambauer et al., "Self-normalizing neural networks", NIPS 30 (2017).
    """
    return network.selu(floating(x))


def gelu(x: Any, approximate: bool = False) -> Any:
    """x · Φ(x) with the normal distribution function Φ.

    Args:
        x: any shape.
        approximate: use ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))), as some trained networks do.

    >>> print(f"{gelu(1.0):.6f} {gelu(1.0, approximate=True):.6f}")
    0.841345 0.841192

    Source: Hendrycks & Gimpel, "Gaussian error linear units", arXiv:1606.08415 (2016).
    """
    return network.gelu_tanh(floating(x)) if approximate else network.gelu(floating(x))


def silu(x: Any) -> Any:
    """x · σ(x), also called swish.

    >>> silu([-800.0, 0.0, 1.0])
    array([-0.        ,  0.        ,  0.73105858])

    Source: Elfwing, Uchibe & Doya, "Sigmoid-weighted linear units for neural network function
    approximation in reinforcement learning", Neural Networks 107 (2018).
    """
    return network.silu(floating(x))


def softmax(x: Any, axis: int = -1) -> Any:
    """pᵢ = exp xᵢ / Σⱼ exp xⱼ along an axis: positive numbers that sum to one.

    >>> softmax([[0.0, 0.0], [1000.0, 0.0]])
    array([[0.5, 0.5],
           [1. , 0. ]])

    Source: Bishop, *Pattern Recognition and Machine Learning* (Springer 2006), section 4.3.4.
    """
    return softmax_.softmax(_vector(x, axis), axis=axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """log pᵢ = xᵢ − log Σⱼ exp xⱼ along an axis, exact for a confident row too.

    >>> log_softmax([40.0, 0.0])
    array([-4.24835426e-18, -4.00000000e+01])

    Source: Bishop (2006), section 4.3.4.
    """
    return softmax_.log_softmax(_vector(x, axis), axis=axis)


def _vector(x: Any, axis: int) -> Any:
    x = floating(x)
    rank = len(shape_of(x))
    if not -rank <= axis < rank:
        raise ShapeError(
            f"there is no axis {axis} to take the softmax along",
            got=f"shape {shape_of(x)}",
            line=code_line(*user_code(2)),
            remedy="give an array with the classes along one axis, and name it with axis=",
        )
    return x


def logsumexp(x: Any, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """log Σ exp x over the given axes, without overflow; its derivative is softmax.

    >>> print(logsumexp([1000.0, 1000.0]))
    1000.6931471805599

    Source: Blanchard, Higham & Higham, "Accurately computing the log-sum-exp and softmax
    functions", IMA Journal of Numerical Analysis 41 (2021).
    """
    return softmax_.logsumexp(floating(x), axis=axis, keepdims=keepdims)


def sigmoid_cross_entropy(logits: Any, targets: Any) -> Any:
    """−[y log σ(z) + (1 − y) log(1 − σ(z))] element by element, from the logits z.

    Equal to max(z, 0) − z y + log(1 + e^−|z|). The derivative with respect to z is σ(z) − y,
    computed without cancellation.

    Args:
        logits: z, any shape.
        targets: y in [0, 1], of a shape that broadcasts with z.

    Returns:
        The loss of each element; average it to train.

    >>> sigmoid_cross_entropy([9.0, -800.0], [1, 1])
    array([1.2340219e-04, 8.0000000e+02])

    Source: Bishop (2006), section 4.3.2.
    """
    z = floating(logits)
    return network.sigmoid_cross_entropy(z, _targets(z, targets))


def _targets(z: Any, targets: Any) -> Any:
    """Lists, labels and masks in the precision of the logits; arrays of floats as they are."""
    kept = is_traced(targets) or (isinstance(targets, np.ndarray) and targets.dtype.kind == "f")
    targets = floating(targets)
    return targets if kept or is_traced(targets) else targets.astype(value_of(z).dtype)


def softmax_cross_entropy(logits: Any, targets: Any, axis: int = -1) -> Any:
    """−Σᵢ tᵢ log softmax(z)ᵢ along an axis, from the logits z.

    The derivative with respect to z is softmax(z) Σt − t, computed without cancellation.

    Args:
        logits: z, with the classes along ``axis``.
        targets: probabilities in the shape of z (one-hot or soft), or integer class labels in the
            shape of z without ``axis``.
        axis: the axis of the classes.

    Returns:
        The loss of each row, in the shape of z without ``axis``; average it to train.

    Raises:
        ShapeError: the targets fit neither of the two shapes.
        ArgumentError: a label is not a class.

    >>> softmax_cross_entropy([[0.0, 0.0], [40.0, 0.0]], [0, 0])
    array([6.93147181e-01, 4.24835426e-18])
    >>> softmax_cross_entropy([[1.0, 2.0, 3.0]], [[0.0, 0.5, 0.5]])
    array([0.90760596])

    Source: Bishop (2006), section 4.3.4.
    """
    z = _vector(logits, axis)
    return softmax_.softmax_cross_entropy(z, _probabilities(z, targets, axis), axis=axis)


def _probabilities(z: Any, targets: Any, axis: int) -> Any:
    """Soft targets as they are, integer labels as one-hot rows."""
    labels = array_of(targets)
    labels = labels if is_traced(labels) else np.asarray(labels)
    shape = shape_of(z)
    rows = tuple(n for i, n in enumerate(shape) if i != axis % len(shape))
    if shape_of(labels) == shape:
        return _targets(z, targets)
    if shape_of(labels) != rows or value_of(labels).dtype.kind not in "iub":
        raise ShapeError(
            "the targets are neither probabilities of the shape of the logits nor one integer "
            "label for each row",
            got=f"targets of shape {shape_of(labels)} and {value_of(labels).dtype}, logits of "
            f"shape {shape}",
            line=code_line(*user_code(3)),
            remedy=f"give labels as integers of shape {rows}, or probabilities of shape {shape}",
        )
    classes = shape[axis]
    if isinstance(labels, Node) and labels.tape.static:
        every = np.arange(classes).reshape(-1, *(1,) * (len(shape) - 1 - axis % len(shape)))
        hot: Any = np.expand_dims(labels, axis) == every  # type: ignore[call-overload]
        return hot.astype(value_of(z).dtype)
    index = np.asarray(value_of(labels)).astype(np.intp)
    if index.size and not (index.min() >= 0 and index.max() < classes):
        raise ArgumentError(
            "a label is not a class",
            got=f"labels from {index.min()} to {index.max()} for {classes} classes",
            line=code_line(*user_code(3)),
            remedy=f"number the classes from 0 to {classes - 1}",
        )
    hot = np.zeros(shape, value_of(z).dtype)
    np.put_along_axis(hot, np.expand_dims(index, axis), 1.0, axis)
    return hot


def erf(x: Any) -> Any:
    """The error function 2/√π ∫₀ˣ exp(−t²) dt.

    >>> print(f"{erf(1.0):.10f}")
    0.8427007929

    Source: DLMF (Digital Library of Mathematical Functions), 7.2.1.
    """
    return normal.erf(floating(x))


def erfc(x: Any) -> Any:
    """The complementary error function 1 − erf x, with its relative precision kept in the tail.

    >>> print(f"{erfc(20.0):.10e}")
    5.3958656116e-176

    Source: DLMF 7.2.2.
    """
    return normal.erfc(floating(x))


def gammaln(x: Any) -> Any:
    """log |Γ(x)|; its derivative is digamma.

    >>> print(f"{gammaln(1.0)} {gammaln(171.0):.9f}")
    0.0 706.573062246

    Source: DLMF 5.2.
    """
    return special.gammaln(floating(x))


def digamma(x: Any) -> Any:
    """ψ(x) = d/dx log Γ(x).

    >>> print(f"{digamma(1.0):.10f}")
    -0.5772156649

    Source: DLMF 5.2.2.
    """
    return special.digamma(floating(x))


def polygamma(n: Any, x: Any) -> Any:
    """ψ⁽ⁿ⁾(x), the n-th derivative of digamma, for x > 0; n is an integer and has no derivative.

    >>> print(f"{polygamma(1, 1.0):.10f}")
    1.6449340668

    Source: DLMF 5.15.
    """
    return special.polygamma(value_of(n), floating(x))


def xlogy(x: Any, y: Any) -> Any:
    """x log y, and 0 where x = 0 whatever y ≥ 0 is.

    >>> xlogy([0.0, 2.0], [0.0, 3.0])
    array([0.        , 2.19722458])

    Source: Cover & Thomas, *Elements of Information Theory* (2nd ed., Wiley 2006), section 2.1.
    """
    return exponential.xlogy(floating(x), floating(y))


def stop_gradient(x: Any) -> Any:
    """The value of x, as a constant for every derivative; x may be a tree of containers.

    >>> from chainrule import grad
    >>> grad(lambda x: x * stop_gradient(x))(3.0)
    3.0

    Source: van den Oord, Vinyals & Kavukcuoglu, "Neural discrete representation learning", NIPS 30
    (2017), section 3.2.
    """
    if isinstance(x, (list, tuple, dict)):
        import optree

        return optree.tree_map(stop_gradient, x)  # type: ignore[arg-type]
    return shaping.stop_gradient(x)
