"""Why the error stops, in a browser."""

import math
import re

from playwright.sync_api import Page, expect

from sweep.config import TrialConfig
from sweep.store import annotate
from sweep.store.engine import Engine
from tests.support.store_factories import add_explanation, add_seed_errors, add_trial

WHY = "/study/small/why"
ENDS = (TrialConfig(), TrialConfig(epochs=50, hidden_width=1024))
BETWEEN = [TrialConfig(epochs=50), TrialConfig(hidden_width=1024)]


def test_the_slider_over_the_width_shows_one_width_and_the_address_keeps_it(
    page: Page, dashboard: str
) -> None:
    page.goto(dashboard + WHY)
    page.locator(".why-stage").first.wait_for(state="attached")
    shown = page.locator(".why-stage:not([hidden])")
    expect(shown).to_have_count(1)
    expect(shown.locator("img.strip-picture")).to_have_count(2)
    first = shown.locator("b").inner_text()
    thumb = page.locator("#why-at [role=slider]")
    thumb.focus()
    thumb.press("Home")
    expect(shown).to_have_count(1)
    narrowest = shown.locator("b")
    expect(narrowest).not_to_have_text(first)
    width = narrowest.inner_text().removesuffix(" units").replace(",", "")
    expect(page).to_have_url(re.compile(rf"\?width={width}$"))
    page.reload()
    expect(shown.locator("b")).to_have_text(f"{int(width):,} units")


def test_the_words_the_chart_and_the_labels_come(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/study/small")
    page.locator("#overview-strip").wait_for()
    page.keyboard.press("y")
    expect(page.locator("#why-words")).to_contain_text("has the best copies")
    expect(page.locator("#why-limits tbody tr").first).to_be_visible()
    expect(page.locator("#why-ties")).to_contain_text("sweep ties small --run")
    page.locator("#why-width .scatterlayer .points path").first.wait_for()
    page.locator("#why-by").click()
    page.get_by_role("option", name="by activation").click()
    expect(page.locator("#why-width .legend")).to_contain_text("relu")
    expect(page).to_have_url(re.compile(r"by=activation"))


def test_what_codes_tell_is_drawn_over_their_widths(page: Page, dashboard: str) -> None:
    page.goto(dashboard + WHY)
    page.locator("#why-code .scatterlayer .points path").first.wait_for()
    low, high, *widths = page.evaluate("""() => {
        const chart = document.querySelector("#why-code .js-plotly-plot");
        const codes = chart._fullData.find((trace) => trace.name.startsWith("code"));
        return [...chart._fullLayout.xaxis.range, ...codes.x].map(Number);
    }""")
    logs = [math.log10(width) for width in widths]
    assert low <= min(logs) <= max(logs) <= high
    assert high - low < max(logs) - min(logs) + 2


def test_an_explanation_is_followed_while_its_study_trains(
    page: Page, dashboard: str, engine: Engine
) -> None:
    page.goto(dashboard + WHY)
    causes = page.locator("#why-causes")
    expect(causes).to_contain_text("sweep explain small --run")
    errors = {ENDS[0]: (0.09, 0.08), BETWEEN[0]: (0.03, 0.04), BETWEEN[1]: (0.05, 0.06)}
    study_id = add_explanation(engine, "small", *ENDS, errors)
    expect(causes).to_contain_text("Not complete yet")
    trial_id = add_trial(engine, study_id, 3, 0.015, config=ENDS[1])
    add_seed_errors(engine, trial_id, (0.01, 0.02))
    annotate.note(engine, "small-explain", "ended", 3)
    expect(causes).to_contain_text("2 of 2 seeds give this whole order")
    expect(page.locator("#why-waterfall-back .bars path")).to_have_count(4)
