"""Trials side by side in a browser."""

import re

from playwright.sync_api import Page, expect

from sweep.store import annotate
from sweep.store.engine import Engine
from tests.support.dashboard_requests import Serve

COMPARE = "/study/small/compare"


def test_a_number_that_is_no_trial_is_told_and_one_that_is_stands_in_the_address(
    dashboard: str, page: Page
) -> None:
    page.goto(dashboard + COMPARE + "?trials=1,2")
    heads = page.locator(".compare-table thead th")
    expect(heads).to_have_count(2)
    box = page.locator("#compare-trials")
    box.fill("999")
    box.press("Enter")
    expect(page.get_by_text("This study has no trial 999.")).to_be_visible()
    expect(heads).to_have_count(2)
    box.fill("5")
    box.press("Enter")
    expect(page.get_by_role("link", name="Trial 5", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile(r"trials=1%2C2%2C5"))


def test_pictures_stand_under_the_originals_and_common_settings_can_be_left_out(
    dashboard: str, page: Page
) -> None:
    page.goto(dashboard + COMPARE)
    shown = page.locator(".compare-pictures img")
    expect(shown.first).to_be_visible()
    n_trials = page.locator(".compare-table thead th").count()
    # Two cards of originals and all trials, and one of originals and all but the first.
    assert shown.count() == 2 * (1 + n_trials) + n_trials
    page.wait_for_load_state("networkidle")
    assert shown.evaluate_all("all => all.every(one => one.loading && one.src.includes('/api/'))")
    common = page.get_by_role("rowheader", name="Batch size")
    expect(common).to_be_visible()
    page.get_by_role("switch").check(force=True)
    expect(common).to_have_count(0)
    expect(page).to_have_url(re.compile("only=1"))


def test_a_note_arrives_while_the_page_is_open(engine: Engine, serve: Serve, page: Page) -> None:
    page.goto(serve(engine) + COMPARE + "?trials=1,2")
    expect(page.locator(".compare-table")).to_be_visible()
    annotate.note(engine, "small", "this one", 2)
    expect(page.get_by_text("this one")).to_be_visible()
