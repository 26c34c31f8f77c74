"""The comparison's page, figure and documents: hostile names, many groups, what could not be judged."""

from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import fluctlab as fl
from fluctlab.model import Problem, Run, Series, frozen_array
from fluctlab.report import comparison_html, comparison_markdown, comparison_text
from fluctlab.report.comparison_wording import comparison_page
from fluctlab.report.figures import png, svg

HOSTILE = "<script>alert(1)</script>$x^{[red]\x1b[31m|`_*"


def comparison(groups=2, runs=3, gap=0.0, names=lambda g: f"g{g}"):
    made = []
    for g in range(groups):
        for s in range(runs):
            rng = np.random.default_rng([g, s])
            values = 0.9 + gap * g + 0.004 * rng.standard_normal() + 0.003 * rng.standard_normal(30)
            series = Series("val_acc", frozen_array(values), epochs=frozen_array(np.arange(30.0)))
            made.append(Run(f"{g}/{s}", "test", series=(series,), hyperparameters={"setting": names(g), "seed": s}))
    return fl.compare(made)


def texts(made):
    return [
        comparison_text.render(made, width=120, colour=False),
        comparison_markdown.render(made),
        comparison_html.page(made),
    ]


def flat(text):
    return " ".join(text.replace("\u00a0", " ").replace("&#34;", '"').replace("\\", "").split())


@pytest.mark.parametrize("render", range(3))
def test_every_output_says_the_same(render):
    text = flat(texts(comparison(gap=0.03))[render])
    assert '"setting=g1" is better than "setting=g0" by ' in text
    assert "Groups: runs with the same logged settings but for seed." in text


def test_what_is_open_says_how_many_seeds_would_settle_it():
    text = flat(texts(comparison())[0])
    assert text.count("Cannot tell") == 1
    assert "seeds per group would settle a difference of that size" in text
    assert "These runs would have shown one of" in text


def test_hostile_names_are_text_in_every_output():
    base = comparison(names=lambda g: f"{HOSTILE}{g}")
    made = replace(base, problems=(Problem("code", HOSTILE, HOSTILE),), metric=HOSTILE)
    terminal, markdown, page = texts(made)
    assert "\x1b" not in terminal + markdown + page
    for text in (markdown, page, comparison_html.snippet(made)):
        assert "<script>" not in text
    root = ET.fromstring(svg(made.plot()))
    assert {element.tag.rsplit("}", 1)[-1] for element in root.iter()}.isdisjoint(
        {"script", "image", "foreignObject", "a"}
    )


def test_the_page_loads_nothing_and_the_figure_is_repeatable():
    made = comparison()
    page = comparison_html.page(made)
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "<script" not in page
    assert page == comparison_html.page(comparison())
    assert png(made.plot()) == png(comparison().plot())


def test_groups_that_cannot_be_judged_share_a_sentence():
    content = comparison_page(comparison(groups=7, runs=1))
    assert [answer for answer, _ in content.differences] == ["not-assessed"]
    assert content.differences[0][1].startswith("6 differences not assessed: a group of one run")
    assert "Needed: two or more runs" in content.differences[0][1]


def test_a_terminal_of_any_width_holds_the_page():
    made = comparison(groups=5, names=lambda g: f"a_rather_long_name_of_a_setting_{g}")
    for width in (40, 80, 120, 200):
        assert max(map(len, comparison_text.render(made, width=width, colour=False).splitlines())) <= width
    comparison_text.render(made, width=80, ascii_only=True).encode("ascii")


def test_many_groups_are_cut_with_a_count():
    made = comparison(groups=70, runs=2)
    assert "and 10 more groups" in comparison_text.render(made, width=120)
    assert "more groups" not in comparison_text.render(made, width=120, verbose=True)
    assert len(made.plot().axes[0].get_yticklabels()) == 40
    assert "the best 40 of 70" in made.plot().get_suptitle()


def test_nothing_to_compare_has_a_page_and_no_figure():
    made = fl.compare([])
    assert made.plot() is None
    assert all("No run could be compared." in flat(text) for text in texts(made))


def test_every_run_lies_within_the_figure_and_a_wide_interval_is_cut():
    made = comparison(groups=2, runs=2)
    axes = made.plot().axes[0]
    left, right = axes.get_xlim()
    values = [100 * m.value for g in made.groups for m in g.members]
    assert left < min(values)
    assert max(values) < right


def test_a_notebook_shows_the_table():
    assert "setting=g0" in comparison()._repr_html_()
