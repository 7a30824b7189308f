"""Charts as SVG: lines, points, bars, histograms and tables of shades.

They take their colours from the page that they stand in, so that they follow its light and its dark
style. A unit of a drawing is about a pixel on a desk and ¾ of one on a phone.
"""

from __future__ import annotations

from chainrule.report.charts.areas import bars, heat, histogram
from chainrule.report.charts.curves import Line, Mark, Points, plot
from chainrule.report.charts.scales import Scale, linear, logarithmic, suited, whole

__all__ = [
    "Line",
    "Mark",
    "Points",
    "Scale",
    "bars",
    "heat",
    "histogram",
    "linear",
    "logarithmic",
    "plot",
    "suited",
    "whole",
]
