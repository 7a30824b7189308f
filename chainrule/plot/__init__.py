"""The figures of the lecture, each from a run that the library makes when it is drawn.

Every figure is a function such as ``cr.plot.learning_rates(axes=None)``: it makes its run, draws
on the matplotlib axes that it is given, or on a new figure of a slide's size, and returns them.
``axes[0].figure.savefig("rates.png")`` writes a picture, ``chainrule figures`` all of them. The
numbers are apart from the drawing: ``cr.plot.descent.learning_rate_runs()`` returns them, and
with other settings they can be given as the figure's second argument.

matplotlib comes with ``pip install 'chainrule[plot]'``; its settings and pyplot stay untouched.
"""

from __future__ import annotations

from chainrule.plot.catalogue import FIGURES, figure, save
from chainrule.plot.conditioning import ravine, stability
from chainrule.plot.convolutional import gradient_norm
from chainrule.plot.critical_points import critical_surfaces, saddle_escape
from chainrule.plot.descent import learning_rates, local_minima, rate_regimes
from chainrule.plot.explosion import clipping, gradients_by_layer, linear_chain
from chainrule.plot.minibatches import batch_contours, batch_growth, loss_curves, minibatch_paths

__all__ = [
    "FIGURES",
    "batch_contours",
    "batch_growth",
    "clipping",
    "critical_surfaces",
    "figure",
    "gradient_norm",
    "gradients_by_layer",
    "learning_rates",
    "linear_chain",
    "local_minima",
    "loss_curves",
    "minibatch_paths",
    "rate_regimes",
    "ravine",
    "saddle_escape",
    "save",
    "stability",
]
