"""Figures: what is drawn where data is missing, hostile names, and repeatable bytes."""

from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest

from fluctlab.report import figures
from tests.report import examples

DRAW = {
    "curve": figures.curve_figure,
    "residuals": figures.residuals_figure,
    "losses": figures.losses_figure,
    "periodogram": figures.periodogram_figure,
}


def legend_of(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


@pytest.mark.parametrize("kind", DRAW)
def test_hostile_names_are_drawn_as_text(kind):
    root = ET.fromstring(figures.svg(DRAW[kind](examples.hostile())))
    names = {element.tag.rsplit("}", 1)[-1] for element in root.iter()}
    assert names.isdisjoint({"script", "image", "foreignObject", "a"})


@pytest.mark.parametrize("kind", DRAW)
def test_the_same_figure_gives_the_same_bytes(kind):
    first, second = (DRAW[kind](examples.rate_too_high()) for _ in range(2))
    assert figures.svg(first) == figures.svg(second)
    assert figures.png(first) == figures.png(second)


def test_every_mathematics_sign_is_text():
    base = examples.hostile()
    assert "$x^{" in {base.run.format, *(s.name for s in base.run.series)}
    figure = figures.curve_figure(
        examples._diagnosis(base.run.series and type(base.run)("$x^{", "csv"), base.curves, base.decomposition)
    )
    assert figures.png(figure).startswith(b"\x89PNG")
    assert [text.get_text() for text in figure.texts] == ["$x^{: " + base.metric]


def test_what_is_not_there_is_not_drawn():
    broken = examples.undiagnosable()
    assert figures.curve_figure(broken) is None
    assert figures.residuals_figure(broken) is None
    assert figures.losses_figure(broken) is None
    assert figures.losses_figure(examples.healthy()) is None


def test_a_curve_without_statistics_is_drawn_all_the_same():
    base = examples.healthy()
    bare = examples._diagnosis(base.run, base.curves, examples.undiagnosable().decomposition)
    assert legend_of(figures.curve_figure(bare)) == ["validation accuracy", "5 points below the axis, down to 43.1 %"]
    assert figures.residuals_figure(bare) is None


def test_the_learning_rate_has_a_panel_of_its_own():
    panels = {axes.get_ylabel(): axes for axes in figures.curve_figure(examples.rate_too_high()).axes}
    assert panels["learning rate"].get_yscale() == "log"
    assert "learning rate" not in {axes.get_ylabel() for axes in figures.curve_figure(examples.healthy()).axes}


def test_the_trend_is_not_joined_across_a_jump():
    lines = figures.curve_figure(examples.rate_too_high()).axes[0].lines
    assert max(len(line.get_xdata()) for line in lines if line.get_color() == "#D55E00") == 80


def test_settings_of_the_caller_stay_as_they_are_and_do_not_show():
    before = figures.svg(figures.curve_figure(examples.healthy()))
    with mpl.rc_context({"lines.linewidth": 9, "font.size": 30, "axes.facecolor": "red"}):
        mine = dict(mpl.rcParams)
        assert figures.svg(figures.curve_figure(examples.healthy())) == before
        assert dict(mpl.rcParams) == mine


def test_pyplot_is_not_imported():
    code = (
        "import sys; from tests.report import examples; from fluctlab.report import figures;"
        "figures.svg(figures.curve_figure(examples.healthy())); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
