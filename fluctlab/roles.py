"""Which logged name is what: validation accuracy, training loss, learning rate … by an ordered, documented table.

A name is cut into words (``val/acc_top1`` -> val, acc, top1; a sub-directory's words count too), the words say which
*split* and which *metric* a series is, and ``TABLE`` turns the pair into a role. The first row that a series matches
names its role; within a role the order of the table, then the order of the log, decides which series is used.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeAlias

from fluctlab.errors import UsageError
from fluctlab.model import Run, Series

__all__ = ["OVERRIDES", "ROLES", "TABLE", "Assignment", "Match", "Rule", "Words", "assign", "words_of"]

Role: TypeAlias = Literal[
    "validation_accuracy", "validation_loss", "training_accuracy", "training_loss", "learning_rate", "epoch_axis"
]
ROLES: tuple[Role, ...] = (
    "validation_accuracy",
    "validation_loss",
    "training_accuracy",
    "training_loss",
    "learning_rate",
    "epoch_axis",
)
#: Command-line option -> role, the same names as the keyword arguments in Python.
OVERRIDES: dict[str, Role] = {
    "val_accuracy": "validation_accuracy",
    "val_loss": "validation_loss",
    "train_accuracy": "training_accuracy",
    "train_loss": "training_loss",
    "learning_rate": "learning_rate",
}

_VALIDATION = frozenset(
    "val valid validation validate dev eval evaluation evaluate cv holdout heldout vali validset valset".split()
)
_TEST = frozenset("test testing tst testset".split())
_TRAIN = frozenset("train training trn tr trainset".split())
_ACCURACY = frozenset(
    "acc accuracy accuracies accu acc1 accuracy1 top1 prec1 precision1 top1acc top1accuracy acctop1 accuracytop1".split()
)
_ERROR = frozenset("error err errors err1 error1 toperr misclassification".split())
_LOSS = frozenset("loss losses cost nll crossentropy xent ce objective".split())
#: Words that make a name something else: summaries, other metrics, top-5, bookkeeping, one class of many.
_VETO = frozenset(
    "best final ece f1 fscore top5 acc5 prec5 top3 top10 auc auroc map miou iou precision recall time duration "
    "examples num count std variance sd class pos rank delta diff gap confidence entropy kl grad norm "
    "patience eta mean_pos running ratio scale threshold mse mae rmse r2 kappa mcc bleu perplexity ppl score".split()
)
_SECOND_CHOICE = frozenset("ema balanced macro weighted swa avg smooth smoothed teacher aux noisy robust adv".split())
_PER_STEP = frozenset("step steps batch minibatch iteration iter it".split())

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
#: Names written together: valacc, trainloss, testerr1.
_TOGETHER = re.compile(r"(?i)^(train|tr|valid|val|test|eval|v|t)(acc|accuracy|loss|err|error|top1)(?=\d?$)")
_SEPARATORS = re.compile(r"[^0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Words:
    """What the words of a name say."""

    split: Literal["validation", "test", "train", ""]
    metric: Literal["accuracy", "error", "loss", "rate", "epoch", ""]
    second_choice: bool
    per_step: bool
    words: tuple[str, ...]


@lru_cache(maxsize=32_768)  # the runs of an audit use the same names, and one looks at each name many times
def words_of(name: str, directory: str = "") -> Words:
    """Cut a metric's name (and the sub-directory it was found in) into words and read split and metric off them.

    Examples
    --------
    >>> words_of("Accuracy/val").split, words_of("Accuracy/val").metric
    ('validation', 'accuracy')
    >>> words_of("top5_acc").metric
    ''
    """
    cut = (_cut_together(w.lower()) for w in _SEPARATORS.split(_CAMEL.sub(" ", name)) if w)
    words = tuple(word for group in cut for word in group)
    own = words[len(_SEPARATORS.split(directory)) if directory else 0 :] or words
    found = set(words)
    split: Literal["validation", "test", "train", ""] = ""
    if found & _VALIDATION:
        split = "validation"
    elif found & _TEST:
        split = "test"
    elif found & _TRAIN:
        split = "train"
    return Words(split, _metric(words, own), bool(found & _SECOND_CHOICE), bool(found & _PER_STEP), words)


def _cut_together(word: str) -> tuple[str, ...]:
    found = _TOGETHER.match(word)
    if found is None:
        return (word,)
    split = {"v": "val", "t": "train"}.get(found[1], found[1])
    return (split, word[found.end(1) :])


def _metric(words: tuple[str, ...], own: tuple[str, ...]) -> Literal["accuracy", "error", "loss", "rate", "epoch", ""]:
    found = set(words)
    pairs = set(itertools.pairwise(words))
    if own in (("epoch",), ("epochs",), ("current", "epoch"), ("trainer", "epoch")):
        return "epoch"
    if "lr" in found or ("learning", "rate") in pairs or "learningrate" in found:
        return "rate"
    if pairs & {(w, k) for w in ("top", "acc", "accuracy", "prec") for k in ("5", "3", "10")}:
        return ""
    if found & _VETO:
        # "precision at 1" is the older name of top-1 accuracy, everything else with such a word is not an accuracy
        if not pairs & {("prec", "1"), ("precision", "1"), ("top", "1")} or found & (_VETO - {"precision"}):
            return ""
        return "accuracy"
    if found & _ERROR:
        return "error"
    if found & _ACCURACY or pairs & {("prec", "1"), ("top", "1")}:
        return "accuracy"
    if found & _LOSS or ("cross", "entropy") in pairs:
        return "loss"
    return ""


@dataclass(frozen=True, slots=True)
class Context:
    """What the other names of the log say, for names that say too little themselves."""

    has_unsplit_loss: bool
    has_training: bool
    has_validation_loss: bool
    has_validation_accuracy: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: the role of a (split, metric) pair, with the reason given to people."""

    role: Role
    split: tuple[str, ...]
    metric: tuple[str, ...]
    why: str
    when: Callable[[Words, Context], bool] = field(default=lambda _words, _context: True)


#: The ordered table. Names of each row are in the documentation of the formats.
TABLE: tuple[Rule, ...] = (
    Rule("epoch_axis", ("", "train", "validation", "test"), ("epoch",), "a scalar that holds the epoch of each step"),
    Rule("learning_rate", ("", "train", "validation", "test"), ("rate",), "the name says learning rate"),
    Rule("validation_accuracy", ("validation",), ("accuracy",), "the name says validation and accuracy"),
    Rule("validation_accuracy", ("validation",), ("error",), "the name says validation and error"),
    Rule("validation_accuracy", ("test",), ("accuracy",), "the name says test and accuracy"),
    Rule("validation_accuracy", ("test",), ("error",), "the name says test and error"),
    Rule(
        "validation_accuracy",
        ("",),
        ("accuracy", "error"),
        "no split in the name, but the log names its validation loss and its training loss, so the bare accuracy is the "
        "validation accuracy (fastai's and Ultralytics' habit)",
        lambda _words, context: (
            context.has_validation_loss and not context.has_validation_accuracy and not context.has_unsplit_loss
        ),
    ),
    Rule(
        "validation_accuracy",
        ("",),
        ("accuracy", "error"),
        "no split in the name and no training series in the log: taken to be the validation accuracy",
        lambda _words, context: (
            not (context.has_unsplit_loss or context.has_training or context.has_validation_accuracy)
        ),
    ),
    Rule(
        "validation_accuracy",
        ("validation",),
        ("",),
        "the name says only validation, beside a loss of its own name: the accuracy (GluonCV's habit)",
        lambda words, context: len(words.words) == 1 and context.has_unsplit_loss,
    ),
    Rule(
        "training_accuracy",
        ("train",),
        ("",),
        "the name says only training, beside a loss of its own name: the accuracy (GluonCV's habit)",
        lambda words, context: len(words.words) == 1 and context.has_unsplit_loss,
    ),
    Rule("validation_loss", ("validation",), ("loss",), "the name says validation and loss"),
    Rule("validation_loss", ("test",), ("loss",), "the name says test and loss"),
    Rule("training_accuracy", ("train",), ("accuracy", "error"), "the name says training and accuracy"),
    Rule(
        "training_accuracy",
        ("",),
        ("accuracy", "error"),
        "no split in the name beside a bare loss: training (Keras' habit)",
    ),
    Rule("training_loss", ("train",), ("loss",), "the name says training and loss"),
    Rule("training_loss", ("",), ("loss",), "no split in the name: training (Keras' habit)"),
)


@dataclass(frozen=True, slots=True)
class Match:
    """A series in a role, and why it is there."""

    role: Role
    series: Series
    rule: int
    why: str
    error_rate: bool


@dataclass(frozen=True, slots=True)
class Assignment:
    """Every role with its series, best first; ``unused`` are the names no row of the table knows."""

    matches: Mapping[Role, tuple[Match, ...]]
    unused: tuple[str, ...]
    missing_overrides: tuple[str, ...] = ()

    def best(self, role: Role) -> Match | None:
        """Return the series used for a role, None if there is none."""
        found = self.matches.get(role, ())
        return found[0] if found else None


def assign(run: Run, overrides: Mapping[str, str] | None = None, *, strict: bool = False) -> Assignment:
    """Give each series of a run its role.

    Parameters
    ----------
    run : Run
        The run.
    overrides : mapping of str to str, optional
        ``{"val_accuracy": "Top1/holdout"}``: the user's word, by exact name, else the same name in other case, else
        the only name that ends with it.
    strict : bool
        Whether an override that names no series is an error (one run) or noted (many runs).

    Raises
    ------
    UsageError
        If ``strict`` and an override fits no series or several; the message lists the names.
    """
    series = [s for s in run.series if len(s)]
    words = {s.name: words_of(s.name, s.directory) for s in series}
    context = _context(words.values())
    forced, missing = _forced(series, overrides or {}, strict=strict)
    found: dict[Role, list[Match]] = {role: [] for role in ROLES}
    unused: list[str] = []
    for item in series:
        if item.name in forced:
            role, option = forced[item.name]
            said = words[item.name]
            error = said.metric == "error"
            found[role].append(Match(role, item, -1, f"named by --{option.replace('_', '-')}", error))
            continue
        match = _match(item, words[item.name], context)
        if match is None:
            unused.append(item.name)
        else:
            found[match.role].append(match)
    taken = {role for role, _ in forced.values()}
    ranked = {role: tuple(sorted(ms, key=lambda m: _rank(m, words))) for role, ms in found.items() if ms}
    # what the user named stands alone in its role, except held-out sets, which still serve for comparison
    for role in taken - {"validation_accuracy"}:
        ranked[role] = tuple(m for m in ranked[role] if m.rule < 0)
    return Assignment(ranked, tuple(unused), missing)


def _context(words: Iterable[Words]) -> Context:
    known = list(words)
    held_out = [w for w in known if w.split in {"validation", "test"}]
    return Context(
        has_unsplit_loss=any(w.metric == "loss" and not w.split for w in known),
        has_training=any(w.split == "train" for w in known),
        has_validation_loss=any(w.metric == "loss" for w in held_out),
        has_validation_accuracy=any(w.metric in {"accuracy", "error"} for w in held_out),
    )


def _match(item: Series, words: Words, context: Context) -> Match | None:
    for number, rule in enumerate(TABLE):
        if words.split in rule.split and words.metric in rule.metric and rule.when(words, context):
            return Match(rule.role, item, number, rule.why, words.metric == "error")
    return None


def _rank(match: Match, words: Mapping[str, Words]) -> tuple[bool, int, bool, bool, bool]:
    """Order within a role: the user's word, the main log file, the table's row, plain names, one value an epoch."""
    said = words[match.series.name]
    from_second_file = ":" in match.series.name and match.series.name.split(":", 1)[0] == match.series.source
    return (from_second_file, match.rule, said.second_choice, len(match.series) < 3, said.per_step)


def _forced(
    series: Sequence[Series], overrides: Mapping[str, str], *, strict: bool
) -> tuple[dict[str, tuple[Role, str]], tuple[str, ...]]:
    forced: dict[str, tuple[Role, str]] = {}
    missing: list[str] = []
    for option, wanted in overrides.items():
        if option not in OVERRIDES:
            raise UsageError(f"unknown override {option!r}; known are {', '.join(OVERRIDES)}")
        names = [s.name for s in series]
        candidates = [n for n in names if n == wanted] or [n for n in names if n.lower() == wanted.lower()]
        candidates = candidates or [n for n in names if n.lower().endswith(wanted.lower())]
        if len(candidates) == 1:
            forced[candidates[0]] = (OVERRIDES[option], option)
            continue
        flag = "--" + option.replace("_", "-")
        fit = "fits several series" if candidates else "is no series of this run"
        message = f"{flag} {wanted!r} {fit}; logged are: {', '.join(candidates or names[:30])}"
        if strict:
            raise UsageError(message)
        missing.append(message)
    return forced, tuple(missing)
