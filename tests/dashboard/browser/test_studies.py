"""The page of all studies, in a real browser."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from sweep.dashboard.parts import moments
from sweep.store import annotate
from sweep.store.engine import Engine
from tests.support.dashboard_requests import Serve
from tests.support.store_factories import add_study, add_trial


def test_a_study_is_found_and_opened(page: Page, dashboard: str, engine: Engine) -> None:
    add_study(engine, "other")
    page.goto(dashboard)
    expect(page.locator("#studies-rows tr")).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("sma")
    expect(page.locator("#studies-rows tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?search=sma$"))
    page.reload()
    expect(page.locator("#studies-rows tr")).to_have_count(1)
    page.get_by_role("link", name="small").click()
    expect(page).to_have_url(re.compile("/study/small$"))


def test_heads_sort_and_the_address_keeps_it(page: Page, dashboard: str, engine: Engine) -> None:
    add_study(engine, "empty")
    page.goto(dashboard)
    first = page.locator("#studies-rows .study-link").first
    page.get_by_role("button", name="Study").click()
    expect(first).to_have_text("empty")
    page.get_by_role("button", name="Study").click()
    expect(first).to_have_text("small")
    expect(page.get_by_role("columnheader", name="Study")).to_have_attribute(
        "aria-sort", "descending"
    )
    expect(page).to_have_url(re.compile(r"\?sort=-name$"))
    page.reload()
    expect(first).to_have_text("small")


def test_what_is_written_arrives_without_a_reload(
    page: Page, dashboard: str, engine: Engine
) -> None:
    study_id = add_study(engine, "live", n_trials=2)
    page.goto(dashboard)
    live = page.locator("#studies-rows tr", has_text="live")
    expect(live).to_contain_text("0 of 2 done")
    add_trial(engine, study_id, 0, 0.125)
    expect(live).to_contain_text("1 of 2 done")
    expect(live).to_contain_text("0.1250")
    add_study(engine, "newcomer")
    expect(page.locator("#studies-rows tr")).to_have_count(3)


def test_the_first_study_takes_the_place_of_the_empty_page(
    page: Page, dashboard: str, engine: Engine
) -> None:
    annotate.delete_study(engine, "small")
    page.goto(dashboard)
    expect(page.get_by_text("No studies yet")).to_be_visible()
    expect(page.locator("#studies-table")).to_be_hidden()
    add_study(engine, "first")
    expect(page.get_by_role("link", name="first")).to_be_visible()
    expect(page.get_by_text("No studies yet")).to_be_hidden()


def test_how_long_ago_grows_without_a_request(page: Page, serve: Serve, engine: Engine) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(serve(engine))
    moment = page.locator("#studies-rows time")
    expect(moment).to_have_text(re.compile(" d ago$"))
    page.evaluate("document.querySelector('#studies-rows time').dataset.ago = 0")
    expect(moment).to_have_text(re.compile("^[1-9] s ago$"))
    # The page itself was asked for, and nothing after it.
    assert sum("_dash-update-component" in url for url in asked) == 1


def test_names_of_studies_are_text(page: Page, dashboard: str, engine: Engine) -> None:
    add_study(engine, "<img src=x onerror=alert(1)>", description="<script>alert(2)</script>")
    page.goto(dashboard)
    expect(page.get_by_text("<script>alert(2)</script>")).to_be_visible()
    page.get_by_role("link", name="<img src=x").click()
    expect(page).to_have_url(re.compile("/study/%3Cimg"))
    assert page.locator("img[src=x]").count() == 0


def test_ticked_studies_are_compared_and_the_address_holds_them(
    page: Page, dashboard: str, engine: Engine
) -> None:
    add_trial(engine, add_study(engine, "other"), 0, 0.1)
    page.goto(dashboard)
    for name in ("small", "other"):
        page.get_by_label(f"Compare {name}").check()
    expect(page).to_have_url(re.compile(r"selected=small%2Cother"))
    page.reload()  # the choice is in the address
    expect(page.get_by_label("Compare other")).to_be_checked()
    page.get_by_role("link", name="Compare selected (2)").click()
    expect(page).to_have_url(re.compile(r"/compare\?studies=small%2Cother"))
    expect(page.get_by_role("heading", name="What each found")).to_be_visible()
    expect(page.locator("#compared-seconds .legendtext")).to_have_text(["small", "other"])


def test_ages_are_counted_from_the_servers_and_not_by_this_computers_clock(page: Page) -> None:
    page.set_content('<time data-ago="59.5" dateTime="2026-01-01T00:00:00+00:00">59 s ago</time>')
    page.evaluate("Date.now = () => 0")
    page.add_script_tag(path=Path(moments.__file__).parents[1] / "assets" / "moments.js")
    expect(page.locator("time")).to_have_text("1 min ago")
