"""From the text of a formula to its steps; every error has a position in the text."""

from __future__ import annotations

import difflib
import math
import re
from typing import Any, NamedTuple, NoReturn

import numpy as np

from chainrule.elementary.base import Pointwise
from chainrule.errors import FormulaError
from chainrule.formula.vocabulary import CONSTANTS, FUNCTIONS, OPERATORS

MAX_LENGTH = 2000  # characters
MAX_DEPTH = 100  # parentheses, calls, signs and powers inside one another

_COMPARISONS = frozenset({">", ">=", "<", "<=", "==", "!="})
_BINDING = {"+": 20, "-": 20, "*": 30, "/": 30, "**": 50} | dict.fromkeys(_COMPARISONS, 10)
_SIGN = 40  # −x² is −(x²), and −a·b is (−a)·b

# One character for one, so that the position of an error is a position in the text.
_PLAIN = str.maketrans("−–×·⋅∙÷≥≤≠\t\n\r", "--****/≥≤≠   ")
_MARKS = {"^": "**", "≥": ">=", "≤": "<=", "≠": "!="}
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<superscript>⁻?[⁰¹²³⁴-⁹]+)"
    r"|(?P<name>[^\W\d_⁰¹²³⁴-⁹][^\W⁰¹²³⁴-⁹]*)"
    r"|(?P<mark>\*\*|==|!=|<=|>=|[-+*/^()<>,;=≥≤≠])"
)
_CHARACTERS = {
    "[": "group with round parentheses; a formula has no indices",
    "]": "group with round parentheses; a formula has no indices",
    "{": "group with round parentheses",
    "}": "group with round parentheses",
    "_": "begin names with a letter",
    ".": "a formula has no attributes; write 0.5 for a half",
    ":": "separate statements with ; and define with =",
    "'": "write names and numbers without quotes",
    '"': "write names and numbers without quotes",
    "%": "write mod(a, b) for the remainder",
    "|": "write abs(x) for the absolute value",
    "√": "write sqrt(x) for the square root",
}


class Token(NamedTuple):
    kind: str  # number, name, superscript, mark, end
    text: str
    at: int


class Step(NamedTuple):
    """One instruction of the stack machine: push a number or a name, or apply a function."""

    kind: str  # number, name, operator, call
    value: Any  # the number, or the name
    arity: int  # how many arguments
    at: int  # the position in the text


class Parser:
    """Precedence climbing over the tokens; the steps are appended in postfix order."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise FormulaError(
                f"the formula is longer than {MAX_LENGTH} characters",
                got=f"{len(text)} characters: {text[:30]}…",
                remedy="write it as a Python function, and use cr.trace on that",
            )
        self.text = text
        self.plain = text.translate(_PLAIN)
        self.tokens = self.read(self.plain)
        self.position = 0
        self.depth = 0
        self.steps: list[Step] = []

    def fail(self, cause: str, at: int, remedy: str) -> NoReturn:
        """Raise the error with a part of the text and a caret below the position."""
        start = max(0, at - 50)
        line = self.text[start : at + 30].translate(str.maketrans("\t\n\r", "   "))
        before, after = "…" * (start > 0), "…" * (at + 30 < len(self.text))
        caret = " " * (len("  received: ") + len(before) + at - start) + "^"
        raise FormulaError(cause, got=f"{before}{line}{after}\n{caret}", remedy=remedy)

    def read(self, text: str) -> list[Token]:
        tokens, at = [], 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                self.fail(
                    f"{self.text[at]!r} has no meaning in a formula",
                    at,
                    _CHARACTERS.get(
                        text[at],
                        "a formula is made of numbers, names, functions and + - * / ^ ( ) , ;",
                    ),
                )
            if match.lastgroup != "space":
                word = match.group()
                tokens.append(Token(match.lastgroup or "", _MARKS.get(word, word), at))
            at = match.end()
        tokens.append(Token("end", "", len(text)))
        return tokens

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def take(self, mark: str) -> bool:
        found = self.token.kind == "mark" and self.token.text == mark
        self.position += found
        return found

    # Statements ------------------------------------------------------------------------------

    def statements(self) -> tuple[list[tuple[str, list[Step]]], str]:
        """The definitions in an order in which each can be computed, and the result's name."""
        found: dict[str, list[Step]] = {}
        places: dict[str, int] = {}
        while self.token.kind != "end":
            if self.take(";"):
                continue
            start, name = self.token, self.definition()
            if name in found:
                self.fail(
                    f"{name} is defined twice" if name else "two statements have no name",
                    start.at,
                    "give every intermediate result a name of its own: h = …; L = …",
                )
            self.steps = []
            self.expression(0)
            found[name], places[name] = self.steps, start.at
            if self.token.kind != "end" and not self.take(";"):
                self.unexpected()
        if not found:
            self.fail("the formula is empty", 0, "write one, for example x^2 + 1")
        uses = {
            name: [s for s in steps if s.kind == "name" and s.value in found]
            for name, steps in found.items()
        }
        used = {s.value for part in uses.values() for s in part}
        result = "" if "" in found else next((n for n in reversed(found) if n not in used), "")
        order: list[str] = []
        while len(order) < len(found):
            ready = [n for n in found if n not in order and all(s.value in order for s in uses[n])]
            if not ready:
                name = next(n for n in found if n not in order)
                self.fail(
                    f"{name} is defined by itself",
                    places[name],
                    "define each name by variables and by other names only",
                )
            order += ready
        return [(name, found[name]) for name in order], result

    def definition(self) -> str:
        """The name before ``=``, or "" for a statement that has none."""
        first, second = self.token, self.tokens[min(self.position + 1, len(self.tokens) - 1)]
        if second.text != "=":
            return ""
        if first.kind != "name":
            self.fail("only a name can be defined", first.at, "write name = formula")
        if first.text in CONSTANTS or first.text in FUNCTIONS:
            kind = "constant" if first.text in CONSTANTS else "function"
            self.fail(f"{first.text} is a {kind} already", first.at, "choose another name")
        self.position += 2
        return first.text

    # Expressions -----------------------------------------------------------------------------

    def expression(self, binding: int) -> None:
        """Everything from here on that binds more tightly than ``binding``."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(
                f"the formula is nested more than {MAX_DEPTH} deep",
                self.token.at,
                "name intermediate results: h = …; L = … h …",
            )
        base = self.operand()
        compared = False
        while True:
            token = self.token
            if token.kind == "superscript":
                self.position += 1
                self.emit("number", float(token.text.translate(_SUPERSCRIPTS)), 0, token.at)
                self.apply("**", 2, token.at)
                continue
            strength = _BINDING.get(token.text, 0) if token.kind == "mark" else 0
            if strength <= binding:
                break
            if token.text in _COMPARISONS and compared:
                self.fail(
                    "two comparisons in a row",
                    token.at,
                    "write where(a < b, where(b < c, 1, 0), 0) for a < b < c",
                )
            compared = token.text in _COMPARISONS
            self.position += 1
            if token.text == "**":
                self.power(base, token.at)
            else:
                self.expression(strength)
                self.apply(token.text, 2, token.at)
        self.depth -= 1

    def power(self, base: Token, at: int) -> None:
        """The exponent; from the right, and e to a power is the function exp."""
        start = len(self.steps)
        self.expression(_BINDING["**"] - 1)
        if base.text == "e" and self.steps[start - 1 : start] == [
            Step("number", math.e, 0, base.at)
        ]:
            del self.steps[start - 1]
            self.apply("exp", 1, base.at, "call")
        else:
            self.apply("**", 2, at)

    def operand(self) -> Token:
        token = self.token
        self.position += 1
        if token.kind == "number":
            value = float(token.text)
            if not math.isfinite(value):
                self.too_large(token.at)
            self.emit("number", value, 0, token.at)
        elif token.kind == "name":
            self.name(token)
        elif token.text == "(":
            self.expression(0)
            self.close(token)
        elif token.text in ("-", "+"):
            self.expression(_SIGN)
            if token.text == "-":
                self.apply("negative", 1, token.at)
        else:
            self.position -= 1
            self.unexpected()
        return token

    def name(self, token: Token) -> None:
        called = self.take("(")
        if called and token.text not in FUNCTIONS:
            near = difflib.get_close_matches(token.text, FUNCTIONS, 3)
            self.fail(
                f"{token.text} is not a function",
                token.at,
                f"did you mean {' or '.join(near)}?"
                if near
                else f"for a product write {token.text}*(…)",
            )
        if called:
            self.call(token)
        elif token.text in CONSTANTS:
            self.emit("number", CONSTANTS[token.text], 0, token.at)
        elif token.text in FUNCTIONS:
            self.fail(
                f"{token.text} is a function", token.at, f"write {token.text}(…), or another name"
            )
        elif not token.text.isidentifier():
            self.fail(
                f"{token.text} cannot be a name", token.at, "use letters, digits and _: x1 or x_1"
            )
        else:
            self.emit("name", token.text, 0, token.at)

    def call(self, token: Token) -> None:
        count = 0
        opening = self.tokens[self.position - 1]
        if not self.take(")"):
            while True:
                self.expression(0)
                count += 1
                if not self.take(","):
                    break
            self.close(opening)
        function = FUNCTIONS[token.text]
        wanted = 2
        if isinstance(function, Pointwise):
            wanted = len(function.partials)
        elif token.text == "where":
            wanted = 3
        if count != wanted:
            letters = ", ".join("abc"[:wanted])
            self.fail(
                f"{token.text} takes {wanted} argument{'s' * (wanted != 1)}, not {count}",
                token.at,
                f"write {token.text}({letters})",
            )
        self.apply(token.text, count, token.at, "call")

    def close(self, opening: Token) -> None:
        if not self.take(")"):
            if self.token.kind == "end" or self.token.text == ";":
                self.fail("a parenthesis is not closed", opening.at, "write ) where it ends")
            self.unexpected()

    def unexpected(self) -> NoReturn:
        token = self.token
        if token.kind == "end":
            self.fail(
                "the formula ends too early", token.at, "write a number or a name after the sign"
            )
        remedy = "a number, a name or ( belongs here"
        if token.kind in ("number", "name", "superscript") or token.text == "(":
            remedy = "write * for a product: 2*x"
        elif token.text == ")":
            remedy = "remove it, or open the parenthesis before"
        elif token.text == "=":
            remedy = "define with name = formula; compare with =="
        shown = _TOKEN.match(self.plain, token.at)
        self.fail(f"{(shown.group() if shown else '')!r} is not expected here", token.at, remedy)

    # Steps -----------------------------------------------------------------------------------

    def emit(self, kind: str, value: Any, count: int, at: int) -> None:
        self.steps.append(Step(kind, value, count, at))

    def apply(self, name: str, count: int, at: int, kind: str = "operator") -> None:
        """Apply a function; numbers alone are worked out at once, so that 9^9^9^9 ends here."""
        args = self.steps[-count:]
        if name in _COMPARISONS or any(s.kind != "number" for s in args):
            return self.emit(kind, name, count, at)
        function = (FUNCTIONS if kind == "call" else OPERATORS)[name]
        try:
            with np.errstate(all="ignore"):
                value = function(*(s.value for s in args))
        except (OverflowError, ZeroDivisionError):
            value = math.inf
        if isinstance(value, complex) or not math.isfinite(value):
            self.too_large(at)
        del self.steps[-count:]
        return self.emit("number", float(value), 0, args[0].at)

    def too_large(self, at: int) -> NoReturn:
        self.fail(
            "this is not a finite real number",
            at,
            "stay below 1.8e308, and divide, take roots and logarithms where they exist",
        )
