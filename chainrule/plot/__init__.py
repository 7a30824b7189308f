"""The figures of the lecture, each from a run that the library makes when it is drawn.

Every figure is a function such as ``cr.plot.learning_rates()``: it makes its run, draws, and
returns the axes that it drew on, a list that shows itself in a notebook.
``cr.plot.learning_rates().figure.savefig("rates.png")`` writes a picture, ``chainrule figures``
all of them.

ax: without it, the axes are those of a new figure of a slide's size. All figures have several
panels, so ``ax=`` takes an array or a list of as many axes, such as ``figure.subplots(1, 3)``.

runs (or run): the numbers are apart from the drawing. ``cr.plot.descent.learning_rate_runs()``
returns them; made with other settings, they can be given to the figure.

matplotlib comes with ``pip install 'chainrule[plot]'``; its settings and pyplot stay untouched.
"""

from __future__ import annotations

from chainrule.plot.adaptive import effective_steps
from chainrule.plot.catalogue import FIGURES, figure, save
from chainrule.plot.classification import no_critical_point
from chainrule.plot.conditioning import ravine, stability
from chainrule.plot.convolutional import gradient_norm
from chainrule.plot.critical_points import critical_surfaces, saddle_escape
from chainrule.plot.descent import learning_rates, local_minima, rate_regimes
from chainrule.plot.escaping import minibatch_escape
from chainrule.plot.explosion import clipping, gradients_by_layer, linear_chain
from chainrule.plot.initialization import initializations, symmetry
from chainrule.plot.minibatches import batch_contours, batch_growth, loss_curves, minibatch_paths
from chainrule.plot.minima import network_minima, saddles_by_dimension
from chainrule.plot.normalization import (
    batch_normalization,
    feature_normalization,
    running_averages,
)
from chainrule.plot.overfitting import generalization
from chainrule.plot.racing import race
from chainrule.plot.velocity import momentum, nesterov

__all__ = [
    "FIGURES",
    "batch_contours",
    "batch_growth",
    "batch_normalization",
    "clipping",
    "critical_surfaces",
    "effective_steps",
    "feature_normalization",
    "figure",
    "generalization",
    "gradient_norm",
    "gradients_by_layer",
    "initializations",
    "learning_rates",
    "linear_chain",
    "local_minima",
    "loss_curves",
    "minibatch_escape",
    "minibatch_paths",
    "momentum",
    "nesterov",
    "network_minima",
    "no_critical_point",
    "race",
    "rate_regimes",
    "ravine",
    "running_averages",
    "saddle_escape",
    "saddles_by_dimension",
    "save",
    "stability",
    "symmetry",
]
