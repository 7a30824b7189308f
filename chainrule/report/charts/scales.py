"""Scales: which ticks an axis has, and where a value lies between its ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from chainrule.records import dataclass

Values = Iterable[float]
WIDE = 50.0  # from the least to the greatest value: then a scale is logarithmic


@dataclass(frozen=True)
class Scale:
    """An axis from ``low`` to ``high`` with its ticks and their labels."""

    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    log: bool = False

    def __call__(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high one.

        >>> logarithmic([1, 100])(10)
        0.5
        """
        if self.log:
            if value <= 0.0:
                return math.nan
            low, high = math.log(self.low), math.log(self.high)
            return (math.log(value) - low) / (high - low)
        return (value - self.low) / (self.high - self.low)


def linear(
    values: Values,
    *,
    zero: bool = False,
    bounds: tuple[float, float] | None = None,
    form: Callable[[float], str] | None = None,
    most: int = 6,
) -> Scale:
    """A scale that begins and ends at a tick, with steps of 1, 2, 2.5 or 5 times a power of ten.

    Args:
        values: what it must hold; those that are not finite are passed over.
        zero: it begins at 0.
        bounds: its ends, where they are given.
        form: how a tick is written.
        most: how many ticks at most.

    >>> linear([0.03, 0.97]).ticks
    (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    >>> linear([3.1, 3.9]).labels
    ('3.0', '3.2', '3.4', '3.6', '3.8', '4.0')
    """
    low, high = _ends(values) if bounds is None else bounds
    if zero and bounds is None:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    step = _step((high - low) / (most - 1))
    if bounds is None:
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = tuple(float(f"{k * step:.12g}") + 0.0 for k in range(first, last + 1))
    written = form or _form(step, max(abs(low), abs(high)))
    return Scale(low, high, ticks, tuple(map(written, ticks)))


def whole(low: int, high: int, most: int = 6) -> Scale:
    """A scale of whole numbers, such as epochs, from one to the other.

    >>> whole(1, 100).ticks, whole(0, 3).labels
    ((20.0, 40.0, 60.0, 80.0, 100.0), ('0', '1', '2', '3'))
    """
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        return Scale(low - 0.5, high + 0.5, (float(low),), (str(low),))
    step = max(1, round(_step((high - low) / (most - 1))))
    ticks = tuple(float(t) for t in range(-(-low // step) * step, high + 1, step))
    return Scale(low, high, ticks, tuple(f"{t:,.0f}" for t in ticks))


def logarithmic(values: Values) -> Scale:
    """A scale of powers of ten; with 1, 2 and 5 of each where there are few.

    >>> logarithmic([0.02, 3]).labels
    ('0.02', '0.05', '0.1', '0.2', '0.5', '1', '2', '5')
    >>> logarithmic([1e-7, 1e3]).labels
    ('10⁻⁷', '10⁻⁵', '10⁻³', '0.1', '10', '10³')
    """
    low, high = _ends(v for v in values if v > 0.0)
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    last += first == last
    if last - first <= 3:
        grid = [m * 10.0**e for e in range(first, last + 1) for m in (1, 2, 5)]
        below = [g for g in grid if g <= low * (1 + 1e-9)]
        above = [g for g in grid if g >= high * (1 - 1e-9)]
        ends = (below[-1], above[0] if above[0] > below[-1] else grid[grid.index(below[-1]) + 1])
        ticks = [g for g in grid if ends[0] <= g <= ends[1]]
    else:
        skip = -(-(last - first) // 6)
        ticks = [10.0**e for e in range(first, last + 1, skip)]
        ends = (10.0**first, 10.0**last)
    return Scale(ends[0], ends[1], tuple(ticks), tuple(map(_power, ticks)), True)


def suited(values: Values, form: Callable[[float], str] | None = None) -> Scale:
    """A logarithmic scale where values differ by a factor of more than 50, else a linear one."""
    found = [v for v in values if math.isfinite(v)]
    if found and min(found) > 0.0 and max(found) > WIDE * min(found):
        return logarithmic(found)
    return linear(found, form=form)


def percent(value: float) -> str:
    """A share as a tick has it.

    >>> percent(0.25), percent(0.125)
    ('25%', '12.5%')
    """
    return f"{100 * value:.4g}%"


_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def _power(value: float) -> str:
    exponent = math.floor(math.log10(value) + 1e-9)
    if -3 <= exponent <= 4 and not (abs(exponent) == 3 and value == 10.0**exponent):
        return f"{value:.6g}"
    mantissa = round(value / 10.0**exponent)
    power = "10" + str(exponent).translate(_SUPERSCRIPTS)
    return power if mantissa == 1 else f"{mantissa}·{power}"


def _ends(values: Values) -> tuple[float, float]:
    found = [v for v in values if math.isfinite(v)]
    return (min(found), max(found)) if found else (0.0, 1.0)


def _step(least: float) -> float:
    """The next round number: 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= least * (1 - 1e-9))


def _form(step: float, largest: float) -> Callable[[float], str]:
    """As many decimals as the step needs; powers of ten where numbers would be long."""
    if largest >= 1e6 or largest < 1e-3:
        digits = max(4, math.ceil(math.log10(largest / step)) + 2)
        return lambda value: f"{value:.{digits}g}"
    decimals = next((d for d in range(8) if abs(round(step, d) - step) < 1e-9 * step), 8)
    return lambda value: f"{value:,.{decimals}f}"


__all__ = ["Scale", "linear", "logarithmic", "percent", "suited", "whole"]
