"""Our quick way to write a figure as SVG shows in a browser what matplotlib's own shows."""

from __future__ import annotations

import io
import shutil

import matplotlib.ticker
import pytest
from PIL import Image, ImageChops

import fluctlab as fl
from fluctlab.report import figures
from fluctlab.report.figures import style
from tests.report import examples
from tests.report.test_comparison import comparison

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.browser, pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")]


def scientific():
    """An axis whose numbers need a common factor, which only matplotlib draws."""
    figure = figures.losses_figure(examples.rate_too_high())
    figure.axes[0].yaxis.set_major_formatter(matplotlib.ticker.ScalarFormatter())
    figure.axes[0].set_ylim(0, 3e9)
    return figure


MADE = {
    **{f"{name} {kind}": (lambda name=name, kind=kind: examples.EXAMPLES[name]().plot(kind))
       for name in ("rate_too_high", "loss_only", "hostile") for kind in ("curve", "residuals", "periodogram", "losses")},
    "statistics": examples.rate_too_high().decomposition.plot,
    "comparison": lambda: comparison(groups=3, gap=0.01).plot(),
    "cause": lambda: fl.explain("overfitting").plot(),
    "scientific": scientific,
}  # fmt: skip


@pytest.fixture(scope="module")
def page():
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1300, "height": 1000})
        browser.close()


def seen(page, text):
    page.set_content(
        f'<body style="margin:0">{text[text.index("<svg") :].replace("<svg", "<svg style=width:1296px;height:auto", 1)}'
    )
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def by_matplotlib(figure):
    buffer = io.StringIO()
    with style.style():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


@pytest.mark.parametrize("name", MADE)
def test_the_picture_is_the_same_and_the_figure_as_before(page, name):
    figure = MADE[name]()
    if figure is None:
        pytest.skip("nothing to draw")
    before = by_matplotlib(figure)
    ours = figures.svg(figure)
    if figure.get_layout_engine() is None:  # such a one moves things a little each time
        assert by_matplotlib(figure) == before
    assert len(ours) < 0.6 * len(before)
    difference = ImageChops.difference(seen(page, before), seen(page, ours)).convert("L")
    # Edges of letters may fall on other pixels by a hundredth of a point; a number or a line that lacks is a thousand.
    assert sum(difference.histogram()[64:]) < 400
    assert sum(difference.histogram()[160:]) < 10
