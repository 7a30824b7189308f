"""What to suggest when a NumPy function has no record."""

from __future__ import annotations

# Functions without a record whose replacement is not a similar name.
_INSTEAD = {
    "vectorize": "write the function with array operations",
    "eig": "np.linalg.eigh (symmetric matrices) has a record",
    "eigvals": "np.linalg.eigvalsh (symmetric matrices) has a record",
    "unique": "np.sort has a record",
    "gamma": "np.exp(cr.gammaln(x)) for positive x",
    "loggamma": "cr.gammaln(x)",
    "beta": "np.exp(cr.gammaln(a) + cr.gammaln(b) - cr.gammaln(a + b))",
    "binom": "its logarithm by cr.gammaln",
    "poch": "np.exp(cr.gammaln(a + n) - cr.gammaln(a))",
    "huber": "np.where(abs(r) <= d, 0.5 * r**2, d * (abs(r) - 0.5 * d))",
    "pseudo_huber": "d**2 * (np.sqrt(1 + (r / d) ** 2) - 1)",
    "fft": "multiply by the real cosine and sine matrices; complex numbers have no record",
    "put": "write y[indices] = values",
    "place": "write np.where(mask, values, y)",
    "putmask": "write np.where(mask, values, y)",
}


def nearest(name: str) -> str:
    """The remedy for a missing function: its usual replacement or the nearest names with a record.

    >>> nearest("trapz")
    'the nearest with a record: trapezoid'
    >>> nearest("rfft")
    'multiply by the real cosine and sine matrices; complex numbers have no record'
    """
    if "fft" in name:  # fft, rfft2, irfftn, fftshift …
        return _INSTEAD["fft"]
    if name in _INSTEAD:
        return _INSTEAD[name]
    import difflib

    names = {full.rpartition(".")[2] for full in supported()}
    close = difflib.get_close_matches(name, sorted(names), n=3, cutoff=0.7)
    return (
        f"the nearest with a record: {', '.join(close)}"
        if close
        else "write it with functions of cr.supported()"
    )


def supported() -> list[str]:
    """The NumPy functions that can be differentiated, by name.

    >>> names = supported()
    >>> "numpy.tanh" in names, "numpy.linalg.solve" in names, "numpy.fft.fft" in names
    (True, True, False)
    """
    from chainrule.numpy_api import functions, ufuncs

    facts = {*functions.VALUES, *functions.STEPS}
    plain = [f for f in functions.TABLE if f not in facts]
    names = {f"{f.__module__}.{f.__name__}" for f in plain}
    names |= {f"numpy.{u.__name__}" for u in (*ufuncs.TABLE, *ufuncs.COMPOSED)}
    return sorted(names)
