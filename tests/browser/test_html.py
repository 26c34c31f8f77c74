"""The report in a real browser: nothing runs, figures load, nothing is wider than the window."""

from __future__ import annotations

import html as stdlib_html
import json
import os
import re
import shutil
import subprocess

import pytest

import fluctlab as fl
from fluctlab.report import explanation_html, html
from tests.report import examples

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.browser, pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")]
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--log-level=0"]  # fmt: skip
#: Looks at the report in a frame of a given width; the report itself is unchanged.
WATCHER = """<!DOCTYPE html><meta charset="utf-8"><pre id="out"></pre><script>
const results = {};
window.alert = () => { results.alert = true; };
function look(frame) {
  const page = frame.contentDocument, root = page.documentElement;
  frame.contentWindow.alert = window.alert;
  results[frame.id] = {
    overflow: root.scrollWidth - root.clientWidth,
    scripts: page.scripts.length,
    images: page.images.length,
    drawn: [...page.images].filter(image => image.complete && image.naturalWidth > 100).length,
    title: page.title,
  };
  document.getElementById("out").textContent = JSON.stringify(results);
}
</script>"""


def watch(page, tmp_path):
    frames = "".join(
        f'<iframe id="w{width}" style="width:{width}px;height:900px;border:0" onload="look(this)" srcdoc="{stdlib_html.escape(page)}"></iframe>'
        for width in (360, 768, 1200)
    )
    (tmp_path / "watch.html").write_text(WATCHER + frames, encoding="utf-8")
    command = [BROWSER, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1300,3000", "--virtual-time-budget=5000",
               "--dump-dom", (tmp_path / "watch.html").as_uri()]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, check=True, timeout=60, env=os.environ | {"HOME": str(tmp_path)}
    )
    found = re.search(r'<pre id="out">(.*?)</pre>', done.stdout.decode("utf-8"), re.DOTALL)
    results = json.loads(stdlib_html.unescape(found[1]))
    results["console"] = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if "CONSOLE" in line]
    return results


@pytest.mark.parametrize("name", ["rate_too_high", "hostile", "undiagnosable"])
def test_report_fits_every_width_draws_its_figures_and_runs_nothing(name, tmp_path):
    results = watch(html.page(examples.EXAMPLES[name]()), tmp_path)
    figures = {"undiagnosable": 0}.get(name, 4)
    assert "alert" not in results
    assert results["console"] == []
    for width in (360, 768, 1200):
        seen = results[f"w{width}"]
        assert seen["overflow"] <= 0
        assert seen["scripts"] == 0
        assert seen["images"] == seen["drawn"] == figures
        assert seen["title"].endswith("fluctlab")


def test_pages_of_causes_fit_every_width_draw_their_figure_and_run_nothing(tmp_path):
    written = explanation_html.write_all([fl.explain("overfitting"), fl.explain("divergence")], tmp_path / "causes")
    for name, figures in (("overfitting.html", 1), ("divergence.html", 1), ("index.html", 0)):
        results = watch((written.parent / name).read_text(encoding="utf-8"), tmp_path)
        assert results["console"] == []
        for width in (360, 768, 1200):
            seen = results[f"w{width}"]
            assert seen["overflow"] <= 0
            assert seen["scripts"] == 0
            assert seen["images"] == seen["drawn"] == figures
            assert seen["title"].endswith("fluctlab")


def test_the_console_is_watched(tmp_path):
    page = "<!DOCTYPE html><title>x fluctlab</title><img src=missing.png><script>console.error('seen')</script>"
    assert any("seen" in line for line in watch(page, tmp_path)["console"])
