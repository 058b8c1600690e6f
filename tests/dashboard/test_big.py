"""At 10,000 trials no answer that carries data is over a megabyte, and the first ones are small."""

from pathlib import Path

import pytest

from sweep.dashboard.app import page
from sweep.dashboard.links import COMPARE, EXPLORE, OVERVIEW, STUDIES, TRIALS, WHY, WORKERS, Place
from sweep.dashboard.pages import explore, overview, why
from sweep.dashboard.parts import views
from sweep.dashboard.view import PageReader, View
from sweep.findings.study import gather_study
from sweep.store.engine import Engine
from tests.support.pages import as_json

MEGABYTE = 1_000_000
STUDY = "big"


@pytest.fixture(scope="module")
def view(big: Engine) -> View:
    return View(engine=big)


@pytest.mark.parametrize("name", [STUDIES, OVERVIEW, WHY, TRIALS, COMPARE, EXPLORE, WORKERS])
def test_the_first_answer_of_a_page_is_small(view: View, name: str) -> None:
    place = Place(name, None if name == STUDIES else STUDY)
    assert len(as_json(page(view, place))) < MEGABYTE / 4


def test_the_charts_of_the_overview_are_under_a_megabyte(view: View) -> None:
    for figure in (
        overview.history_figure(view, STUDY),
        overview.width_figure(view, STUDY, "mse"),
        overview.width_figure(view, STUDY, "bce"),
    ):
        assert 1_000 < len(figure.drawn.to_json()) < MEGABYTE


def test_the_parts_of_why_are_under_a_megabyte(view: View) -> None:
    reader = PageReader(view, STUDY)
    found = gather_study(reader)
    parts = (
        why.verdict(view, found),
        why.draw_trained(reader, found, None)[1],
        why.width_figure(view, STUDY, "activation").drawn,
        why.atlas_parts(view, STUDY, None),
    )
    assert found.probes is not None and len(found.probes.best) > 10
    for part in parts:
        assert 1_000 < len(as_json(part)) < MEGABYTE


@pytest.mark.parametrize("kind", sorted(views.VIEWS))
def test_the_charts_of_explore_are_under_a_megabyte(view: View, kind: str) -> None:
    if kind not in views.views_of(view.table(STUDY)):
        return
    drawn = explore.pane_figure(PageReader(view, STUDY), kind, [None] * 3, None).drawn
    assert 1_000 < len(drawn.to_json()) < MEGABYTE


def test_the_parallel_axes_are_under_a_megabyte(view: View) -> None:
    drawn = explore.parallel_figure(PageReader(view, STUDY)).drawn
    assert 1_000 < len(drawn.to_json()) < MEGABYTE


def test_a_block_of_the_grid_is_small(view: View, tmp_path: Path) -> None:
    from sweep.dashboard import create_app

    client = create_app(view.engine).server.test_client()
    answer = client.get(f"/api/trials?study={STUDY}&where=&columns=&sort=value&first=5000&rows=100")
    assert answer.status_code == 200
    assert 1_000 < len(answer.data) < MEGABYTE / 4
