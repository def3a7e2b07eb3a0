from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from jobs.reports import night_report
from tests.unit.report_root import NIGHT, write_root

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here to look at pages with")

WIDTHS = (360, 1200)
SCHEMES = ("light", "dark")
READABLE = 4.5
"""Contrast of text and ground that WCAG 2.2 asks for at level AA."""
LOOK = """
const part = (x) => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
const parse = (c) => {
  const n = c.match(/[\\d.]+/g).map(Number), unit = c.startsWith('color(') ? 255 : 1;
  return {rgb: n.slice(0, 3).map((x) => x * unit), alpha: n.length > 3 ? n[3] : 1};
};
const light = (rgb) => { const [r, g, b] = rgb.map(part); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
function ground(view, e) {
  const layers = [];
  for (; e; e = e.parentElement) {
    const c = parse(view.getComputedStyle(e).backgroundColor);
    layers.push(c);
    if (c.alpha === 1) break;
  }
  const over = (below, c) => below.map((x, i) => x * (1 - c.alpha) + c.rgb[i] * c.alpha);
  return layers.reverse().reduce(over, [255, 255, 255]);
}
function look(frame) {
  const page = frame.contentDocument, view = frame.contentWindow, all = (s) => [...page.querySelectorAll(s)];
  const told = all('p, th, td, small, li, summary span, figcaption, a, .badge, .mark, h1, h2, h3, h4')
    .filter((e) => e.textContent.trim() && e.checkVisibility());
  const contrast = told.map((e) => {
    const [a, b] = [light(parse(view.getComputedStyle(e).color).rgb), light(ground(view, e))].sort((x, y) => y - x);
    return [Math.round(100 * (a + 0.05) / (b + 0.05)) / 100, `${e.tagName}.${e.className}`];
  });
  return {
    width: frame.clientWidth, scheme: frame.dataset.scheme, scroll: page.documentElement.scrollWidth,
    dark: view.matchMedia('(prefers-color-scheme: dark)').matches, n: told.length,
    poor: contrast.filter(([x]) => x < %READABLE%), scripts: all('script').length,
    empty: all('svg').filter((e) => { const r = e.getBoundingClientRect(); return !r.width || !r.height; }).length,
    svgs: all('svg').length,
    right: Math.max(...all('figure, .scroll, .people, .verdict').map((e) => e.getBoundingClientRect().right)),
  };
}
window.addEventListener('load', () => {
  document.querySelector('#found').textContent = JSON.stringify([...document.querySelectorAll('iframe')].map(look));
});
""".replace("%READABLE%", str(READABLE))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The page of a night in frames of a phone's width and a desk's, light and dark, as a browser sees it."""
    folder = tmp_path_factory.mktemp("browser")
    report = night_report.run(write_root(folder / "root", verdict="held", is_served=False), as_of=NIGHT)
    page = html.escape(Path(report.details["report"]).read_text(encoding="utf-8"))
    frames = [
        f'<iframe data-scheme="{scheme}" style="width:{width}px;height:900px;border:0;color-scheme:{scheme}" '
        f'srcdoc="{page}"></iframe>'
        for scheme in SCHEMES
        for width in WIDTHS
    ]
    outer = f'<!doctype html><meta charset="utf-8"><pre id="found"></pre>{"".join(frames)}<script>{LOOK}</script>'
    (folder / "look.html").write_text(outer, encoding="utf-8")
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", f"--user-data-dir={folder / 'profile'}",
         "--virtual-time-budget=5000", "--dump-dom", (folder / "look.html").as_uri()],
        capture_output=True, text=True, timeout=90, check=True,
    )  # fmt: skip
    found = re.search(r'<pre id="found">(.+?)</pre>', done.stdout, flags=re.DOTALL)
    assert found, done.stderr
    made: list[dict[str, Any]] = json.loads(html.unescape(found[1]))
    return made


def test_a_page_is_as_wide_as_its_screen(seen: list[dict[str, Any]]) -> None:
    """Wide tables scroll inside their own box, on a phone as on a desk, and every plot has a size."""
    assert [(one["scheme"], one["width"]) for one in seen] == [(s, w) for s in SCHEMES for w in WIDTHS]
    for one in seen:
        assert one["scroll"] <= one["width"]
        assert one["right"] <= one["width"]
        assert (one["svgs"] > 10, one["empty"], one["scripts"]) == (True, 0, 0)


def test_every_text_stands_out_from_its_ground(seen: list[dict[str, Any]]) -> None:
    """By light and in the dark, in marks and on the heat map too."""
    assert [one["dark"] for one in seen] == [False, False, True, True]
    for one in seen:
        assert one["n"] > 200
        assert one["poor"] == []
