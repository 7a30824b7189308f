"""SciPy's universal functions by name, so that SciPy need not be imported to recognise them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.elementary import TABLE as RECORDS
from chainrule.elementary.exponential import log, log1p, xlogy
from chainrule.elementary.normal import norm_cdf
from chainrule.elementary.shaping import where
from chainrule.elementary.special import gammaln

_FAR = -37.0  # below it the normal distribution function is 0 in float64


def _betaln(a: Any, b: Any) -> Any:
    """log B(a, b) for positive a and b."""
    return gammaln(a) + gammaln(b) - gammaln(a + b)


def _xlog1py(a: Any, b: Any) -> Any:
    zero = np.logical_and(np.equal(a, 0), np.logical_not(np.isnan(b)))
    return where(zero, 0.0, a * log1p(where(zero, 0.0, b)))


def _rel_entr(a: Any, b: Any) -> Any:
    """a log(a/b)."""
    return xlogy(a, a) - xlogy(a, b)


def _log_ndtr(a: Any) -> Any:
    """log Φ(a); far out −a²/2 − log √(2π) − log(−a) + log(1 − 1/a² + 3/a⁴ − …) (DLMF 7.12.1)."""
    right, far = np.greater(a, 0), np.less(a, _FAR)
    near = np.logical_not(np.logical_or(right, far))
    q = 1.0 / np.square(where(far, a, -1.0))
    series = log1p(-q * (1.0 - q * (3.0 - q * (15.0 - q * 105.0))))
    tail = -0.5 / q - 0.5 * math.log(2.0 * math.pi) + 0.5 * log(q) + series
    inner = where(
        right, log1p(-norm_cdf(-where(right, a, 0.0))), log(norm_cdf(where(near, a, 0.0)))
    )
    return where(far, tail, inner)


_RULES: dict[str, Any] = {
    **{
        name: RECORDS[record]
        for name, record in {
            "erf": "erf", "erfc": "erfc", "gammaln": "gammaln", "psi": "digamma",
            "xlogy": "xlogy", "expit": "sigmoid", "log_expit": "log_sigmoid", "ndtr": "norm_cdf",
            "log1p": "log1p", "expm1": "expm1", "exp2": "exp2", "cbrt": "cbrt",
        }.items()
    },
    "logit": lambda a: log(a) - log1p(-a),
    "exp10": lambda a: RECORDS["power"](10.0, a),
    "entr": lambda a: -xlogy(a, a),
    "rel_entr": _rel_entr,
    "kl_div": lambda a, b: _rel_entr(a, b) - a + b,
    "xlog1py": _xlog1py,
    "betaln": _betaln,
    "log_ndtr": _log_ndtr,
}  # fmt: skip


def rule_of(ufunc: Any) -> Any:
    """What computes a ufunc of SciPy; None for those of others, and where there is nothing."""
    if ufunc.__name__ not in _RULES:
        return None
    from scipy import special

    known = getattr(special, ufunc.__name__, None) is ufunc
    return _RULES[ufunc.__name__] if known else None


def name_of(ufunc: Any) -> str:
    """A ufunc with the package that it is from, where that is known."""
    name = str(ufunc.__name__)
    if getattr(np, name, None) is ufunc:
        return f"numpy.{name}"
    if type(ufunc).__module__ == "numpy" and name.isidentifier():
        from scipy import special

        public = name.removeprefix("_")
        if name in vars(special) or public in vars(special):
            return f"scipy.special.{public}"
    return f"the universal function {name}"


NAMES = tuple(_RULES)
