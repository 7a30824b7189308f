"""What the curves of a training say, in words: one rule for each ailment.

The rules look at means over a tenth of the epochs, so that the chance of single batches does not
decide. They judge this run; another seed may fall on the other side of a threshold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.records import dataclass
from chainrule.report.words import loss, short

# Where a number begins to be an ailment.
FEW = 5  # epochs that say nothing
TRIVIAL, TINY = 0.98, 0.01  # of the baseline's loss
NOTICED = 0.05  # of the baseline's loss: smaller changes are passed over
ROSE = 1.2  # times its least value
RISE, SLIGHT = 0.03, 0.1  # of the loss on rows that are not trained on, after its least value
FALLING = 0.01  # of the loss, from a tenth of the epochs to the next
JUMPS, OFTEN = 0.1, 0.35  # size and share of upward steps in the second half
SETTLED = 0.02  # of all that the loss fell
GAP = 0.25  # of the training loss
NO_BETTER = 0.97  # of the linear model's training loss
PERFECT = 0.1  # of the baseline's loss: below it there is little left to learn
CLEAR = 2.0  # standard errors


def text(value: float) -> str:
    """A loss as remarks have it: four decimals, and more where they would be zeros."""
    return loss(value) if value >= 0.01 else short(value)


class Remark(NamedTuple):
    """What a curve says.

    Attributes:
        kind: "short", "rising", "jumping", "nothing learned", "over-fitting", "gap",
            "still falling", "under-fitting", "learned", "settled" or "even".
        words: what is seen, with numbers.
        remedy: what helps; "" where nothing is wrong.
    """

    kind: str
    words: str
    remedy: str = ""


@dataclass(frozen=True)
class Curves:
    """The losses of one training, one value for each epoch, and what to hold them against.

    Attributes:
        training: the mean over the epoch's batches, each before its update.
        judged: on rows that are not trained on, after the epoch.
        rows: which rows these are: "held-out" or "validation".
        baseline: the loss on the training rows of what can be said without any input.
        keeps_best: the weights of the best epoch are kept (early stopping), not those of the last.
        epochs: that were asked for.
        dropout: the training loss is that of a network with units left out.
        error: the standard error of the judged loss at the end; NaN if it is not known.
        simpler: the final training loss of the linear model; None where this is that model.
        decay: the weight decay.
        weighted: classes have weights, which count in the training loss alone.
    """

    training: Sequence[float]
    judged: Sequence[float]
    rows: str
    baseline: float
    keeps_best: bool = False
    epochs: int = 0
    dropout: bool = False
    error: float = float("nan")
    simpler: float | None = None
    decay: float = 0.0
    weighted: bool = False

    @property
    def best(self) -> int:
        """The epoch, from 1, at which the judged loss was least."""
        return int(np.argmin(self.judged)) + 1


def remarks(curves: Curves) -> list[Remark]:
    """What the curves say, the gravest first; never empty."""
    n = len(curves.training)
    if n < FEW:
        few = "One epoch is" if n == 1 else f"{n} epochs are"
        return [Remark("short", f"{few} too few for the curves to say anything.", "--epochs 100")]
    found = [*_rising(curves)] or [*_nothing_learned(curves)]
    if not found:
        rules = (_over_fitting, _learned, _jumping, _gap, _under_fitting, _falling)
        found = [remark for rule in rules for remark in rule(curves)]
    if not {r.kind for r in found} - {"gap", "under-fitting"}:
        found += _settled(curves)
    return found or [
        Remark("even", "Both losses fell together, and nothing in the curves asks for a change.")
    ]


def _tenths(values: Sequence[float]) -> tuple[float, float]:
    """The means over the last tenth of the epochs and over the one before it."""
    x, k = np.asarray(values, float), max(1, len(values) // 10)
    return float(x[-k:].mean()), float(x[-2 * k : -k].mean())


def _smooth(values: Sequence[float]) -> NDArray[np.float64]:
    """Means over a tenth of the epochs, from each epoch on."""
    k = max(1, len(values) // 10)
    return np.convolve(np.asarray(values, float), np.full(k, 1.0 / k), "valid")


def _rising(c: Curves) -> Iterator[Remark]:
    level = _smooth(c.training)
    last, where = float(level[-1]), int(np.argmin(level))
    least = float(level[where])
    if last > ROSE * least and last - least > NOTICED * c.baseline:
        yield Remark(
            "rising",
            f"The training loss itself rose, from {text(least)} about epoch {where + 1} to "
            f"{text(last)} at the end: the steps are too long, and the descent climbs.",
            "a learning rate three to ten times smaller, a schedule that lowers it (--schedule "
            "cosine), or --clip-norm 1",
        )


def _nothing_learned(c: Curves) -> Iterator[Remark]:
    last, _ = _tenths(c.training)
    if last > TRIVIAL * c.baseline and not c.weighted:
        yield Remark(
            "nothing learned",
            f"The training loss ends at {text(last)}; saying the same of every row gives "
            f"{text(c.baseline)}: hardly anything was learned.",
            "another learning rate, more epochs, less weight decay (and see the health of the "
            "gradients); or the columns do not tell the target",
        )


def _over_fitting(c: Curves) -> Iterator[Remark]:
    judged, level = np.asarray(c.judged, float), _smooth(c.judged)
    best, least, last = c.best, float(judged.min()), float(level[-1])
    noise = float(np.median(np.abs(np.diff(judged))))
    trained, then = _tenths(c.training)[0], float(c.training[best - 1])
    if best > len(judged) - max(2, len(judged) // 20) or not trained < then:
        return
    if last - level.min() > max(RISE * level.min(), CLEAR * noise, 0.1 * NOTICED * c.baseline):
        name = "Over-fitting" if last > (1.0 + SLIGHT) * least else "Slight over-fitting"
        kept = (
            f" The weights of epoch {best} were kept." if c.keeps_best else
            f" The weights of the last epoch were kept, not those of epoch {best}."
        )  # fmt: skip
        yield Remark(
            "over-fitting",
            f"{name}: the loss on the {c.rows} rows was least at epoch {best} "
            f"({text(least)}) and rose by {(last - least) / least:.0%} to {text(last)}, while the "
            f"training loss fell on from {text(then)} to {text(trained)}.{kept}",
            "" if c.keeps_best else
            "--early-stopping 20 keeps the best epoch; more rows, more --weight-decay, --dropout "
            "0.2 or fewer --layers fit the training rows less closely",
        )  # fmt: skip


def _learned(c: Curves) -> Iterator[Remark]:
    last, _ = _tenths(c.training)
    if last < TINY * c.baseline and not any(_over_fitting(c)):
        yield Remark(
            "learned",
            f"The training loss is down to {text(last)}, {last / c.baseline:.2%} of what saying "
            "the same of every row gives: the training rows are learned.",
        )


def _jumping(c: Curves) -> Iterator[Remark]:
    half = np.asarray(c.training, float)[len(c.training) // 2 :]
    steps = np.diff(half)
    if len(steps) < 4 or any(_learned(c)):
        return
    size = float(np.mean(np.abs(steps)) / abs(half.mean())) if half.mean() else 0.0
    if float(np.mean(steps > 0)) > OFTEN and size > JUMPS:
        yield Remark(
            "jumping",
            f"In the second half the training loss jumps by {size:.0%} from one epoch to the next, "
            "up as often as down: the steps are long for what the batches say.",
            "a smaller learning rate, a schedule that lowers it (--schedule cosine), or larger "
            "batches (--batch-size, --batch-growth 2)",
        )


def _gap(c: Curves) -> Iterator[Remark]:
    if any(_over_fitting(c)) or c.dropout or c.weighted:
        return
    judged, trained = _tenths(c.judged)[0], _tenths(c.training)[0]
    gap = judged - trained
    if gap > GAP * trained and gap > CLEAR * c.error:
        yield Remark(
            "gap",
            f"The loss on the {c.rows} rows ends at {text(judged)}, above the {text(trained)} of "
            f"the training rows by {gap / c.error:.1f} standard errors: what was learned holds for "
            "the training rows more than for others.",
            "more rows, more --weight-decay"
            if c.simpler is None
            else "more rows, more --weight-decay, --dropout 0.2, fewer --layers",
        )


def _under_fitting(c: Curves) -> Iterator[Remark]:
    if c.simpler is None:
        return
    last, _ = _tenths(c.training)
    if c.dropout or last < NO_BETTER * c.simpler or c.simpler < PERFECT * c.baseline:
        return
    decay = f"less --weight-decay than {c.decay:g}, " if c.decay else ""
    remedy = f"{decay}more --epochs, --optimizer adam, another --learning-rate, wider --layers"
    ends = f"the network's training loss ends at {text(last)}"
    if last > c.simpler / NO_BETTER:
        words = (
            f"Under-fitting: {ends}, above the {text(c.simpler)} of the linear model, which it "
            "could imitate."
        )
    else:
        words = (
            f"Under-fitting: {ends}, no lower than the {text(c.simpler)} of the linear model. "
            "Either the relation is as simple as that, or something keeps the network from more."
        )
    yield Remark("under-fitting", words, remedy)


def _falling(c: Curves) -> Iterator[Remark]:
    k = max(1, len(c.training) // 10)
    # Against the lowest tenth before: a loss that comes down from a jump is not still falling.
    now, before = _tenths(c.training)[0], float(_smooth(c.training)[:-k].min())
    judged, earlier = _tenths(c.judged)[0], float(_smooth(c.judged)[:-k].min())
    if now < (1.0 - FALLING) * before and judged <= earlier and not any(_learned(c)):
        stopped = len(c.training) < c.epochs
        yield Remark(
            "still falling",
            f"Not finished: the training loss still fell by {(before - now) / before:.1%} over the "
            f"last {f'{k} epochs' if k > 1 else 'epoch'}, and the loss on the {c.rows} rows with "
            "it.",
            "a longer patience than the --early-stopping that ended it" if stopped else
            f"more epochs: --epochs {2 * max(c.epochs, len(c.training))}, or a larger "
            "--learning-rate",
        )  # fmt: skip


def _settled(c: Curves) -> Iterator[Remark]:
    level = _smooth(c.training)
    fell = float(level.max() - level.min())
    settled = np.flatnonzero(level - level.min() <= SETTLED * fell)
    if fell <= 0.0 or not len(settled) or settled[0] > 0.8 * len(level):
        return
    since = int(settled[0]) + max(1, len(c.training) // 10)
    yield Remark(
        "settled",
        f"The training loss has levelled off: {1 - SETTLED:.0%} of its fall was done by epoch "
        f"{since}. More epochs of the same would change little.",
    )


__all__ = ["Curves", "Remark", "remarks"]
