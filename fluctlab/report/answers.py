"""The first two answers: is the fluctuation real, and does it matter? Rendered from the decomposition."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fluctlab.report.numbers import bounds
from fluctlab.report.quantities import NBSP, amount, clean, count, epoch, estimate
from fluctlab.report.wording import Answer, is_known, level, quantity_name, sentence, settled_down
from fluctlab.results import NotAssessed

if TYPE_CHECKING:
    from fluctlab.findings import Diagnosis
    from fluctlab.results import Decomposition, Estimate

__all__ = ["does_it_matter", "is_it_real"]

#: A final slope smaller than this, in pp or loss units per epoch, is not worth a sentence.
_SMALL_SLOPE = {"pp": 0.01, "loss": 1e-4}

#: What bore out a verdict beyond the two numbers, by the code of its rule.
_RULES = {
    "negligible-noise": "That is too little to matter in any choice between models.",
    "noise-above-floor-of-100-examples": "Even a set of 100 examples would make less by chance.",
    "moves-with-another-set": (
        "It moves together with another set of examples tested at the same epochs, which chance cannot do."
    ),
    "moves-with-training": "It moves together with the training accuracy, which chance cannot do.",
    "noise-above-floor-in-a-stretch": "In one stretch of the training it is more than chance makes.",
    "more-than-chance-on-one-set": (
        "It is more than chance makes, but another set of examples tested at the same epochs does not move with it."
    ),
    "noise-fell-on-the-same-set": (
        "The noise fell by far more than the same validation examples can be measured better; what went was the model's."
    ),
    "noise-below-half-floor": "A converged model tested again and again on the same examples is as quiet as that.",
    "held-out-sets-move-apart": (
        "Two held-out sets tested at the same epochs do not move together, as they would if the model moved."
    ),
    "noise-does-not-fall-with-rate": (
        "The noise stayed at what chance makes when the learning rate fell; jitter of the model would have fallen with it."
    ),
    "within-a-small-floor": "It is no more than chance makes, and too small to change a decision.",
}


def is_it_real(diagnosis: Diagnosis) -> Answer:
    """Answer *Is it real?*: the verdict, with the noise, the floor and what could have been seen."""
    parts = diagnosis.decomposition
    if isinstance(parts, NotAssessed):
        needs = (
            f"It would take: {', '.join(clean(need).replace('_', ' ') for need in parts.needs)}." if parts.needs else ""
        )
        return Answer("Cannot tell from this log.", tuple(s for s in (sentence(clean(parts.reason)), needs) if s))
    verdict = parts.fluctuation.verdict
    headline = {
        "real": "Yes: the model itself changes from epoch to epoch.",
        "measurement": "No: this is the noise of measuring, not of the model.",
        "steady": "There is hardly any fluctuation.",
        "cannot-tell": "Cannot tell from this log.",
    }[verdict]
    if verdict == "real" and settled_down(parts):
        headline = "Yes, but it settled: the model itself changed from epoch to epoch earlier in training."
    name = quantity_name(diagnosis.curves)
    rule = [_RULES[parts.fluctuation.rule]] if parts.fluctuation.rule in _RULES else []
    floor = _floor_sentences(diagnosis, parts)
    if verdict == "steady" and is_known(parts.floor) is None:
        floor = []  # what does not fluctuate needs no comparison
    sentences = [_noise_sentence(name, parts), *floor, *rule]
    detectable = is_known(parts.fluctuation.detectable)
    sentences += _jitter_sentences(parts)
    settled = is_known(parts.settled_noise)
    if verdict == "real" and settled and settled_down(parts):
        sentences.append(f"Late in training it is down to {estimate(settled)}.")
    if verdict in {"measurement", "cannot-tell"} and detectable:
        sentences.append(
            f"A jitter of the model itself below {amount(detectable.value, detectable.unit)} would not show in this log,"
            " and is not ruled out."
        )
    return Answer(headline, tuple(sentences))


def _jitter_sentences(parts: Decomposition) -> list[str]:
    """Say what the model's own jitter can be, and what would say it more closely."""
    jitter, excess = parts.fluctuation.jitter, is_known(parts.excess)
    verdict = parts.fluctuation.verdict
    if isinstance(jitter, NotAssessed):
        if verdict == "real" and excess and excess.value > 0:
            return [f"What chance does not explain, {estimate(excess)}, is the model's own jitter."]
        return []
    if verdict == "steady" or not math.isfinite(jitter.high):
        return []
    text = f"The model's own jitter is {bounds(jitter)}"
    wide = jitter.high > 2 * max(jitter.low, 0.0)
    if wide and verdict != "measurement" and jitter.narrows:
        return [f"{text}; {clean(jitter.narrows[0])} would say it more closely."]
    return [f"{text}."]


def _noise_sentence(name: str, parts: Decomposition) -> str:
    noise = is_known(parts.noise)
    if noise is None:
        return f"How much the {name} moves around its trend could not be measured: {_reason(parts.noise)}."
    if noise.value == 0:
        return f"The {name} does not move around its trend at all ({count(noise.n)} values)."
    return f"From epoch to epoch the {name} moves around its trend with a standard deviation of {estimate(noise)}."


def _reason(item: object) -> str:
    return clean(item.reason).rstrip(".") if isinstance(item, NotAssessed) else "it has no finite value"


def _floor_sentences(diagnosis: Diagnosis, parts: Decomposition) -> list[str]:
    """Compare the noise with what testing alone makes, or say why that cannot be done."""
    size, floor, ratio = diagnosis.validation_size, is_known(parts.floor), is_known(parts.fluctuation.ratio)
    unsettled = parts.fluctuation.verdict == "cannot-tell"
    if parts.unit == "loss":
        text = "A loss has no known floor of chance, so its movement cannot be divided between chance and the model."
        return [text] if unsettled else []
    if floor is None:
        if size is not None:
            return [f"What chance makes of it could not be worked out: {_reason(parts.floor)}."]
        text = "The log does not say how many examples the validation set holds"
        return [f"{text}, so chance cannot be told from the model." if unsettled else f"{text}."]
    examples = f"{count(size.value)} examples" if size else "a set of that size"
    sentences = [f"Testing on {examples} makes up to {amount(floor.value, floor.unit)} of noise by chance alone."]
    if ratio:
        times = estimate(ratio, "ratio").replace(f"{NBSP}times", f"{NBSP}times that floor")
        sentences.append(f"The noise is {times}{', which does not settle it' if unsettled else ''}.")
    return sentences


def does_it_matter(diagnosis: Diagnosis) -> Answer:
    """Answer *Does it matter?*: what a single epoch is worth, how far the best one flatters, which checkpoint to take."""
    parts = diagnosis.decomposition
    if isinstance(parts, NotAssessed):
        return Answer("Cannot tell: there are no statistics of this run.")
    settled, noise = is_known(parts.settled_noise), is_known(parts.noise)
    sentences = []
    one_epoch = settled or noise
    if one_epoch and one_epoch.value > 0:
        when = "Late in training a" if settled else "A"
        sentences.append(
            f"{when} single epoch lies off the trend with a standard deviation of {estimate(one_epoch)}; a difference of"
            " that size between two epochs says nothing."
        )
    floor, size = is_known(parts.floor), diagnosis.validation_size
    if floor and size and floor.value > 0:
        sentences.append(
            f"Between two trained models, differences of the order of {amount(floor.value, floor.unit)} are what testing on"
            f" {count(size.value)} examples makes by chance."
        )
    sentences += [_best_sentence(parts), *_checkpoint_sentences(diagnosis, parts), *_stopping_sentences(parts)]
    sentences += _slope_sentences(parts)
    return Answer(_matters_headline(parts, one_epoch), tuple(sentences))


def _matters_headline(parts: Decomposition, one_epoch: Estimate | None) -> str:
    if _got_worse(parts):
        return f"Yes: the trend got worse after epoch {epoch(_to_take(parts))}."
    if one_epoch is None:
        return "Cannot tell: the noise could not be measured."
    if one_epoch.value == 0:
        return "No: one epoch is as good as another."
    size = amount(one_epoch.value, one_epoch.unit)
    if parts.fluctuation.verdict == "steady":
        return f"Hardly: a single epoch is good to {size}."
    return f"Differences below {size} between single epochs mean nothing."


def _best_sentence(parts: Decomposition) -> str:
    chosen = parts.selection
    text = f"The best epoch, {epoch(chosen.best_epoch)}, reads {level(chosen.best, parts.unit)}, the last {level(chosen.final, parts.unit)}"
    optimism = is_known(chosen.optimism)
    if optimism is None:
        return (
            f"{text}; by how much the best one flatters the model could not be estimated: {_reason(chosen.optimism)}."
        )
    if optimism.value == 0:
        return f"{text}."
    extreme = "highest" if parts.unit == "pp" else "lowest"
    return f"{text}; as the {extreme} of many noisy values the best one flatters the model by {estimate(optimism)}."


def _ends(parts: Decomposition) -> tuple[int, int] | None:
    """Indices of the epoch to take and of the last one, None where the trend has no band at either."""
    chosen = parts.selection
    take = chosen.best_epoch if chosen.careful_epoch is None else chosen.careful_epoch
    if not len(parts.epochs) or not math.isfinite(take):
        return None
    best, last = int(np.argmin(np.abs(parts.epochs - take))), len(parts.epochs) - 1
    band = np.stack([parts.trend_low, parts.trend_high])[:, [best, last]]
    return (best, last) if bool(np.isfinite(band).all()) else None


def _got_worse(parts: Decomposition) -> bool:
    """Whether the trend's bands at the epoch to take and at the end lie apart, the end being worse."""
    ends = _ends(parts)
    if ends is None:
        return False
    best, last = ends
    if parts.unit == "loss":
        return bool(parts.trend_low[last] > parts.trend_high[best])
    return bool(parts.trend_high[last] < parts.trend_low[best])


def _trend_at(parts: Decomposition, index: int) -> str:
    percent = f"{NBSP}%"
    low, high = (
        level(float(band[index]), parts.unit).removesuffix(percent) for band in (parts.trend_low, parts.trend_high)
    )
    return f"{level(float(parts.trend[index]), parts.unit)} (95{percent}{NBSP}{low}-{high})"


def _to_take(parts: Decomposition) -> float:
    chosen = parts.selection
    return chosen.best_epoch if chosen.careful_epoch is None else chosen.careful_epoch


def _checkpoint_sentences(diagnosis: Diagnosis, parts: Decomposition) -> list[str]:
    """Say which checkpoint to take, as far as the trend's bands and the verdict carry it."""
    ends = _ends(parts)
    if ends is None:
        return []
    best, last = ends
    at_end, where = _trend_at(parts, last), epoch(_to_take(parts))
    if _got_worse(parts):
        return [
            f"At that epoch the trend was at {_trend_at(parts, best)}, at the end it is at {at_end}.",
            f"Take a checkpoint from around epoch {where}, and quote the trend there, not the best value.",
        ]
    worth = parts.selection.careful_value
    no_worse = "the log does not show that the last checkpoint is worse"
    if worth is None or not math.isfinite(worth):
        quote = f"{sentence(no_worse)[:-1]} than the best one: take the last, and quote the trend there, {at_end}."
    elif best == last:
        quote = f"Take the last checkpoint, and quote {level(worth, parts.unit)}, what it is worth without luck."
    else:
        quote = f"A careful choice is epoch {where}: quote {level(worth, parts.unit)}, what it is worth without luck; {no_worse}."
    if diagnosis.fluctuation == "real" and not settled_down(parts):
        advice = (
            "Single checkpoints differ for real here: average the weights of the last epochs, or confirm the one you"
            " choose on data it was not chosen by."
        )
        return [advice, quote]
    if diagnosis.fluctuation == "cannot-tell":
        return [quote, "Confirm any choice between checkpoints on data that it was not made by."]
    return [quote]


def _stopping_sentences(parts: Decomposition) -> list[str]:
    """Say where the curve stopped improving and how patient early stopping has to be, where that is known."""
    chosen = parts.selection
    if chosen.stopped_improving is None:
        return []
    text = f"Beyond noise it stopped improving at epoch {epoch(chosen.stopped_improving)}"
    if chosen.patience is None:
        return [f"{text}."]
    return [f"{text}; early stopping needs a patience of {count(chosen.patience)} evaluations to get there."]


def _slope_sentences(parts: Decomposition) -> list[str]:
    """Say that the run had not finished improving, where the interval of the final slope excludes zero."""
    slope = is_known(parts.final_slope)
    if slope is None or abs(slope.value) < _SMALL_SLOPE[parts.unit]:
        return []
    per_epoch = f"{parts.unit}/epoch"
    text = estimate(slope, per_epoch, signed=True)
    if (parts.unit == "pp" and slope.low > 0) or (parts.unit == "loss" and slope.high < 0):
        return [f"The trend was still improving at the end, by {text}: the run had not finished."]
    return []
