"""Every chart of every page can be taken away: as a picture, as a drawing, as its data."""

import csv
import io
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, TimeoutError

ALL_DRAWN = """n => {
    const all = [...document.querySelectorAll(".figure-card")];
    const cards = all.filter((card) => card.offsetParent);
    const drawn = ".point, .points path, .js-line, .parcoords";
    return cards.length >= n && cards.every((card) => card.querySelector(drawn));
}"""


@pytest.mark.parametrize(
    ("path", "n_charts"),
    [("", 3), ("/trials/1", 4), ("/compare", 2), ("/explore", 2)],
    ids=["overview", "trial", "compare", "explore"],
)
def test_each_chart_downloads_as_png_svg_and_csv(
    page: Page, dashboard: str, path: str, n_charts: int
) -> None:
    page.goto(f"{dashboard}/study/small{path}")
    page.wait_for_function(ALL_DRAWN, arg=n_charts)
    cards = page.locator(".figure-card").filter(visible=True).all()
    assert len(cards) == n_charts
    for card in cards:
        picture = Image.open(io.BytesIO(download(page, card, "PNG")), formats=["PNG"])
        # On the ground of its card: grey text on none is unreadable in a dark viewer.
        assert picture.convert("RGBA").getchannel("A").getextrema() == (255, 255)
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
        assert download(page, card, "SVG").startswith(b"<svg")
        header, *rows = csv.reader(io.StringIO(download(page, card, "CSV").decode()))
        assert rows and {len(row) for row in rows} == {len(header)}
        assert any(cell.replace(".", "").isdigit() for cell in rows[0])


def test_a_click_before_the_data_have_come_is_no_error(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/study/small/explore")
    page.wait_for_function(ALL_DRAWN, arg=2)
    page.evaluate("delete document.querySelector('.js-plotly-plot').layout.meta")
    page.locator(".figure-card").first.get_by_role("button", name="as CSV").click()


def download(page: Page, card: Locator, kind: str) -> bytes:
    button = card.get_by_role("button", name=f"as {kind}")
    # A browser forgets a click after five seconds and then holds a further download back: on a slow
    # machine a picture may take that long. Whoever waits for it clicks again.
    for patience in (20_000, 20_000, 40_000):
        try:
            with page.expect_download(timeout=patience) as found:
                button.click()
            break
        except TimeoutError:
            if patience == 40_000:
                raise
    assert found.value.suggested_filename.endswith(kind.lower())
    return Path(found.value.path()).read_bytes()
