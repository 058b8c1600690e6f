"""The overview in a real browser."""

import re

from playwright.sync_api import Page, Route, expect

from sweep.dashboard.app import PULSE_MILLISECONDS
from sweep.dashboard.view import View
from sweep.store import annotate
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from tests.support.dashboard_requests import Serve
from tests.support.store_factories import add_trial


def marks_of(page: Page, graph: str) -> int:
    """How many marks the chart has drawn."""
    return page.locator(f"#{graph} .scatterlayer .points path").count()


def test_the_page_draws_what_was_found_and_no_chart_offers_to_leave_the_machine(
    page: Page, dashboard: str
) -> None:
    page.goto(f"{dashboard}/study/small")
    expect(page.get_by_role("heading", level=1)).to_contain_text("has the best copies")
    expect(page.locator("#overview-strip")).to_contain_text("of 60 trials")
    expect(page.locator("#overview-history .scatterlayer")).to_be_visible()
    expect(page.locator("#overview-importances .barlayer")).to_be_visible()
    assert marks_of(page, "overview-history") > 40
    expect(page.locator("img.poster")).to_be_hidden()
    page.locator("#overview-history .modebar").wait_for(state="attached")
    page.locator("#overview-importances .modebar").wait_for(state="attached")
    titles = page.locator(".modebar-btn").evaluate_all(
        "buttons => buttons.map(button => button.getAttribute('data-title') || '')"
    )
    assert any("PNG" in title for title in titles)
    assert [title for title in titles if "hare" in title or "loud" in title or "ogo" in title] == []


def test_a_mark_leads_to_its_trial(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/study/small")
    page.locator("#overview-history .scatterlayer .points path").first.wait_for()
    page.evaluate(
        """() => {
            const graph = document.querySelector("#overview-history .js-plotly-plot");
            graph.emit("plotly_click", { points: [{ customdata: 17, data: {}, fullData: {} }] });
        }"""
    )
    expect(page).to_have_url(re.compile("/study/small/trials/17$"))
    page.go_back()
    expect(page.locator("#overview-history .scatterlayer")).to_be_visible()


def test_what_is_written_arrives_without_a_reload(
    page: Page, dashboard: str, engine: Engine, view: View
) -> None:
    page.goto(f"{dashboard}/study/small")
    best = open_study(engine, "small").summary().best_number
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Trial {best} ")
    page.locator("#overview-history .scatterlayer").wait_for()
    assert best is not None
    annotate.invalidate(engine, "small", best)
    second = open_study(engine, "small").summary().best_number
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Trial {second} ")
    expect(page.locator(".ranking").get_by_role("link", name=str(best), exact=True)).to_have_count(
        0
    )


def test_the_error_is_chosen_and_stands_in_the_address(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/study/small")
    page.locator("#overview-metric").get_by_text("Cross-entropy").click()
    expect(page.locator("#overview-width")).to_contain_text("BCE, nats per pixel")
    expect(page).to_have_url(re.compile(r"\?error=bce$"))
    page.reload()
    expect(page.locator("#overview-width")).to_contain_text("BCE, nats per pixel")


def test_a_key_compares_the_best(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/study/small")
    page.locator(".ranking").wait_for()
    page.keyboard.press("c")
    expect(page).to_have_url(re.compile(r"/study/small/compare\?trials="))


def test_news_leave_the_zoom_alone(page: Page, serve: Serve, engine: Engine) -> None:
    # The words above push the chart down when they come, out of a lower window.
    page.set_viewport_size({"width": 1280, "height": 1400})
    page.goto(f"{serve(engine)}/study/small")
    chart = page.locator("#overview-history .js-plotly-plot")
    chart.wait_for()
    page.wait_for_load_state("networkidle")
    zoom = "graph => graph._fullLayout.xaxis.range.map(Math.round).join()"
    whole = chart.evaluate(zoom)
    box = chart.locator(".nsewdrag").bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 80, middle[1] + 60, steps=5)
    page.mouse.up()
    zoomed = chart.evaluate(zoom)
    assert zoomed != whole
    n_marks = "graph => graph._fullData.find(of => of.name === 'finished').x.length"
    before = chart.evaluate(n_marks)
    add_trial(engine, 1, 60, 0.01)
    for _ in range(40):
        page.wait_for_timeout(100)
        if chart.evaluate(n_marks) > before:
            break
    assert chart.evaluate(n_marks) == before + 1
    assert chart.evaluate(zoom) == zoomed


def test_a_pulse_before_the_charts_are_laid_out_is_no_error(page: Page, dashboard: str) -> None:
    """On a slow machine the pulse beat before the importances were there, and Dash complained."""
    held = hold(page, "overview-figures.children")
    page.goto(f"{dashboard}/study/small")
    page.locator("#overview-strip").wait_for()
    page.wait_for_timeout(2 * PULSE_MILLISECONDS + 200)
    held.pop().continue_()
    expect(page.locator("#overview-importances .barlayer .point").first).to_be_visible(
        timeout=15_000
    )


def test_the_drawn_history_stands_in_until_the_chart_has_marks(page: Page, dashboard: str) -> None:
    held = hold(page, "overview-history.figure")
    page.goto(f"{dashboard}/study/small")
    page.locator("#overview-history .main-svg").first.wait_for(state="attached")
    expect(page.locator("img.poster")).to_be_visible()
    held.pop().continue_()
    page.locator("#overview-history .scatterlayer .points path").first.wait_for()
    expect(page.locator("img.poster")).to_be_hidden()


def hold(page: Page, output: str) -> list[Route]:
    """Keep the requests of a callback back, to be continued later."""
    held: list[Route] = []

    def answer(route: Route) -> None:
        if output in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    page.route("**/_dash-update-component?*", answer)
    return held
