"""A report, in a browser."""

from playwright.sync_api import Page

from sweep.report import render
from sweep.store.engine import Engine


def test_in_the_dark_the_words_of_every_axis_are_bright(page: Page, engine: Engine) -> None:
    page.emulate_media(color_scheme="dark")
    page.set_content(render(engine, "small").replace("<details>", "<details open>"))
    page.locator(".xtick text").first.wait_for(state="attached")
    colours = page.evaluate("""() => {
        const fill = (element) => getComputedStyle(element).fill;
        return ["xtick", "ytick", "g-xtitle", "g-ytitle"].map(
            (name) => [...new Set([...document.querySelectorAll(`.${name} text`)].map(fill))]);
    }""")
    assert len(colours[0]) == 1
    assert colours == colours[:1] * 4
