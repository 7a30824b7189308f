"""Formulas that people write by hand, and the forms that keep their digits in saturation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.graph import Node
from chainrule.insight.surroundings import (
    Cure,
    is_quotient_of_exponentials,
    is_sigmoid,
    made_by,
    maker,
)

_EXP = {"exp"}
_of_product = Cure(
    "the exponential in the product underflows",
    "log a + b instead of log(a·exp(b)), as in the logarithm of a normal density",
)


def stable_log(inner: Any) -> Cure | None:
    """What stands for the log of this in a form that keeps its digits."""
    made = maker(inner)
    if made is None:
        return None
    if is_sigmoid(made):
        return Cure(
            "the sigmoid before it has saturated and rounds to 0",
            "cr.log_sigmoid(z) instead of log(sigmoid(z)); for the whole cross-entropy "
            "cr.sigmoid_cross_entropy(z, t)",
        )
    if made.name == "softmax" or is_quotient_of_exponentials(made):
        return Cure(
            "a probability of the softmax before it rounds to 0",
            "cr.log_softmax(z) instead of log(softmax(z)); for the whole cross-entropy "
            "cr.softmax_cross_entropy(z, t)",
        )
    if made.name == "subtract" and (b := maker(made.args[1])) is not None:
        if is_sigmoid(b):
            return Cure(
                "the sigmoid before it has saturated: 1 − σ(z) rounds to 0",
                "cr.log_sigmoid(-z) instead of log(1 - sigmoid(z)); for the whole cross-entropy "
                "cr.sigmoid_cross_entropy(z, t)",
            )
        if b.name in ("square", "power") and made_by(b.args[0], {"tanh"}):
            return Cure(
                "tanh has saturated: 1 − tanh²(z) rounds to 0",
                "2·(log 2 − z − cr.softplus(-2z)) instead of log(1 - tanh(z)**2)",
            )
    if made.name in ("multiply", "divide") and made_by(made.args[0], _EXP):
        return _of_product
    if made.name == "multiply" and made_by(made.args[1], _EXP):
        return _of_product
    if made.name == "det":
        return Cure(
            "the determinant under- or overflows, or the matrix is singular",
            "np.linalg.slogdet(A)[1] instead of np.log(np.linalg.det(A)); a singular matrix has no "
            "finite logarithm",
        )
    if made.name in ("sum", "mean", "add", "logaddexp") and any(
        made_by(a, {"exp"}) for a in made.args
    ):
        return Cure(
            "the exponentials that are summed over- or underflow",
            "cr.logsumexp(z, axis=…) instead of log(sum(exp(z))); cr.softplus(z) instead of "
            "log(1 + exp(z))",
        )
    return None


def instead_of_exponential(readers: Sequence[Node]) -> str:
    names = {reader.name for reader in readers}
    if {"add", "subtract"} <= names:
        return "np.tanh(z) instead of (exp(z) - exp(-z))/(exp(z) + exp(-z))"
    if "sum" in names or "divide" in names:
        return "cr.softmax(z) instead of exp(z)/sum(exp(z)); cr.logsumexp(z) instead of its log"
    if "add" in names:
        return "cr.sigmoid(z) instead of 1/(1 + exp(-z)); cr.softplus(z) instead of log(1 + exp(z))"
    return (
        "subtract the maximum before exp (cr.softmax and cr.logsumexp do), compute with "
        "logarithms, or bound the argument: np.minimum(z, 80.0)"
    )
