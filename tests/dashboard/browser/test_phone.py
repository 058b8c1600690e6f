"""To look, on a phone."""

import re
from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from sweep.config import TrialConfig
from sweep.enums import Optimizer
from sweep.store.engine import Engine
from tests.support.store_factories import add_explanation

PAGES = ["", "/why", "/trials", "/trials/1", "/compare", "/explore", "/workers"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_as_wide_as_the_phone_and_leads_to_all_others(
    page: Page, dashboard: str, path: str
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{dashboard}/study/small{path}")
    page.locator(".page").first.wait_for()
    expect(page.locator(".study-name")).to_be_in_viewport(ratio=1)
    header = page.locator(".header").bounding_box()
    assert header and header["height"] < 60
    page.locator("#show-pages").click()
    for tab in ("Overview", "Why", "Trials", "Compare", "Explore", "Workers"):
        expect(page.locator("#navigation").get_by_role("link", name=tab)).to_be_in_viewport(ratio=1)
    page.wait_for_load_state("networkidle")
    # A chart is as wide as Plotly makes it until it is fitted.
    page.wait_for_function("() => document.documentElement.scrollWidth <= 390", timeout=20_000)


def test_no_words_of_the_waterfall_are_cut_off(page: Page, dashboard: str, engine: Engine) -> None:
    """Beside its labels the axis is so short that its title stuck out of the chart."""
    ends = TrialConfig(), TrialConfig(optimizer=Optimizer.RMSPROP, learning_rate=0.0021177)
    add_explanation(engine, "small", *ends, {ends[0]: (0.09, 0.08), ends[1]: (0.05, 0.06)})
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{dashboard}/study/small/why")
    chart = page.locator("#why-waterfall .main-svg").first
    chart.locator(".xtick text").first.wait_for()
    outer = chart.bounding_box()
    words = chart.locator(".xtitle, .xtick text, .ytick text").all()
    boxes = [box for of in words if (box := of.bounding_box())]
    assert outer and len(boxes) > 3
    for box in boxes:
        assert outer["x"] <= box["x"] and box["x"] + box["width"] <= outer["x"] + outer["width"]


def test_parallel_axes_keep_room_for_their_names(page: Page, dashboard: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{dashboard}/study/small/explore")
    names = page.locator("#explore-parallel .axis-title")
    names.first.wait_for()
    boxes = [box for name in names.all() if (box := name.bounding_box())]
    ends = [(box["x"], box["x"] + box["width"]) for box in sorted(boxes, key=lambda box: box["x"])]
    assert len(ends) == 6
    assert all(end <= begin for (_, end), (begin, _) in pairwise(ends))


def test_every_chart_of_explore_can_be_chosen(page: Page, dashboard: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{dashboard}/study/small/explore")
    names = page.locator("#explore-view label")
    names.last.wait_for()
    # Not scrolled into view: only a script could do that where the rest is hidden.
    boxes = [box for name in names.all() if (box := name.bounding_box())]
    assert len(boxes) > 4
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)


def test_the_first_trial_stands_high_and_the_controls_unfold(page: Page, dashboard: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{dashboard}/study/small/trials")
    row = page.locator("#trials-grid [row-index='0'] a[data-soft]")
    row.wait_for()
    box = row.bounding_box()
    assert box and box["y"] < 260
    expect(page.get_by_text("Columns ▾")).to_be_hidden()
    page.get_by_role("button", name="Controls").click()
    expect(page.get_by_text("Columns ▾")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("#trials-grid [row-index='1'] .ag-cell-focus")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Trial", exact=False)).to_be_visible()
    expect(page).to_have_url(re.compile(r"/trials/\d+$"))
