"""Predictions of a number on the held-out rows: against the truth, and what is left over."""

from __future__ import annotations

import numpy as np

from chainrule.report import charts
from chainrule.report.figures import figure, figures, thinned
from chainrule.report.markup import Html, join, paragraphs, tag
from chainrule.report.measures import root_mean_square
from chainrule.report.words import digits, plus_minus
from chainrule.report.work import Work
from chainrule.train.tabular.held_out import Predictions

MOST_DRAWN, BINS = 800, 20


def numbers_section(work: Work) -> Html:
    """Predicted against true, the residuals, and whether they depend on the prediction."""
    rows, name = work.predictions[work.main.name], work.study.target.name
    text = f"On the {len(rows.truth)} held-out rows, by the {work.main.name}."
    return join(
        [
            tag("p", text),
            figures(_against(rows, name), _over_prediction(rows, name), _residuals(rows, name)),
            paragraphs(*residual_words(rows, name)),
        ],
        "\n",
    )


def _pairs(rows: Predictions) -> list[tuple[float, float, float]]:
    """True, predicted and residual, by the prediction; evenly thinned where there are many."""
    order = np.argsort(rows.found, kind="stable")
    truth, found = rows.truth[order].tolist(), rows.found[order].tolist()
    return thinned([(t, f, t - f) for t, f in zip(truth, found, strict=True)], MOST_DRAWN)


def _against(rows: Predictions, name: str) -> Html:
    pairs = _pairs(rows)
    scale = charts.linear([v for t, f, _ in pairs for v in (t, f)])
    ends = [scale.low, scale.high]
    drawn = charts.plot(
        f"Predicted against true {name}, {len(rows.truth)} rows; the mean error is "
        f"{digits(float(np.mean(np.abs(rows.found - rows.truth))))}",
        [
            charts.Line("", ends, ends, None, True),
            charts.Points("", [f for _, f, _ in pairs], [t for t, _, _ in pairs]),
        ],
        scale,
        scale,
        f"predicted {name}",
        f"true {name}",
        square=True,
    )
    table_rows = [[f, t, e] for t, f, e in pairs]
    return figure(
        "Predicted and true", drawn, ["predicted", "true", "residual"], table_rows,
        "On the dashed line predictions are right.", words=(), rest="held_out.csv has all.",
    )  # fmt: skip


def _over_prediction(rows: Predictions, name: str) -> Html:
    pairs = _pairs(rows)
    x = charts.linear([f for _, f, _ in pairs])
    drawn = charts.plot(
        f"Residuals (true minus predicted {name}) over the prediction",
        [
            charts.Line("", [x.low, x.high], [0.0, 0.0], None, True),
            charts.Points("", [f for _, f, _ in pairs], [e for _, _, e in pairs], 1),
        ],
        x,
        charts.linear([0.0, *(e for _, _, e in pairs)]),
        f"predicted {name}",
        "residual: true − predicted",
    )
    table_rows = [[f, e] for _, f, e in pairs]
    return figure(
        "What is left over", drawn, ["predicted", "residual"], table_rows,
        "An even band about 0 is as it should be. A bend says that the relation is not caught; a "
        "widening band, that large values are less certain.", words=(),
        rest="held_out.csv has all.",
    )  # fmt: skip


def _residuals(rows: Predictions, name: str) -> Html:
    residual = rows.truth - rows.found
    edges = np.histogram_bin_edges(residual, min(BINS, max(5, round(len(residual) ** 0.5))))
    counts = np.histogram(residual, edges)[0].tolist()
    ends = edges.tolist()
    drawn = charts.histogram(
        f"Residuals of {len(residual)} rows, from {residual.min():.4g} to {residual.max():.4g}",
        ends,
        [("", counts)],
        "residual: true − predicted",
        "rows",
    )
    table_rows = [
        [f"{low:.4g} to {high:.4g}", n]
        for low, high, n in zip(ends, ends[1:], counts, strict=False)
    ]
    return figure("How large the errors are", drawn, ["residual", "rows"], table_rows)


def residual_words(rows: Predictions, name: str) -> list[str]:
    """The bias, the largest error, and whether the spread grows with the prediction."""
    residual = rows.truth - rows.found
    n = len(residual)
    bias, size = float(residual.mean()), root_mean_square(residual)
    error = float(residual.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    found = [
        f"Mean residual {plus_minus(bias, error)}: "
        + ("no bias that these rows show." if abs(bias) <= 2 * error else
           f"the predictions are too {'low' if bias > 0 else 'high'} on average.")
    ]  # fmt: skip
    worst = int(np.argmax(np.abs(residual)))
    found.append(
        f"The largest error is {digits(float(residual[worst]))} (true "
        f"{digits(float(rows.truth[worst]))}, predicted {digits(float(rows.found[worst]))}), "
        f"{abs(float(residual[worst])) / size.value:.1f} times the RMSE."
        if size.value else "Every prediction is exact."
    )  # fmt: skip
    half = n // 2
    if half >= 10:
        order = np.argsort(rows.found, kind="stable")
        low = root_mean_square(residual[order[:half]])
        high = root_mean_square(residual[order[half:]])
        apart = abs(high.value - low.value) > 2 * float(np.hypot(high.error, low.error))
        found.append(
            f"RMSE of the lower half of the predictions {plus_minus(low.value, low.error)}, of the "
            f"upper half {plus_minus(high.value, high.error)}"
            + (f": one error for all values of {name} would mislead." if apart else ".")
        )
    return found
