"""Explore in a real browser: what is brushed, filters."""

import re
from contextlib import suppress
from csv import DictReader
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page, expect

from sweep.figures import style
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from tests.support.dashboard_requests import Serve
from tests.support.synthetic import add_study


def open_explore(page: Page, dashboard: str, query: str = "") -> None:
    page.goto(f"{dashboard}/study/small/explore{query}")
    page.locator("#explore-pane .scatterlayer .points path").first.wait_for()
    page.wait_for_load_state(
        "networkidle"
    )  # a chart that is still on its way would take a box along


def draw_box(page: Page) -> None:
    """Over the middle of the lower chart."""
    area = page.locator("#explore-pane .nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.1 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.9 * box["height"])
    page.mouse.up()


def brush(page: Page) -> None:
    """A box that filters; drawn again where a chart that was still on its way took it along."""
    count = page.locator("#explore-passing .count")
    filtered = re.compile(r"\d+ of 60 trials")
    for _ in range(2):
        draw_box(page)
        with suppress(AssertionError):
            expect(count).to_have_text(filtered, timeout=3_000)
            return
    draw_box(page)
    expect(count).to_have_text(filtered)


@pytest.mark.parametrize("query", ["", "?view=history"])
def test_webgl_charts_are_drawn_though_no_text_may_run(
    page: Page, serve: Serve, engine: Engine, query: str
) -> None:
    add_study(engine, "many", 2 * style.WEBGL_POINTS)
    page.goto(f"{serve(engine)}/study/many/explore{query}")
    for chart in ("explore-parallel", "explore-pane"):
        page.locator(f"#{chart} .gl-canvas").first.wait_for()
    expect(page.locator(".no-webgl")).to_have_count(0)


def test_a_box_filters_the_page_and_the_grid_and_stands_in_the_address(
    page: Page, dashboard: str
) -> None:
    open_explore(page, dashboard)
    passing = page.locator("#explore-passing")
    expect(passing).to_contain_text("All 60 trials")
    brush(page)
    expect(page).to_have_url(re.compile("where="))
    left = passing.locator(".count").inner_text()
    assert "hidden_width:" in unquote(page.url)
    page.reload()
    count = passing.locator(".count")
    expect(count).to_have_text(left)
    page.get_by_role("link", name="Trials", exact=True).click()
    expect(page.locator("#trials-count")).to_have_text(left)
    page.get_by_role("link", name="Explore", exact=True).click()
    expect(count).to_have_text(left)
    page.get_by_role("button", name="Show all").click()
    expect(passing).to_contain_text("All 60 trials")
    page.get_by_role("link", name="Trials", exact=True).click()
    expect(page.locator("#trials-count")).to_have_text("60 trials")


def test_a_condition_can_be_taken_off(page: Page, dashboard: str) -> None:
    open_explore(page, dashboard, "?where=activation:tanh,relu;loss:mse")
    page.get_by_role("button", name="Remove: loss mse").click()
    expect(page.get_by_role("button", name="Remove: loss mse")).to_have_count(0)
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("#explore-passing")).to_contain_text("All 60 trials")
    expect(page).not_to_have_url(re.compile("where="))


def test_the_box_stays_when_another_view_was_looked_at(page: Page, dashboard: str) -> None:
    open_explore(page, dashboard)
    drawn = page.locator("#explore-pane .selectionlayer path").first
    for _ in range(3):  # an answer that was under way may still come and take it along
        draw_box(page)
        with suppress(AssertionError):
            expect(drawn).to_be_attached(timeout=3_000)
            break
    expect(drawn).to_be_attached()
    page.locator("#explore-view").get_by_text("Distribution").click()
    expect(page.locator("#explore-pane-title")).to_contain_text("Share of finished trials")
    expect(page.locator("#explore-pane")).to_contain_text("those that pass")
    page.locator("#explore-view").get_by_text("Slice").click()
    expect(page.locator("#explore-pane .selectionlayer path").first).to_be_attached()


def test_ranges_on_the_parallel_axes_filter(page: Page, dashboard: str) -> None:
    open_explore(page, dashboard)
    page.wait_for_function(
        "() => document.querySelector('#explore-parallel .js-plotly-plot').data.length"
    )
    page.evaluate(
        """() => {
            const graph = document.querySelector("#explore-parallel .js-plotly-plot");
            graph.data[0].dimensions[0].constraintrange = [5, 7];
            graph.emit("plotly_restyle", [{ "dimensions[0].constraintrange": [[5, 7]] }, [0]]);
        }"""
    )
    expect(page.get_by_role("button", name="Remove: hidden width 32 to 128")).to_be_visible()


def test_the_grid_shows_the_same_trials(page: Page, dashboard: str) -> None:
    open_explore(page, dashboard, "?where=activation:tanh")
    page.get_by_role("link", name="Show in the grid").click()
    expect(page).to_have_url(re.compile(r"/study/small/trials\?where=activation%3Atanh"))
    expect(page.get_by_role("button", name="Remove: activation tanh")).to_be_visible()


@pytest.mark.parametrize(
    ("graph", "query"),
    [("explore-parallel", ""), ("explore-pane", "?view=contour&x=activation&y=hidden_width")],
)
def test_a_chart_gives_its_data_as_they_were_measured(
    page: Page, dashboard: str, engine: Engine, graph: str, query: str
) -> None:
    page.goto(f"{dashboard}/study/small/explore{query}")
    card = page.locator(".figure-card", has=page.locator(f"#{graph}"))
    arrived = "id => document.querySelector(`#${id} .js-plotly-plot`)?.layout?.meta"
    page.wait_for_function(arrived, arg=graph)
    with page.expect_download() as download:
        card.get_by_role("button", name="CSV").click()
    (best,) = open_study(engine, "small").best(1)
    with download.value.path().open(newline="") as text:
        lines = [*DictReader(text)]
    number = str(best.number)
    line = next(row for row in lines if number in (row.get("trial"), row.get("best_trial")))
    assert float(line.get("value") or line["best_val_mse"]) == pytest.approx(best.value, rel=1e-4)
    assert line["activation"] == best.config["activation"]
    if graph == "explore-parallel":
        assert float(line["hidden_width"]) == best.config["hidden_width"]
        assert float(line["learning_rate"]) == pytest.approx(best.config["learning_rate"], rel=1e-4)
