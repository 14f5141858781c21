"""Pages in a real browser: dark where the system is, paper as in print; what scrolls shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import Chromium
from shared_ecgs import demo_record

from ecgfast.reports import make_report

pytest.importorskip("jinja2")

# Lightness, 0 to 1, of a colour as a browser gives it.
LIGHT = """
const light = (colour) => {
  const [r, g, b] = colour.match(/[0-9.]+/g).map(Number);
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
};
const style = (query, of) => light(getComputedStyle(document.querySelector(query))[of]);
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    make_report(demo_record(), full=True).save(path)
    return path.as_uri()


def shown(browser: Chromium, page: str) -> None:
    browser.go(page)
    browser.wait("document.readyState === 'complete' && !!document.querySelector('footer')")


def lightness(browser: Chromium, *of: str) -> list[float]:
    found: list[float] = browser.value(f"(() => {{ {LIGHT} return [{', '.join(of)}]; }})()")
    return found


PARTS = (
    "style('body', 'backgroundColor')",
    "style('body', 'color')",
    "style('.tile', 'backgroundColor')",
    "style('.small', 'color')",
    "style('.scroll.wide > svg.chart text', 'fill')",
    "style('.strip > svg', 'backgroundColor')",
)


def test_a_report_is_dark_where_the_system_is_and_its_paper_is_not(
    browser: Chromium, page: str
) -> None:
    browser.screen(1000, 900)
    shown(browser, page)
    back, ink, tile, small, chart, _ = lightness(browser, *PARTS)
    assert min(back, tile) > 0.99
    assert max(ink, small, chart) < 0.45
    browser.dark()
    back, ink, tile, small, chart, strip = lightness(browser, *PARTS)
    assert max(back, tile) < 0.15
    assert min(ink, small, chart) > 0.55
    assert strip > 0.99
    # Printing stays on white.
    scheme = {"name": "prefers-color-scheme", "value": "dark"}
    browser.call("Emulation.setEmulatedMedia", media="print", features=[scheme])
    back, ink, tile, small, chart, _ = lightness(browser, *PARTS)
    assert max(ink, small, chart) < 0.45
    assert min(back, tile) > 0.99
    browser.call("Emulation.setEmulatedMedia", media="", features=[])
    assert browser.exceptions == 0, browser.log


# Lightness of a stretch of pixels at the right edge of an element and in its middle, by row.
def edge(browser: Chromium, query: str, tmp_path: Path) -> tuple[float, float]:
    image = pytest.importorskip("PIL.Image")
    browser.value(f"document.querySelector('{query}').scrollIntoView({{block: 'center'}})")
    x, y, wide, high = browser.value(
        f"(() => {{ const r = document.querySelector('{query}').getBoundingClientRect();"
        " return [r.x, r.y, r.width, r.height]; })()"
    )
    browser.picture(tmp_path / "seen.png")
    pixels = np.asarray(image.open(tmp_path / "seen.png").convert("L"), float)[
        round(2 * y) : round(2 * (y + high))
    ]
    right = round(2 * (x + wide))
    return float(np.median(pixels[:, right - 8 : right - 2])), float(np.median(pixels))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("query", [".scroll.wide", ".scroll.strip"])
def test_what_scrolls_on_a_phone_has_a_shadow_until_its_end(
    browser: Chromium, page: str, query: str, dark: bool, tmp_path: Path
) -> None:
    browser.screen(390, 844, phone=True, dark=dark)
    shown(browser, page)
    assert browser.value("document.documentElement.scrollWidth") <= 390
    size: Any = browser.value(
        f"(() => {{ const s = document.querySelector('{query}');"
        " return [s.scrollWidth, s.clientWidth]; })()"
    )
    assert size[0] > size[1] + 100
    more, usual = edge(browser, query, tmp_path)
    assert abs(more - usual) > 25
    browser.value(f"document.querySelector('{query}').scrollLeft = 1e4")
    end, usual = edge(browser, query, tmp_path)
    assert abs(end - usual) < 10


def test_what_does_not_scroll_has_no_shadow(browser: Chromium, page: str, tmp_path: Path) -> None:
    browser.screen(390, 844, phone=True)
    shown(browser, page)
    fits = browser.value(
        "(() => { const s = [...document.querySelectorAll('.scroll')]"
        ".find((s) => s.scrollWidth <= s.clientWidth && s.querySelector('table'));"
        " s.id = 'fits'; return !!s; })()"
    )
    assert fits
    at_edge, usual = edge(browser, "#fits", tmp_path)
    assert abs(at_edge - usual) < 10
