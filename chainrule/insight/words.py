"""Names, numbers and arrays as a reader sees them, in text and in LaTeX."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Any, NamedTuple

import numpy as np

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")

_GREEK = [
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa",
    "lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi",
    "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega",
]  # fmt: skip
_LETTERS = dict(zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ", _GREEK, strict=True))

_MATH_SIGNS = {
    "−": "-", "·": r"\cdot{}", "×": r"\times{}", "…": r"\ldots{}", "∘": r"\circ{}",
    "↦": r"\mapsto{}", "≥": r"\ge{}", "≤": r"\le{}", "≠": r"\ne{}", "∂": r"\partial{}",
    "⁻": "^{-}", "ᵀ": "^{T}", "√": r"\surd{}", "✓": r"\surd{}", "⌊": r"\lfloor{}",
    "⌋": r"\rfloor{}", "⌈": r"\lceil{}", "⌉": r"\rceil{}", "⟨": r"\langle{}",
    "⟩": r"\rangle{}",
}  # fmt: skip
_TEXT_SIGNS = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    **{c: "\\" + c for c in "_&%$#{}"},
}  # fmt: skip


class Word(NamedTuple):
    """A name or a finished formula, in text and in LaTeX's mathematics."""

    text: str
    latex: str


def node_word(number: int) -> Word:
    """The name of step n.

    >>> node_word(12)
    Word(text='ξ₁₂', latex='\\\\xi_{12}')
    """
    return Word("ξ" + str(number).translate(_SUBSCRIPTS), rf"\xi_{{{number}}}")


def superscript(number: int) -> str:
    return str(number).translate(_SUPERSCRIPTS)


def name_word(name: str) -> Word:
    """A name of the user's: ``W1`` is typeset with an index, ``beta`` as a Greek letter.

    >>> name_word("W1").latex, name_word("beta").latex, name_word("p['w']").latex
    ('W_{1}', '\\\\beta', "\\\\mbox{\\\\texttt{p['w']}}")
    """
    match = re.fullmatch(r"([^\W\d_]+)_?([0-9]*)", name)
    if match:
        letter, index = match.groups()
        letter = _LETTERS.get(letter, letter)
        tail = f"_{{{index}}}" if index else ""
        if letter in _GREEK:
            return Word(name, f"\\{letter}{tail}")
        if letter.isascii():
            return Word(name, (letter if len(letter) == 1 else rf"\mathit{{{letter}}}") + tail)
    return Word(name, rf"\mbox{{\texttt{{{latex_text(name)}}}}}")


def latex_text(text: str) -> str:
    """A text, escaped, for outside of mathematics; signs and Greek letters go into it.

    >>> latex_text("50% of ξ")
    '50\\\\% of $\\\\xi$'
    """
    out = []
    for c in text:
        if c in _TEXT_SIGNS:
            out.append(_TEXT_SIGNS[c])
        elif c.isascii():
            out.append(c)
        else:
            sign = math_sign(c)
            out.append(f"${sign.replace('^', '{}^', 1)}$" if sign else f"[U+{ord(c):04X}]")
    return "".join(out)


def math_sign(c: str) -> str:
    """One sign in LaTeX's mathematics, or "" where it is unknown."""
    if c in _LETTERS:
        return f"\\{_LETTERS[c]}"
    if c in "₀₁₂₃₄₅₆₇₈₉":
        return f"_{{{unicodedata.digit(c)}}}"
    if c in "⁰¹²³⁴⁵⁶⁷⁸⁹":
        return f"^{{{unicodedata.digit(c)}}}"
    return _MATH_SIGNS.get(c, "")


def number(x: Any, digits: int = 8) -> str:
    """A number to so many significant digits.

    >>> number(-3.7018372795869519e-4), number(True), number(2.0), number(float("nan"))
    ('-0.00037018373', '1', '2', 'nan')
    """
    value = x.item() if hasattr(x, "item") else x
    if isinstance(value, int):
        return str(int(value))
    return f"{value + 0.0:.{digits}g}"  # + 0.0: the sign of a zero tells a reader nothing


def number_latex(x: Any, digits: int = 8) -> str:
    """The same in LaTeX: ``1.2 \\cdot 10^{-5}``.

    >>> print(number_latex(1.2e-5), number_latex(float("-inf")))
    1.2 \\cdot 10^{-5} -\\infty
    """
    text = number(x, digits)
    if "inf" in text:
        return text.replace("inf", r"\infty")
    if "nan" in text:
        return r"\mathrm{nan}"
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return mantissa
    power = f"10^{{{int(exponent)}}}"
    return power if mantissa == "1" else f"{mantissa} \\cdot {power}"


def digest(x: Any, *, shape: bool = True) -> str:
    """A value in one line: a number, or the shape of an array, some elements and the mean.

    >>> digest(np.array([0.1, 0.2]))
    '(2,) [0.1, 0.2]'
    >>> digest(np.linspace(0, 1, 12).reshape(3, 4))
    '(3, 4) [0, 0.09091, … 1] mean 0.5'
    >>> digest(np.array([True, False, True, True, True, True, False]))
    '(7,) 5 of 7 true'
    """
    if isinstance(x, (tuple, list)):
        return "; ".join(digest(part, shape=shape) for part in x)
    if x is None or isinstance(x, str):
        return repr(x)
    array = np.asarray(x)
    if array.ndim == 0:
        return number(array) if array.dtype.kind in "biuf" else str(x)
    if array.size == 0:
        return f"{array.shape} empty"
    head = f"{array.shape} " if shape else ""
    if array.size <= 4:
        return head + _listed(array.tolist())
    if array.dtype.kind == "b":
        return f"{head}{int(array.sum())} of {array.size} true"
    first, second, last = (number(array.flat[i], 4) for i in (0, 1, -1))
    missing = int(np.isnan(array).sum())
    with np.errstate(all="ignore"):
        tail = f"{missing} of {array.size} nan" if missing else f"mean {number(array.mean(), 4)}"
    return f"{head}[{first}, {second}, … {last}] {tail}"


def _listed(x: Any) -> str:
    return f"[{', '.join(map(_listed, x))}]" if isinstance(x, list) else number(x, 4)


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def is_constant_of_mathematics(x: Any) -> Word | None:
    """π and e are printed by their names."""
    if isinstance(x, float) and x == math.pi:
        return Word("π", r"\pi")
    return Word("e", "e") if isinstance(x, float) and x == math.e else None
