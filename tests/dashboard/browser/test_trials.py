"""The grid of trials in a browser."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from sweep.store.engine import Engine
from tests.support.dashboard_requests import Serve
from tests.support.store_factories import add_study as add_empty_study
from tests.support.store_factories import add_trial
from tests.support.synthetic import add_study

GRID = "/study/small/trials"


def numbers(page: Page) -> Locator:
    """The trials' numbers, in the order of the rows."""
    return page.locator(".ag-pinned-left-cols-container .ag-row [col-id=number] a")


def choose(page: Page, number: int) -> None:
    row = page.locator(f".ag-pinned-left-cols-container .ag-row[row-id='{number}']")
    row.locator("input[type=checkbox]").click()


def visible(page: Page) -> list[int]:
    """The numbers, from the top row down."""
    rows = page.locator(".ag-pinned-left-cols-container .ag-row")
    found = rows.evaluate_all(
        "rows => rows.map(row => [+row.getAttribute('row-index'), +row.getAttribute('row-id')])"
    )
    return [number for _, number in sorted(found)]


def test_typing_filters_and_the_address_keeps_it(dashboard: str, page: Page) -> None:
    page.goto(dashboard + GRID)
    expect(page.locator("#trials-count")).to_have_text("60 trials")
    page.keyboard.press("/")
    page.keyboard.type("relu state:COMPLETE")
    page.keyboard.press("Enter")
    expect(page.locator("#trials-count")).to_have_text(re.compile(r"^\d+ of 60 trials$"))
    expect(page).to_have_url(re.compile("where=activation%3Arelu%3Bstate%3ACOMPLETE"))
    page.reload()
    expect(page.locator(".chip")).to_have_count(2)
    page.get_by_role("button", name="Remove: activation relu").click()
    expect(page).to_have_url(re.compile(r"where=state%3ACOMPLETE$"))


def test_what_cannot_be_filtered_by_is_told_until_it_is_mended(dashboard: str, page: Page) -> None:
    page.goto(dashboard + GRID)
    box = page.get_by_label("Filter trials")
    box.fill("rleu")
    box.press("Enter")
    expect(page.get_by_text("Did you mean 'relu'?")).to_be_visible()
    expect(box).to_have_value("rleu")
    box.fill("relu")
    box.press("Enter")
    expect(page.get_by_text("Did you mean")).to_have_count(0)
    expect(page.locator("#problem")).to_be_empty()


def test_a_click_on_a_heading_orders_all_trials(dashboard: str, page: Page) -> None:
    page.goto(dashboard + GRID + "?where=number:10..14")
    expect(numbers(page)).to_have_count(5)
    page.locator(".ag-header-cell[col-id=number] .ag-header-cell-label").click()
    page.locator(".ag-header-cell[col-id=number] .ag-header-cell-label").click()
    expect(page).to_have_url(re.compile("sort=-number"))
    page.wait_for_function(
        "() => dash_ag_grid.getApi('trials-grid').getDisplayedRowAtIndex(0)?.id == 14"
    )
    assert visible(page) == [14, 13, 12, 11, 10]


def test_what_is_selected_can_be_compared(dashboard: str, page: Page) -> None:
    page.goto(dashboard + GRID + "?sort=number")
    expect(numbers(page).first).to_be_visible()
    for number in (1, 3):
        choose(page, number)
    expect(page.locator("#trials-compare")).to_have_text("Compare selected (2)")
    page.keyboard.press("c")
    expect(page).to_have_url(re.compile(r"/compare\?trials=1%2C3"))
    expect(page.get_by_role("columnheader", name="Trial 3")).to_be_visible()


def test_a_page_that_is_being_left_writes_into_no_address_but_its_own(
    dashboard: str, page: Page
) -> None:
    # What was selected a moment before the next page's address stood there.
    page.goto(dashboard + GRID)
    expect(numbers(page).first).to_be_visible()
    found = page.evaluate(
        """() => {
            const address = window.dash_clientside.sweep.address;
            address({ sort: "number" }, "/study/small/trials");
            const own = location.search;
            history.pushState({}, "", "/study/small/compare?trials=1");
            address({ sort: "number", selected: "1" }, "/study/small/trials");
            return [own, location.pathname + location.search];
        }"""
    )
    assert found == ["?sort=number", "/study/small/compare?trials=1"]


def test_more_than_fit_side_by_side_are_refused(dashboard: str, page: Page) -> None:
    page.goto(dashboard + GRID + "?sort=number&selected=0,1,2,3,4,5,6,7")
    expect(page.locator("#trials-compare")).to_have_attribute("href", re.compile("compare"))
    choose(page, 8)
    expect(page.locator("#trials-compare-note")).to_contain_text("take 1 away")
    page.keyboard.press("c")
    expect(page).to_have_url(re.compile("/trials"))


def test_news_leave_scroll_and_selection_alone(engine: Engine, serve: Serve, page: Page) -> None:
    study_id = add_study(engine, "big", 3000)
    page.goto(serve(engine) + "/study/big/trials?sort=number&selected=4")
    expect(page.locator("#trials-count")).to_have_text("3,000 trials")
    page.evaluate("dash_ag_grid.getApi('trials-grid').ensureIndexVisible(1200, 'top')")
    expect(numbers(page).filter(has_text="1205")).to_be_visible()
    choose(page, 1205)
    add_trial(engine, study_id, 3000, 0.5)
    expect(page.locator("#trials-count")).to_have_text("3,001 trials")
    expect(numbers(page).filter(has_text="1205")).to_be_visible()
    expect(page.locator(".ag-row-selected[row-id='1205']").first).to_be_visible()
    expect(page).to_have_url(re.compile("selected=4%2C1205"))


def test_columns_come_and_go(dashboard: str, page: Page) -> None:
    page.goto(dashboard + GRID + "?columns=number,state")
    expect(page.locator(".ag-header-cell[col-id=state]")).to_be_visible()
    page.get_by_role("button", name="Columns").click()
    page.get_by_label("Batch size").check()
    expect(page.locator(".ag-row [col-id=batch_size]").first).to_have_text("128")
    page.get_by_label("State", exact=True).uncheck()
    expect(page.locator(".ag-header-cell[col-id=state]")).to_have_count(0)
    expect(page).to_have_url(re.compile("columns=number%2Cbatch_size"))


def test_a_group_leads_to_its_trials(dashboard: str, page: Page) -> None:
    page.goto(dashboard + GRID + "?group=activation")
    row = page.locator(".group-table tbody tr").filter(has_text="tanh")
    n_trials = row.locator("td").nth(1).inner_text()
    row.get_by_role("button").click()
    expect(page.locator("#trials-count")).to_have_text(f"{n_trials} of 60 trials")


def test_the_csv_is_of_what_is_shown(dashboard: str, page: Page) -> None:
    page.goto(dashboard + GRID + "?where=number:3..5&sort=-number&columns=number,loss")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert download.value.suggested_filename == "small-trials.csv"
    assert [line.split(",")[0] for line in lines] == ["number", "5", "4", "3"]


def test_the_first_trial_arrives_in_an_empty_grid(engine: Engine, serve: Serve, page: Page) -> None:
    study_id = add_empty_study(engine, "new")
    page.goto(serve(engine) + "/study/new/trials")
    expect(page.locator("#trials-count")).to_have_text("No trial yet.")
    add_trial(engine, study_id, 0, 0.5)
    expect(page.locator("#trials-count")).to_have_text("1 trial")
    expect(numbers(page)).to_have_count(1)
