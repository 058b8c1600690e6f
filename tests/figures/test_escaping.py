"""What anybody called anything is text in a chart, though Plotly would make links of it."""

import dataclasses
import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from sweep.config import TrialConfig
from sweep.figures import style
from sweep.figures.atlas import ErrorsByWidth, draw_by_width
from sweep.figures.classes import ClassErrors, draw_classes
from sweep.figures.contour import draw_contour, gather_contour
from sweep.figures.edf import draw_edf, gather_edf
from sweep.figures.learning import Curve, draw_curves
from sweep.figures.parallel import draw_lines, gather_lines
from sweep.figures.seeds import SeedChart, SeedLine, draw_seeds
from sweep.figures.slices import draw_slice, gather_slice
from sweep.figures.timeline import draw_timeline, gather_timeline
from sweep.figures.waterfall import Waterfall, draw_waterfall
from sweep.figures.width_law import draw_width_law, gather_width_law
from sweep.store import schema
from sweep.store.engine import Engine, write_transaction
from sweep.store.table import TrialTable
from tests.support.dashboard_requests import dashboard_of, targets
from tests.support.page_client import components_of
from tests.support.store_factories import change_study_file, sqlite_store, trial_row, trial_table
from tests.support.synthetic import add_study

LINK = '<a href="https://evil.example/">x</a>%{y}'


def test_escaped_text_comes_back_as_it_was() -> None:
    title = style.add_title(style.figure("x", "y"), LINK, LINK).layout.title
    for text in (title.text, title.subtitle.text):
        assert html.unescape(text) == LINK
        assert "<a" not in text and "%{" not in text


def name_words(text: str) -> TrialTable:
    """Trials whose words are all of somebody's choosing."""
    rows = [
        trial_row(
            number=number,
            values=(0.1 + number / 100,),
            worker=f"{text}{number % 2}",
            config=TrialConfig(
                hidden_width=8 << number % 4,
                activation=f"{text}{number % 3}",  # type: ignore[arg-type]
                loss=text,  # type: ignore[arg-type]
            ),
        )
        for number in range(24)
    ]
    return trial_table(*rows)


def mark_searched(table: TrialTable) -> TrialTable:
    return dataclasses.replace(table, searched=("activation", "hidden_width"))


EMPTY: dict[str, Any] = {"factors": [None, None], "low": [None] * 2, "high": [None] * 2}

CHARTS = {
    "slice": lambda: draw_slice(gather_slice(name_words(LINK), "activation")),
    "contour": lambda: draw_contour(gather_contour(name_words(LINK), "activation", "hidden_width")),
    "edf": lambda: draw_edf(gather_edf({LINK: name_words(LINK)})),
    "timeline": lambda: draw_timeline(gather_timeline(name_words(LINK))),
    "parallel": lambda: draw_lines(gather_lines(mark_searched(name_words(LINK)))),
    "width law": lambda: draw_width_law(gather_width_law(name_words(LINK), split="activation")),
    "learning": lambda: draw_curves([Curve(0, LINK, [1], [0.1], style.BLUE, False)]),
    "classes": lambda: draw_classes(ClassErrors([LINK], {LINK: [0.1]}, {LINK: style.BLUE})),
    "seeds": lambda: draw_seeds(SeedChart(LINK, LINK, [SeedLine(LINK, [1], [0.1])], None)),
    "nothing": lambda: draw_seeds(SeedChart(LINK, LINK, [], None, empty=LINK)),
    "floor": lambda: draw_seeds(
        SeedChart(LINK, LINK, [SeedLine(LINK, [1], [0.1])], None, 0.1, LINK)
    ),
    "atlas": lambda: draw_by_width(
        ErrorsByWidth([8, 16], [0, 1], {LINK: [0.2, 0.1]}, {LINK: 16}, 1, "")
    ),
    "waterfall": lambda: draw_waterfall(
        Waterfall(LINK, [LINK, "b"], [2.0, 1.0], [2.0, 1.0], hovers=["", ""], about="", **EMPTY)
    ),
}


@pytest.mark.parametrize("chart", CHARTS)
def test_no_name_is_a_link_in_a_chart(chart: str) -> None:
    drawn = CHARTS[chart]()
    assert style.escape(LINK)[:5] in drawn.to_json().replace("\\u003c", "<")
    assert links_in(drawn.to_plotly_json()) == []


def links_in(value: Any) -> list[str]:
    """Texts that Plotly would make more of than a line break and bold letters."""
    match value:
        case str():
            plain = value
            for known in ("<br>", "<b>", "</b>", "<extra>", "</extra>"):
                plain = plain.replace(known, "")
            return [value] if "<" in plain else []
        case dict():
            return [of for inner in value.values() for of in links_in(inner)]
        case list() | tuple():
            return [of for inner in value for of in links_in(inner)]
    return []


def hostile(folder: Path) -> Engine:
    """A study that calls everything so."""
    engine = sqlite_store(folder)
    add_study(engine, "study", 40)
    with write_transaction(engine) as connection:
        trials = schema.sweep_trials
        for row in connection.execute(trials.select()).all():
            told = {"worker": f"{LINK}{row.trial_id % 3}", "reason": LINK}
            connection.execute(update(trials).where(trials.c.trial_id == row.trial_id).values(told))
    change_study_file(engine, "study", {"data": {"name": LINK}})
    return engine


def test_no_name_is_a_link_in_any_figure_of_a_page(tmp_path: Path) -> None:
    heard: list[Any] = []
    dashboard = dashboard_of(hostile(tmp_path), heard)
    for target in targets("study"):
        dashboard.open(target)
    kind = "application/json"
    told = [answer.json() for answer in heard if answer.headers["content-type"] == kind]
    found = [*figures(told)]
    assert len(found) > 20
    assert [links_in(figure) for figure in found if links_in(figure)] == []
    assert "&lt;a href" in json.dumps(found)


def figures(answers: list[Any]) -> Iterator[Any]:
    """Those in layouts, and those that callbacks answer."""
    for answer in answers:
        props = [of["props"] for of in components_of(answer)]
        props += answer.get("response", {}).values() if isinstance(answer, dict) else []
        yield from (of["figure"] for of in props if "figure" in of)
