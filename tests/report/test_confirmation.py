"""Reports of experiments: the same facts in every form, names from logs never as markup, both sets of curves drawn."""

from dataclasses import replace

import numpy as np
import pytest

from fluctlab.confirmations import Confirmation, Contrast, Pair, PairCurves
from fluctlab.report import confirmation_html
from fluctlab.report.confirmation_text import render
from fluctlab.report.figures import png
from fluctlab.results import Estimate, NotAssessed


def curves(level, epochs=12):
    values = tuple(level * np.linspace(0.3, 1.0, epochs))
    return PairCurves(training_accuracy=values, validation_accuracy=values, true_accuracy=values, log="csv/x")


def outcome(verdict="reproduced", effect=None, **changes):
    pairs = tuple(
        Pair(seed=i, as_is_pp=60.0 + i, changed_pp=75.0, as_is=curves(0.6), changed=curves(0.75, 20)) for i in range(4)
    )
    effect = Estimate(value=13.5, low=9.0, high=18.0, n=4) if effect is None else effect
    made = Confirmation(
        run="runs/resnet", cause="overfitting", verdict=verdict, effect=effect, change="weight decay", measure="accuracy",
        worthwhile_pp=2.0, pairs=pairs, network="ResNet-8 of width 8", data="digits", settings=("batch size 32",),
        assumed=("momentum 0.9",), stopped="decided", symptom="end above", shown=4,
        contrasts=(
            Contrast(name="level", as_is_pp=60.0, changed_pp=75.0, difference=Estimate(value=15.0, low=14.0, high=16.0, n=4)),
            Contrast(name="settled noise", as_is_pp=None, changed_pp=None, difference=NotAssessed("too short")),
        ),
    )  # fmt: skip
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (outcome(), "raises the measure by 13.5 pp"),
        (outcome("not-reproduced", Estimate(value=0.1, low=-0.5, high=0.7, n=4)), "below 2 pp for sure"),
        (outcome("not-reproduced", shown=1), "4 trainings as the run was, 1 end above"),
        (outcome("inconclusive", Estimate(value=3.0, low=-1.0, high=7.0, n=4)), "more pairs would narrow it"),
        (outcome("inconclusive", NotAssessed("2 pairs give no interval")), "no estimate: 2 pairs give no interval"),
        (outcome("inconclusive", stopped="budget"), "--budget"),
    ],
)
def test_every_verdict_is_explained_in_every_form(made, words):
    shown = " ".join(render(made, width=100).split())
    assert words in shown
    assert words in confirmation_html.page(made)
    assert words in made._repr_html_()


def test_tables_hold_every_pair_and_every_statistic():
    text = render(outcome(), width=100)
    for piece in (
        "+15.00",
        "60.00      75.00",
        "not assessed: too short",
        "Assumed, since the log does not say: momentum 0.9",
    ):
        assert piece in text
    page = confirmation_html.page(outcome())
    for piece in (
        "+15.00 pp (+14.00 to +16.00, 4 pairs)",
        "not assessed: too short",
        "assumed, since",
        "batch size 32",
    ):
        assert piece in page


def test_names_from_logs_and_folders_are_never_markup():
    evil = "<script>alert(1)</script>\x1b[31m"
    made = outcome(run=evil, settings=(evil,), assumed=(evil,), data=evil)
    for page in (confirmation_html.page(made), made._repr_html_()):
        assert "<script" not in page
        assert "\x1b" not in page
    assert "\x1b" not in render(made, colour=False)


def test_both_sets_of_curves_are_drawn_together():
    figure = outcome().plot()
    axes, gains = figure.axes
    means = [line for line in axes.lines if line.get_label().endswith("seeds")]
    assert [len(line.get_xdata()) for line in means] == [12, 20]
    assert means[0].get_linestyle() != means[1].get_linestyle(), "told apart without colour"
    assert max(means[1].get_ydata()) == pytest.approx(75.0)
    assert [text.get_text() for text in gains.get_legend().get_texts()] == [
        "pairs",
        "counts from here",
        "mean, interval",
    ]
    assert png(figure).startswith(b"\x89PNG")


def test_without_curves_nothing_is_drawn_and_nothing_breaks():
    bare = outcome(pairs=(), contrasts=(), effect=NotAssessed("no pair was trained"), verdict="inconclusive", shown=0)
    assert bare.plot() is None
    assert "<img" not in confirmation_html.page(bare)
    assert "Mean accuracy" not in render(bare)


def test_the_terminal_has_plain_letters_where_it_has_to():
    assert render(outcome(), width=60, ascii_only=True).isascii()
    assert max(map(len, render(outcome(), width=60).splitlines())) <= 90


def test_data_and_table_hold_the_pairs():
    made = outcome()
    assert made.to_frame().effect_pp.tolist() == [15.0, 14.0, 13.0, 12.0]
    said = made.to_dict()
    assert said["shown"] == 4
    assert said["contrasts"][1]["reason"] == "too short"
    assert "overfitting" in repr(made)


def test_the_page_is_written_whole(tmp_path):
    path = outcome().write_html(tmp_path / "page.html")
    text = path.read_text()
    assert text.count("<img ") == 1
    assert "script" not in text
