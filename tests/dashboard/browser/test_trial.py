"""The page of a trial, in a real browser."""

import re

from playwright.sync_api import Page, expect

from sweep.store import annotate
from sweep.store.engine import Engine, write_transaction
from tests.support.store_factories import add_curve, add_study, add_trial


def test_everything_of_a_trial_is_on_its_page_and_its_settings_are_copied(
    page: Page, dashboard: str
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{dashboard}/study/small/trials/1")
    expect(page.get_by_role("heading", name="Trial 1", exact=True)).to_be_visible()
    for card in ("Diagnosis", "Settings", "Reconstructions", "Provenance", "Validation error"):
        expect(page.get_by_role("heading", name=card, exact=True)).to_be_visible()
    expect(page.locator("#trial-error .main-svg").first).to_be_visible()
    expect(page.locator("#trial-pictures img")).to_have_count(3)
    page.get_by_role("button", name="Copy as TOML").click()
    expect(page.get_by_role("button", name="copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("[[enqueue]]\nhidden_width = ")


def test_keys_lead_to_the_next_and_the_previous_trial_and_compare_with_the_best(
    page: Page, dashboard: str
) -> None:
    page.goto(f"{dashboard}/study/small/trials/0")
    expect(page.get_by_role("heading", name="Trial 0", exact=True)).to_be_visible()
    page.keyboard.press("j")
    expect(page.get_by_role("heading", name="Trial 1", exact=True)).to_be_visible()
    page.keyboard.press("k")
    expect(page).to_have_url(re.compile("/trials/0$"))
    expect(page.get_by_role("heading", name="Trial 0", exact=True)).to_be_visible()
    page.get_by_role("link", name="Compare with the best").wait_for()
    page.keyboard.press("c")
    expect(page).to_have_url(re.compile(r"/study/small/compare\?trials=\d+%2C0$"))


def test_a_running_trial_grows_before_the_reader_keeping_the_zoom(
    page: Page, dashboard: str, engine: Engine
) -> None:
    study_id = add_study(engine, "live", phase="running")
    trial_id = add_trial(engine, study_id, 0, state="RUNNING", curve=[0.4, 0.3], seeds=[1, 2])
    page.goto(f"{dashboard}/study/live/trials/0")
    page.locator("#trial-error .scatterlayer .points path").first.wait_for()
    chart = "document.querySelector('#trial-error .js-plotly-plot')"
    whole = page.evaluate(f"{chart}.layout.xaxis.range")
    for _ in range(5):  # a chart that is just being fitted to its card loses the drag
        _zoom(page)
        page.wait_for_timeout(300)
        if page.evaluate(f"{chart}.layout.xaxis.range") != whole:
            break
    zoomed = page.evaluate(f"{chart}.layout.xaxis.range")
    assert zoomed != whole
    with write_transaction(engine) as connection:
        add_curve(connection, trial_id, [0.4, 0.3, 0.2], seed_index=1)
    annotate.note(engine, "live", "so that the revision moves", 0)
    page.wait_for_function(f"() => {chart}.data.length >= 2")
    assert page.evaluate(f"{chart}.layout.xaxis.range") == zoomed


def _zoom(page: Page) -> None:
    """Drag over a part of the chart, as people do."""
    chart = page.locator("#trial-error .nsewdrag")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40, steps=5)
    page.mouse.up()


def test_a_trial_that_is_not_there_is_told(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/study/small/trials/999")
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
