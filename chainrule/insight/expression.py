"""Formulas of the records, with the names of a graph put in, printed as text and as LaTeX.

A record tells its formula and its partials in Python syntax with the arguments a, b, c. Python's
``ast`` module takes them apart; what is printed has the fewest parentheses that keep the meaning.
Rules that are told in words have their letters replaced.
"""

from __future__ import annotations

import ast
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from chainrule.insight.words import (
    Word,
    is_constant_of_mathematics,
    math_sign,
    number,
    number_latex,
    superscript,
)

Names = Mapping[str, Any]  # a letter -> a Word, a number, or a tree

# How tightly a printed formula holds together.
COMPARISON, SUM, PRODUCT, POWER, ATOM = range(5)

_OPERATORS: dict[type, tuple[str, str]] = {
    ast.Gt: (">", ">"), ast.GtE: ("≥", r"\ge"), ast.Lt: ("<", "<"), ast.LtE: ("≤", r"\le"),
    ast.Eq: ("=", "="), ast.NotEq: ("≠", r"\ne"),
}  # fmt: skip
_CALLED = {
    "maximum": ("max", r"\max"), "minimum": ("min", r"\min"), "sigmoid": ("σ", r"\sigma"),
    "norm_cdf": ("Φ", r"\Phi"), "norm_pdf": ("φ", r"\varphi"), "digamma": ("ψ", r"\psi"),
    "log2": ("log2", r"\log_{2}"), "log10": ("log10", r"\log_{10}"),
    **{f: (f, f"\\{f}") for f in (
        "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "det",
        "max", "min",
    )},
}  # fmt: skip
_AROUND = {
    "abs": ("|", "|", r"\left|", r"\right|"),
    "floor": ("⌊", "⌋", r"\left\lfloor ", r"\right\rfloor"),
    "ceil": ("⌈", "⌉", r"\left\lceil ", r"\right\rceil"),
}

Piece = tuple[str, int]  # a printed part and how tightly it holds together


def expression(source: str, names: Names, *, partial: bool = False) -> Word:
    """A formula of a record with its letters replaced.

    Args:
        source: Python syntax, or words.
        names: what each letter stands for.
        partial: it is a derivative: numbers are worked out and factors of one left away.

    >>> xi = Word("ξ₁", r"\\xi_{1}")
    >>> expression("-a/b**2", {"a": Word("y", "y"), "b": xi}).text
    '−y/ξ₁²'
    >>> print(expression("b*a**(b - 1)", {"a": xi, "b": 2.0}, partial=True).latex)
    2 \\cdot \\xi_{1}
    """
    tree = syntax_tree(source, names)
    if tree is None:
        return prose(source, names)
    if partial:
        tree = _Simplify().visit(tree)
    words = {name: word for name, word in names.items() if isinstance(word, Word)}
    if isinstance(tree, ast.Compare) and not partial:
        return Word(_Text(words).condition(tree), _Latex(words).condition(tree))
    return printed(tree, words)


def syntax_tree(source: str, names: Names) -> ast.expr | None:
    """A formula as a tree, with numbers and other trees in place of its letters.

    None for a rule that is told in words.
    """
    try:
        # Python would read the letter aᵀ as aT.
        tree = ast.parse(source, mode="eval").body if source.isascii() else None
    except SyntaxError:
        return None
    return None if tree is None else _Substitute(names).visit(tree)


def printed(tree: ast.expr, words: Mapping[str, Word]) -> Word:
    """A tree as text and as LaTeX.

    >>> inner = syntax_tree("a + 1", {})
    >>> printed(syntax_tree("b*a", {"b": inner}), {"a": Word("x", "x")}).text
    '(x + 1)·x'
    """
    return Word(_Text(words).piece(tree)[0], _Latex(words).piece(tree)[0])


def prose(source: str, names: Names) -> Word:
    """A rule told in words, with its letters replaced.

    >>> prose("transpose g", {"g": Word("ξ₁", r"\\xi_{1}")}).text
    'transpose ξ₁'
    """
    text, latex = [], []
    for token in re.findall(r"[A-Za-z_]+|[0-9]+|.", source):
        word = names.get(token)
        if isinstance(word, Word):
            text.append(word.text)
            latex.append(word.latex + " ")
        elif word is not None:
            text.append(number(word).replace("-", "−"))
            latex.append(number_latex(word))
        else:
            text.append(token)
            latex.append(_prose_latex(token))
    return Word("".join(text), re.sub(r"\^\{-\}\s*\^\{", "^{-", "".join(latex)).strip())


def _prose_latex(token: str) -> str:
    if token.isascii() and token.replace("_", "").isalpha():
        return token if len(token) == 1 else rf"\mathrm{{{token.replace('_', chr(92) + '_')}}}"
    if token in " Σ":
        return r"\ " if token == " " else r"\textstyle\sum "
    if token in "{}%#&$_":
        return f"\\{token}"
    if token in '"\\~^':
        return {'"': r"\mbox{\textquotedbl}", "\\": r"\backslash ", "~": r"\sim ", "^": r"\hat{} "}[
            token
        ]
    return token if token.isascii() else math_sign(token) or rf"\mbox{{U+{ord(token):04X}}}"


class _Substitute(ast.NodeTransformer):
    """Numbers and trees in place of the letters that stand for them."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self.names.get(node.id)
        if isinstance(value, ast.expr):
            return value
        return node if value is None or isinstance(value, Word) else ast.Constant(value)


class _Simplify(ast.NodeTransformer):
    """Arithmetic on numbers, and factors and exponents of one."""

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        operand = self.visit(node.operand)
        value = _number(operand)
        if isinstance(node.op, ast.USub) and value is not None:
            return ast.Constant(-value)
        return ast.UnaryOp(node.op, operand)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, op, right = self.visit(node.left), node.op, self.visit(node.right)
        a, b = _number(left), _number(right)
        if a is not None and b is not None:
            value = _worked_out(a, op, b)
            if value is not None:
                return ast.Constant(value)
        if isinstance(op, ast.Mult) and 1 in (a, b):
            return right if a == 1 else left
        if isinstance(op, ast.Mult) and -1 in (a, b):
            return ast.UnaryOp(ast.USub(), right if a == -1 else left)
        if isinstance(op, (ast.Div, ast.Pow)) and b == 1:
            return left
        if isinstance(op, ast.Pow) and b == 0:
            return ast.Constant(1)
        return ast.BinOp(left, op, right)


def _number(node: ast.expr) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return None if is_constant_of_mathematics(node.value) else node.value
    return None


def _worked_out(a: float, op: ast.operator, b: float) -> float | None:
    """The result where it can be printed whole; 1/3 stays 1/3."""
    if not (abs(a) < 1e6 and abs(b) < 1e6):
        return None
    if isinstance(op, ast.Add):
        value = a + b
    elif isinstance(op, ast.Sub):
        value = a - b
    elif isinstance(op, ast.Mult):
        value = a * b
    elif isinstance(op, ast.Pow) and a > 0 and b in (0, 1, 2, 3):
        value = a**b
    else:
        return None
    return value if math.isclose(float(number(value)), value, rel_tol=1e-14) else None


def has_condition(source: str) -> bool:
    """Does a formula use a comparison as a number, which is printed as [a > b]?

    >>> has_condition("(a > b) + 1"), has_condition("where(a > b, 1, 0)")
    (True, False)
    """
    if not source.isascii():
        return False
    try:
        tree = ast.parse(source, mode="eval")
    except SyntaxError:
        return False
    conditions = {
        node.args[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "where"
    }
    return any(isinstance(node, ast.Compare) and node not in conditions for node in ast.walk(tree))


class _Printer(ABC):
    """What the two notations have in common: where parentheses are needed."""

    side = 0  # of the pairs (text, latex) above
    opening, closing, minus = "(", ")", "−"

    def __init__(self, words: Mapping[str, Word]) -> None:
        self.words = words

    def piece(self, node: ast.expr) -> Piece:
        """The printed node."""
        if isinstance(node, ast.Constant):
            return self.constant(node.value)
        if isinstance(node, ast.Name):
            word = self.words.get(node.id)
            if word is not None:
                return word[self.side], ATOM
            return self.constant(math.pi) if node.id == "pi" else (self.plain(node.id), ATOM)
        if isinstance(node, ast.UnaryOp):
            return self.minus + self.at_least(node.operand, PRODUCT, right=True), PRODUCT
        if isinstance(node, ast.BinOp):
            return self.binary(node.left, node.op, node.right)
        if isinstance(node, ast.Compare):
            return f"[{self.condition(node)}]", ATOM
        if isinstance(node, ast.Subscript):
            return f"{self.at_least(node.value, ATOM)}[{self.piece(node.slice)[0]}]", ATOM
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self.call(node.func.id, node.args)
        raise TypeError(f"a record's formula has {type(node).__name__}")

    def at_least(self, node: ast.expr, level: int, *, right: bool = False) -> str:
        """The printed node, in parentheses where it holds together less than that.

        On the right of an operator a minus sign needs them too.
        """
        text, own = self.piece(node)
        if own < level or (right and text.startswith(self.minus)):
            return f"{self.opening}{text}{self.closing}"
        return text

    def condition(self, node: ast.expr) -> str:
        """A comparison as a statement, not as the number 1 or 0."""
        if not isinstance(node, ast.Compare):
            return self.piece(node)[0]
        sign = _OPERATORS[type(node.ops[0])][self.side]
        return f"{self.at_least(node.left, SUM)} {sign} {self.at_least(node.comparators[0], SUM)}"

    def binary(self, left: ast.expr, op: ast.operator, right: ast.expr) -> Piece:
        if isinstance(op, ast.Add):
            return f"{self.at_least(left, SUM)} + {self.at_least(right, SUM, right=True)}", SUM
        if isinstance(op, ast.Sub):
            a, b = self.at_least(left, SUM), self.at_least(right, PRODUCT, right=True)
            return f"{a} {self.minus} {b}", SUM
        if isinstance(op, ast.MatMult):
            a, b = self.at_least(left, PRODUCT), self.at_least(right, POWER, right=True)
            return f"{a} {self.product('@')} {b}", PRODUCT
        if isinstance(op, ast.Mult):
            whole = not isinstance(right, ast.BinOp) or isinstance(right.op, (ast.Mult, ast.Pow))
            level = PRODUCT if whole or self.side else POWER
            a, b = self.at_least(left, PRODUCT), self.at_least(right, level, right=True)
            return f"{a}{self.product('*')}{b}", PRODUCT
        if isinstance(op, ast.Div):
            return self.quotient(left, right)
        return self.power(left, right)

    def arguments(self, name: str, args: list[ast.expr]) -> str:
        first = [self.condition(args[0])] if name == "where" else []
        return ", ".join(first + [self.piece(a)[0] for a in args[len(first) :]])

    @abstractmethod
    def constant(self, value: Any) -> Piece: ...

    @abstractmethod
    def plain(self, name: str) -> str: ...

    @abstractmethod
    def product(self, sign: str) -> str: ...

    @abstractmethod
    def quotient(self, left: ast.expr, right: ast.expr) -> Piece: ...

    @abstractmethod
    def power(self, base: ast.expr, exponent: ast.expr) -> Piece: ...

    @abstractmethod
    def call(self, name: str, args: list[ast.expr]) -> Piece: ...


class _Text(_Printer):
    """Unicode: 2·ξ₁², √(1 − ξ₁²), −1/ξ₃²."""

    def constant(self, value: Any) -> Piece:
        word = is_constant_of_mathematics(value)
        if word is not None:
            return word.text, ATOM
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return str(value), ATOM
        text = number(value).replace("-", "−")
        return text, PRODUCT if text.startswith("−") else ATOM

    def plain(self, name: str) -> str:
        return name

    def product(self, sign: str) -> str:
        return "·" if sign == "*" else "@"

    def quotient(self, left: ast.expr, right: ast.expr) -> Piece:
        return f"{self.at_least(left, PRODUCT)}/{self.at_least(right, POWER, right=True)}", PRODUCT

    def power(self, base: ast.expr, exponent: ast.expr) -> Piece:
        below = self.at_least(base, ATOM)
        value = _number(exponent)
        if value is not None and value == int(value):
            return below + superscript(int(value)), POWER
        return f"{below}^{self.at_least(exponent, ATOM)}", POWER

    def call(self, name: str, args: list[ast.expr]) -> Piece:
        if name in _AROUND:
            opening, closing = _AROUND[name][:2]
            return f"{opening}{self.piece(args[0])[0]}{closing}", ATOM
        if name == "sqrt":
            return f"√{self.at_least(args[0], ATOM)}", POWER
        return f"{_CALLED.get(name, (name,))[0]}({self.arguments(name, args)})", ATOM


class _Latex(_Printer):
    r"""LaTeX's mathematics: \frac{1}{\xi_{3}}, e^{-x}."""

    side = 1
    opening, closing, minus = r"\left(", r"\right)", "-"

    def constant(self, value: Any) -> Piece:
        word = is_constant_of_mathematics(value)
        if word is not None:
            return word.latex, ATOM
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return rf"\mathrm{{{value}}}", ATOM
        text = number_latex(value)
        return text, PRODUCT if text.startswith("-") or "10^" in text else ATOM

    def plain(self, name: str) -> str:
        return rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}"

    def product(self, sign: str) -> str:
        return r" \cdot " if sign == "*" else r"\,"

    def quotient(self, left: ast.expr, right: ast.expr) -> Piece:
        above, below = self.piece(left)[0], self.piece(right)[0]
        if above.startswith("-") and self.piece(left)[1] == PRODUCT:
            return rf"-\frac{{{above[1:]}}}{{{below}}}", PRODUCT
        return rf"\frac{{{above}}}{{{below}}}", POWER

    def power(self, base: ast.expr, exponent: ast.expr) -> Piece:
        return f"{self.at_least(base, ATOM)}^{{{self.piece(exponent)[0]}}}", POWER

    def call(self, name: str, args: list[ast.expr]) -> Piece:
        if name in _AROUND:
            opening, closing = _AROUND[name][2:]
            return f"{opening}{self.piece(args[0])[0]}{closing}", ATOM
        if name == "exp":
            return f"e^{{{self.piece(args[0])[0]}}}", POWER
        if name == "sqrt":
            return rf"\sqrt{{{self.piece(args[0])[0]}}}", ATOM
        called = _CALLED[name][1] if name in _CALLED else self.plain(name)
        return rf"{called}\left({self.arguments(name, args)}\right)", ATOM
