"""The words of a cause's page that are the same in every output: headings, captions, what the examples came to."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fluctlab.explanations import Paragraph, Piece, Section
from fluctlab.report.quantities import NBSP, accuracy, amount, clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluctlab.explanations import Ending, Example, Explanation, Weight

__all__ = [
    "EXAMPLES_HEADING",
    "Endings",
    "alt_text",
    "caption",
    "endings",
    "family_title",
    "loss_range",
    "page_sections",
    "panel_title",
    "printable",
    "rate_range",
    "weights_section",
]

EXAMPLES_HEADING = "A training that shows it, and one that looks like it"
_WEIGHTS_HEADING = "How it is weighed"
_WEIGHTS_INTRODUCTION = (
    "What each clue does to the odds of this cause against a healthy run when it lies fully on one side; measured on"
    " trainings whose fault is known."
)
#: Log-odds below which a clue changes the odds by less than five in a hundred.
_LEAST_WEIGHT = 0.05
_FAMILY_TITLES = {
    "learning-rate": "Learning rate",
    "batch-size": "Batch size and batch normalisation",
    "overfitting": "Overfitting",
    "underfitting": "Underfitting",
    "data-split": "Validation set and split",
    "data": "Training data",
    "optimizer": "Optimizer",
    "log": "The log itself",
}
#: Losses are drawn up to so many times the typical one, and down to this share of the highest that is drawn.
_LOSS_REACH, _LOSS_SHARE = 100.0, 1e-4
#: A rate is drawn down to this share of its highest: the very end of a cosine would take most of the axis.
_RATE_SHARE = 1e-3


@dataclass(frozen=True, slots=True)
class Endings:
    """What the examples came to, as a table."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def family_title(family: str) -> str:
    """Name a family for people."""
    return _FAMILY_TITLES.get(family, clean(family).replace("-", " ").capitalize())


def panel_title(example: Example, *, look_alike: bool) -> str:
    """Name what a panel shows."""
    name = "a healthy training" if example.cause == "healthy" else clean(example.cause)
    return f"Looks like it: {name}" if look_alike else name


def caption(explanation: Explanation) -> str:
    """Say what is drawn."""
    shown = [e for e in (explanation.shows, explanation.look_alike) if e is not None]
    if len(shown) < 2:
        what = "A real training of a small ResNet with this fault put in."
    else:
        what = "Two real trainings of small ResNets: with this fault put in, and one that is easily taken for it."
    ends = loss_range(shown)
    beyond = ends is not None and not all((e.validation_loss <= ends[1]).all() for e in shown)
    return (
        f"{what} Accuracy, loss and learning rate by epoch, on the same axes; dashed: the accuracy on many other images at the"
        f" end, which no log holds{'; triangles: a loss beyond the axis, or that is no number' if beyond else ''}."
    )


def alt_text(explanation: Explanation) -> str:
    """Say in words what the figure shows."""
    panels = [
        (side, example)
        for side, example in (("Left", explanation.shows), ("Right", explanation.look_alike))
        if example is not None
    ]
    return " ".join(f"{side}: {_seen(example, look_alike=side == 'Right')}" for side, example in panels)


def _seen(example: Example, *, look_alike: bool) -> str:
    its = example.ending
    return (
        f"{panel_title(example, look_alike=look_alike)} ({clean(example.caption)}), {len(example.epochs)} epochs; validation accuracy"
        f" ends at {accuracy(its.validation_accuracy, 1)}, training accuracy at {accuracy(its.training_accuracy, 1)}, and the"
        f" validation accuracy has a noise of {amount(its.noise_pp, 'pp')} from epoch to epoch."
    )


def endings(explanation: Explanation) -> Endings:
    """Return what the examples came to, one row a quantity and one column an example."""
    shown = [e for e in (explanation.shows, explanation.look_alike) if e is not None]
    its = [e.ending for e in shown]
    rows = (
        ("Validation accuracy", *(accuracy(i.validation_accuracy, 1) for i in its)),
        ("Training accuracy", *(accuracy(i.training_accuracy, 1) for i in its)),
        ("Accuracy on many other images", *(accuracy(i.true_accuracy, 1) for i in its)),
        ("The same, trained without the fault", *(_without(i) for i in its)),
        ("Noise of the validation accuracy", *(amount(i.noise_pp, "pp") for i in its)),
    )
    return Endings(tuple("healthy" if e.cause == "healthy" else clean(e.cause) for e in shown), rows)


def _without(ending: Ending) -> str:
    return "-" if ending.true_accuracy_without is None else accuracy(ending.true_accuracy_without, 1)


def loss_range(examples: Sequence[Example]) -> tuple[float, float] | None:
    """Return the losses that the examples' common axis shows, None where there are none.

    A training that broke down has losses beyond any axis; they must not squash the others to a flat line.
    """
    parts = [np.concatenate([e.training_loss, e.validation_loss]) for e in examples]
    known = [part[np.isfinite(part) & (part > 0)] for part in parts]
    known = [part for part in known if len(part)]
    if not known:
        return None
    typical = min(float(np.median(part)) for part in known)
    together = np.concatenate(known)
    high = min(float(together.max()), _LOSS_REACH * typical)
    return max(float(together.min()), high * _LOSS_SHARE), high


def rate_range(examples: Sequence[Example]) -> tuple[float, float] | None:
    """Return the learning rates that the examples' common axis shows, None where there are none."""
    known = [e.learning_rate[np.isfinite(e.learning_rate) & (e.learning_rate > 0)] for e in examples]
    known = [rates for rates in known if len(rates)]
    if not known:
        return None
    low = min(max(float(rates.min()), _RATE_SHARE * float(rates.max())) for rates in known)
    return low, max(float(rates.max()) for rates in known)


def printable(explanation: Explanation) -> Explanation:
    """Return the page with printable characters only: causes may come from other packages."""
    return replace(
        explanation,
        name=clean(explanation.name),
        title=clean(explanation.title),
        family=clean(explanation.family),
        sections=tuple(
            Section(clean(s.heading), tuple(replace(p, pieces=tuple(map(_printable, p.pieces))) for p in s.paragraphs))
            for s in explanation.sections
        ),
        relatives=tuple(map(clean, explanation.relatives)),
    )


def _printable(piece: Piece) -> Piece:
    """Clean a stretch of text; the spaces at its ends part it from the next one."""
    text = piece.text
    before, after = (" " if end.isspace() else "" for end in (text[:1], text[-1:] if text.strip() else ""))
    return replace(piece, text=f"{before}{clean(text, 4096)}{after}")


def page_sections(explanation: Explanation) -> tuple[Section, ...]:
    """Return the sections in the order in which they are read: the weights stand before the references."""
    weighed = weights_section(explanation)
    sections = explanation.sections
    return sections if weighed is None else (*sections[:-1], weighed, *sections[-1:])


def weights_section(explanation: Explanation) -> Section | None:
    """Say what each clue is worth; None where the cause is not calibrated."""
    if not explanation.weighed:
        return None
    counting = [w for w in explanation.weighed if max(w.speaks_for, w.speaks_against) >= _LEAST_WEIGHT]
    idle = [clean(w.clue) for w in explanation.weighed if max(w.speaks_for, w.speaks_against) < _LEAST_WEIGHT]
    paragraphs = [_paragraph(_WEIGHTS_INTRODUCTION)] if counting else []
    paragraphs += [_paragraph(f"{clean(w.clue)}: {_worth(w)}", item=True) for w in counting]
    if idle:
        paragraphs.append(_paragraph(f"Looked at, but worth nothing beside the others: {'; '.join(idle)}."))
    return Section(_WEIGHTS_HEADING, tuple(paragraphs))


def _paragraph(text: str, *, item: bool = False) -> Paragraph:
    return Paragraph((Piece(text),), item)


def _worth(weight: Weight) -> str:
    """Say by what a clue multiplies the odds; log-odds are for the few."""
    sides = (("raises", weight.speaks_for), ("lowers", weight.speaks_against))
    said = [
        f"{verb} the odds up to {math.exp(value):.2g}{NBSP}times" for verb, value in sides if value >= _LEAST_WEIGHT
    ]
    return ", ".join(said)
