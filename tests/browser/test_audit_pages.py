"""The report of an audit in a real browser: sorting, searching, filtering, by keyboard too; contrast, widths, hostile names."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace

import pytest

from fluctlab.audits import Audit, AuditedRun
from fluctlab.model import Problem
from fluctlab.report import audit_html
from tests.report import examples
from tests.report.test_audit_html import audit_of, comparison, curve_of

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.browser, pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")]
RUN, EPOCHS, BEST, NOISE, REAL, CAUSE, SEVERITY = 0, 2, 3, 4, 6, 7, 8


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Every example, and some more of one so that there is something to sort and to filter."""
    made = [make() for make in examples.EXAMPLES.values()]
    base = examples.rate_too_high()
    for n, confidence in ((2, 0.7), (10, 0.8)):
        findings = (replace(base.findings[0], confidence=confidence, severity="medium"),)
        made.append(replace(base, run=replace(base.run, name=f"experiments/seed{n}"), findings=findings))
    target = tmp_path_factory.mktemp("audit")
    for diagnosis in made:
        audit_html.write_run(diagnosis, target)
    hostile = comparison(groups=4, gap=0.012, names=lambda g: f"{examples.HOSTILE[2]}{g}")
    skipped = [Problem(text, text, text) for text in examples.HOSTILE]
    audit_html.write_index(audit_of(made, skipped), target, hostile, title=examples.HOSTILE[0])
    return target


class Watched:
    """A page, and everything it said or asked for."""

    def __init__(self, browser, **options):
        self.context = browser.new_context(viewport={"width": 1300, "height": 900}, **options)
        self.page = self.context.new_page()
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self, path):
        self.page.goto(path.as_uri(), wait_until="load")
        return self.page

    def close(self):
        self.context.close()
        assert self.said == []
        assert all(url.startswith(("file:", "data:")) for url in self.asked)


@pytest.fixture
def watched(browser):
    made = Watched(browser)
    yield made
    made.close()


@pytest.fixture
def page(watched, directory):
    return watched.open(directory / "index.html")


def cells(page, column):
    return page.evaluate(
        "c => [...document.querySelectorAll('#table tbody tr')].map(r => r.cells[c].textContent.trim())", column
    )


def keys(page, column):
    found = page.evaluate("c => [...document.querySelectorAll('#table tbody tr')].map(r => [r.cells[c].dataset.v ?? null, 'l' in r.cells[c].dataset])", column)  # fmt: skip
    return [(None if key is None else float(key), is_loss) for key, is_loss in found]


def head(page, column):
    return page.locator("#table thead th").nth(column)


def status(page):
    return page.locator("#status").inner_text()


def test_numbers_sort_both_ways_with_losses_and_empty_cells_last(page):
    for way, reverse in (("descending", True), ("ascending", False)):
        head(page, NOISE).get_by_role("button").click()
        assert head(page, NOISE).get_attribute("aria-sort") == way
        found = keys(page, NOISE)
        accuracies = [key for key, is_loss in found if key is not None and not is_loss]
        assert accuracies == sorted(accuracies, reverse=reverse)
        assert len(set(accuracies)) > 2
        assert [(key is None, is_loss) for key, is_loss in found] == sorted(
            (key is None, is_loss) for key, is_loss in found
        )
        assert found[-1][0] is None
    assert "sorted by noise, smallest first" in status(page)


def test_names_sort_as_people_count(page):
    head(page, RUN).get_by_role("button").click()
    names = cells(page, RUN)
    assert names.index("experiments/seed2") < names.index("experiments/seed10")
    head(page, RUN).get_by_role("button").click()
    assert cells(page, RUN) == names[::-1]


def test_sorting_is_stable_and_of_one_column(page):
    head(page, RUN).get_by_role("button").click()
    head(page, EPOCHS).get_by_role("button").click()
    pairs = list(zip([key for key, _ in keys(page, EPOCHS)], cells(page, RUN), strict=True))
    for _, group in itertools.groupby(pairs, key=lambda pair: pair[0]):
        names = [name for _, name in group if name.startswith("experiments")]
        assert names in ([], ["experiments/resnet50_lr0.4", "experiments/seed2", "experiments/seed10"])
    assert page.locator("#table thead th[aria-sort]").count() == 1


def test_severities_sort_by_what_they_mean(page):
    head(page, SEVERITY).get_by_role("button").click()
    assert [s for s in cells(page, SEVERITY) if s] == ["high", "medium", "medium", "low"]


def test_everything_works_by_keyboard(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["width"] > 50  # seen once it has the focus
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "runs"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("seed")
    assert status(page) == "3 of 8 runs"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert status(page) == "8 runs"
    head(page, BEST).get_by_role("button").focus()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Space")
    assert head(page, BEST).get_attribute("aria-sort") == "descending"
    assert page.evaluate("document.activeElement.textContent") == "Best"
    page.keyboard.press("Enter")
    assert head(page, BEST).get_attribute("aria-sort") == "ascending"
    page.locator("button.pick").first.focus()
    page.keyboard.press("Space")
    assert page.locator("button.pick").first.get_attribute("aria-pressed") == "true"


def test_search_looks_at_names_and_at_every_cause(page):
    search = page.get_by_label("Search name or cause")
    search.fill("BATCHNORM")
    assert cells(page, RUN) == ["experiments/resnet50_lr0.4"]  # its second cause, which the row only counts
    search.fill("rate-too-high seed10")
    assert cells(page, RUN) == ["experiments/seed10"]
    search.fill("no such run")
    assert status(page) == "0 of 8 runs"
    search.fill("")
    assert status(page) == "8 runs"


def test_filters_of_one_list_widen_and_of_several_narrow(page):
    def pick(words):
        page.locator("button.pick", has_text=words).first.click()

    pick("learning-rate-too-high")
    assert status(page) == "3 of 8 runs"
    pick("medium")
    assert sorted(cells(page, RUN)) == ["experiments/seed10", "experiments/seed2"]
    pick("high")
    pick("measurement")
    assert status(page) == "0 of 8 runs"
    page.get_by_role("button", name="Show all").click()
    assert status(page) == "8 runs"
    assert page.locator("button.pick[aria-pressed=true]").count() == 0
    assert page.get_by_role("button", name="Show all").is_disabled()


def test_every_entry_of_a_list_leaves_as_many_runs_as_it_counts(page):
    for number in range(page.locator("button.pick").count()):
        entry = page.locator("button.pick").nth(number)
        entry.click()
        assert len(cells(page, RUN)) == int(entry.locator(".times").inner_text())
        entry.click()


def test_hostile_names_are_text_and_the_page_knows_nothing_of_them(page, watched):
    assert "<img src=x onerror=alert(1)>" in page.locator("body").inner_text()
    assert page.evaluate("document.scripts.length") == 1
    assert page.evaluate("[...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => a.name.startsWith('on'))).length") == 0  # fmt: skip
    page.get_by_label("Search name or cause").fill("<script>alert(1)")
    assert watched.said == []


def test_a_table_says_what_it_is(page):
    table = page.get_by_role("table", name="All runs")
    assert table.get_by_role("columnheader").count() == 10
    assert table.get_by_role("row").count() == 9
    assert table.get_by_role("rowheader").count() == 8
    assert page.locator("#status").get_attribute("aria-live") == "polite"
    names = page.evaluate("[...document.querySelectorAll('a, button, input')].map(e => (e.getAttribute('aria-label') || e.textContent || e.labels[0].textContent).trim())")  # fmt: skip
    assert all(names)


def test_links_lead_to_pages_that_open(page, watched, directory):
    page.locator("#table a", has_text="experiments/resnet50_lr0.4").click()
    assert "experiments/resnet50_lr0.4" in page.title()
    page.get_by_role("link", name="learning rate too high: all runs").click()
    assert page.url.endswith("causes/learning-rate-too-high.html")
    assert page.get_by_role("table", name="Runs that have it").get_by_role("row").count() == 4
    page.get_by_role("link", name="All runs").click()
    assert page.url == (directory / "index.html").as_uri()


def test_coming_back_finds_the_search_and_its_runs_in_step(page):
    page.get_by_label("Search name or cause").fill("seed10")
    page.locator("#table a", has_text="experiments/seed10").click()
    page.go_back(wait_until="load")
    text = page.get_by_label("Search name or cause").input_value()
    page.wait_for_function("document.getElementById('status').textContent !== ''")
    assert status(page) == ("1 of 8 runs" if text else "8 runs")


def test_without_scripts_everything_can_be_read(browser, directory):
    made = Watched(browser, java_script_enabled=False)
    page = made.open(directory / "index.html")
    assert page.locator("#table tbody tr").count() == 8
    assert page.locator("#table tbody tr").last.is_visible()
    assert not page.locator("#tools").is_visible()
    assert not page.locator("#how").is_visible()
    assert page.locator("button:visible, input:visible").count() == 0
    made.close()


#: Ratio of WCAG 2 between the colour of an element's text and what lies behind it.
CONTRAST = """selector => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const element = document.querySelector(selector);
  let behind = element;
  while (behind && (parse(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
  const style = getComputedStyle(element);
  const ends = [parse(style[element.matches("path") ? "stroke" : element.matches("rect") ? "fill" : "color"]),
    parse(getComputedStyle(behind ?? document.documentElement).backgroundColor)].map(light).sort((a, b) => b - a);
  return (ends[0] + .05) / (ends[1] + .05);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_readable_in_light_and_dark(browser, directory, scheme):
    made = Watched(browser, color_scheme=scheme)
    page = made.open(directory / "index.html")
    page.locator("button.pick").first.click()
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != ("rgb(255, 255, 255)" if scheme == "dark" else "rgb(21, 24, 28)")  # fmt: skip
    for selector in ("h1", ".lead", "#table caption", "#table thead button", "#table tbody a", "#table tbody td.n", "#table td.high", "#how",
                     "button.pick[aria-pressed=true] .of", "#all", "#status", ".differences td", "footer"):  # fmt: skip
        assert page.evaluate(CONTRAST, selector) >= 4.5, selector
    for selector in ("#table path", ".pick rect"):
        assert page.evaluate(CONTRAST, selector) >= 3, selector
    made.close()


@pytest.mark.parametrize("width", [320, 360, 768, 1056, 1300])
def test_no_page_is_wider_than_the_window(watched, directory, width):
    watched.page.set_viewport_size({"width": width, "height": 800})
    for path in (directory / "index.html", *(directory / "causes").iterdir(), *(directory / "runs").glob("*resnet50*")):
        page = watched.open(path)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path.name
        assert page.evaluate(
            "[...document.querySelectorAll('th, td')].every(e => e.scrollWidth <= e.clientWidth + 1 || e.closest('thead'))"
        )


def test_printing_hides_the_controls_and_keeps_the_rows(page):
    page.emulate_media(media="print")
    assert not page.locator("#tools").is_visible()
    assert page.locator("#table tbody tr").last.is_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('#table thead button'), '::after').content") == "none"
    assert len(page.pdf()) > 10_000


def test_a_thousand_runs_open_and_sort_at_once(watched, tmp_path):
    base = examples.rate_too_high()
    line, curve = AuditedRun.of(base).line, curve_of(base)
    names = [f"net/lr0.1/seed{n:04}" for n in range(1000)]
    runs = tuple(AuditedRun.from_line(n, line.replace(base.run.name, n, 1), curve, readable=True) for n in names)
    path = audit_html.write_index(Audit(runs), tmp_path)
    assert path.stat().st_size < 2_000_000
    page = watched.open(path)
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    spent = page.evaluate("""async () => {
      const start = performance.now();
      document.querySelector("#table thead button").click();
      await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
      return performance.now() - start;
    }""")
    # The targets are 1.5 s and 0.2 s (tests/bench/audit_page.py); a machine that is busy with other tests gets more.
    assert timing < 4500
    assert spent < 600
    assert cells(page, RUN)[0] == "net/lr0.1/seed0000"
