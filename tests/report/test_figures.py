"""Figures: what is drawn where data is missing, hostile names, and repeatable bytes."""

from __future__ import annotations

import itertools
import subprocess
import sys
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest

from fluctlab.errors import UsageError
from fluctlab.model import Run
from fluctlab.report import figures
from fluctlab.report.figures.window import level_window, residual_window
from fluctlab.results import Change, Cycle, NotAssessed, Segment, Spike
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


def made(values, *, loss=False, resumed=(), **parts):
    """A diagnosis of these values with a straight trend and what is given."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    role, name, unit = (
        ("validation_loss", "val_loss", "loss") if loss else ("validation_accuracy", "val_acc", "fraction")
    )
    target = examples.series(role, values, name, unit)
    curves = examples.Curves(target=target, axis="epoch", resumed_at=resumed)
    sd = np.full(n, 0.01)
    trend = np.full(n, np.median(values))
    known = examples._decomposition(
        values, trend, sd, unit="loss" if loss else "pp", floor=None if loss else 0.3, **parts
    )
    return examples._diagnosis(Run("made", "csv"), curves, known)


def noisy(n, level=0.9, sd=0.01):
    return level + np.random.default_rng(n).normal(0, sd, n)


def many_changes(n=200, count=40):
    at = np.linspace(5, n - 5, count)
    return tuple(
        Change(epoch=float(x), kind="both", source="curve", level=-1.2345 * i, noise_ratio=0.5)
        for i, x in enumerate(at)
    )


def stretches(n, count):
    edges = np.linspace(0, n, count + 1).astype(int)
    return tuple(examples._segment(a, b, 0.4) for a, b in itertools.pairwise(edges))


CASES = {
    "five points": lambda: made([0.1, 0.5, 0.7, 0.8, 0.82]),
    "thousands of points": lambda: made(noisy(4000)),
    "constant": lambda: made(np.full(40, 0.93)),
    "near one": lambda: made(1.0 - np.abs(noisy(50, 0.0, 1e-5))),
    "loss": lambda: made(0.3 + 2.3 * np.exp(-np.arange(60) / 3.0), loss=True),
    "extreme loss": lambda: made(np.r_[np.ones(20), 1e30, 1e120, 1e300, np.ones(20)], loss=True),
    "many changes": lambda: made(noisy(200), changes=many_changes(), segments=stretches(200, 41)),
    "everything": lambda: made(
        noisy(200),
        changes=many_changes(count=3),
        segments=stretches(200, 4),
        spikes=(Spike(epoch=30.0, size=-9.0),),
        cycles=(Cycle(period_epochs=10.0, amplitude=1.0, p_value=1e-5), Cycle(period_epochs=23.0, amplitude=1.0, p_value=1e-5)),
        periodogram=examples.periodogram(10.0, 200),
        resumed=(12.0, 190.0),
    ),
    "example": examples.rate_too_high,
    "hostile": examples.hostile,
}  # fmt: skip


def boxes(figure):
    """Boxes of every text that is seen but the numbers on the axes, and of the panels with data."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    texts = [text for axes in figure.axes for text in axes.texts] + list(figure.texts)
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    shown = [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text()]
    panels = [axes.get_window_extent(renderer) for axes in figure.axes if axes.axison]
    return shown, panels


def overlap(a, b):
    return a.x0 < b.x1 - 1 and b.x0 < a.x1 - 1 and a.y0 < b.y1 - 1 and b.y0 < a.y1 - 1


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["curve", "residuals", "periodogram"])
def test_no_label_covers_another_the_data_or_the_edge(case, kind):
    figure = DRAW[kind](CASES[case]())
    if figure is None:
        assert kind == "periodogram"
        return
    texts, panels = boxes(figure)
    for number, (text, box) in enumerate(texts):
        assert not [other for other, place in texts[number + 1 :] if overlap(box, place)], text
        assert not [panel for panel in panels if overlap(box, panel)], text
        assert box.x0 >= 0, text
        assert box.x1 <= figure.bbox.x1, text
        assert box.y0 >= 0, text
    assert figure.bbox.width == 900


def test_changes_say_how_large_they_are_and_where_they_come_from():
    figure = figures.curve_figure(examples.rate_too_high())
    written = [text for text, _ in boxes(figure)[0]]
    assert "+8.1 pp, noise \u00d70.3" in [text.replace("\u00a0", " ") for text in written]
    assert {"change where the learning rate changed", "change seen in the curve alone"} <= set(legend_of(figure))
    assert {"noise 4.0 pp", "noise 1.2 pp", "noise 0.30 pp"} <= {text.replace("\u00a0", " ") for text in written}


def test_changes_that_cannot_be_named_are_counted():
    figure = figures.curve_figure(CASES["many changes"]())
    assert any(text.endswith("more, not named here") for text, _ in boxes(figure)[0])


def test_best_careful_spike_and_resumption_are_marked():
    legend = legend_of(figures.curve_figure(examples.rate_too_high()))
    assert "careful choice, epoch 110: worth 92.49 %" in legend
    assert any(text.startswith("best, epoch ") for text in legend)
    assert {
        "far outside the noise",
        "a later process took over",
        "chance alone, testing on 10,000 examples (95 %)",
    } <= set(legend)
    assert not any(text.startswith("careful") for text in legend_of(figures.curve_figure(examples.healthy())))


def test_a_steep_start_leaves_the_rest_readable():
    values = np.r_[0.1, 0.5, 0.9, noisy(60, 0.93, 0.002)]
    figure = figures.curve_figure(made(values))
    low, high = figure.axes[0].get_ylim()
    assert 90 < low < 92.6
    assert 93.5 < high < 95
    assert "3 points below the axis, down to 10.0 %" in legend_of(figure)


def test_no_axis_of_accuracies_goes_above_one_hundred():
    assert figures.curve_figure(CASES["near one"]()).axes[0].get_ylim()[1] < 100.1


def test_a_loss_that_diverged_for_a_while_leaves_the_rest_readable():
    diagnosis = CASES["extreme loss"]()
    assert figures.curve_figure(diagnosis).axes[0].get_ylim()[1] < 2
    assert figures.residuals_figure(diagnosis).axes[0].get_ylim()[1] < 1


def test_a_flat_curve_is_drawn_flat():
    low, high = figures.curve_figure(CASES["constant"]()).axes[0].get_ylim()
    assert high - low >= 1.0


@pytest.mark.parametrize("few", [1, 5])
def test_few_points_are_all_shown(few):
    window = level_window(np.linspace(10.0, 90.0, few), least=1.0, low_is_early=True)
    assert (window.below, window.above) == (0, 0)


def test_larger_noise_of_an_early_regime_is_shown_and_a_few_far_points_are_not():
    early = np.r_[noisy(40, 0, 3.0), noisy(80, 0, 0.1)]
    assert residual_window(early, np.abs(early), least=0.1).below <= 2
    far = np.r_[60.0, -50.0, noisy(80, 0, 0.1)]
    window = residual_window(far, np.full(82, 0.2), least=0.1)
    assert window.high < 1
    assert (window.below, window.above) == (1, 1)


def test_the_periodogram_shows_its_limit_and_names_the_period():
    figure = figures.periodogram_figure(CASES["everything"]())
    assert figure.axes[0].get_xscale() == "log"
    assert "passed by chance in 1 % of curves without a period" in legend_of(figure)
    assert {"10 epochs", "23 epochs"} <= {text for text, _ in boxes(figure)[0]}


def test_without_a_periodogram_there_is_none_and_the_statistics_say_why():
    diagnosis = made(noisy(40), periodogram=NotAssessed("fewer than 24 points"))
    assert figures.periodogram_figure(diagnosis) is None
    texts = [text.get_text() for axes in diagnosis.decomposition.plot().axes for text in axes.texts]
    assert "No periodogram: fewer than 24 points" in texts


def test_statistics_draw_themselves():
    for case in ("five points", "extreme loss", "many changes", "everything"):
        assert figures.png(CASES[case]().decomposition.plot()).startswith(b"\x89PNG")


def test_every_figure_can_be_asked_for_by_name():
    diagnosis = examples.rate_too_high()
    for name in ("curve", "residuals", "periodogram", "losses"):
        assert diagnosis.plot(name) is not None
    with pytest.raises(UsageError, match="there are curve, residuals"):
        diagnosis.plot("pie")


def test_noise_that_fades_along_a_stretch_is_shown_as_a_range():
    fading = examples.frozen_array(np.linspace(3.0, 0.1, 100))
    segment = Segment(start_index=0, stop_index=100, start_epoch=0.0, end_epoch=99.0, noise=examples.est(1.2))
    figure = figures.curve_figure(made(noisy(100), noise_sd=fading, segments=(segment,)))
    assert "noise 2.5 \u2192 0.10 pp" in {text.replace("\u00a0", " ") for text, _ in boxes(figure)[0]}
