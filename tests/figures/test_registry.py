"""Every figure can be asked for by name, of any study."""

from collections.abc import Iterator
from contextlib import suppress

import plotly.graph_objects as go
import pytest
from sqlalchemy import Engine

from sweep.config import TrialConfig
from sweep.enums import Activation
from sweep.errors import NotFoundError, UsageError
from sweep.figures.registry import FIGURES, draw_figure
from sweep.store.handle import StudyHandle, open_study
from tests.store_factories import add_study, add_trial, sqlite_store


@pytest.fixture
def engine(tmp_path) -> Iterator[Engine]:
    engine = sqlite_store(tmp_path)
    yield engine
    engine.dispose()


@pytest.fixture
def study(engine: Engine) -> StudyHandle:
    """A study in which most figures have something to show."""
    study_id = add_study(engine, "study")
    for number in range(24):
        width, activation = 8 * 2 ** (number % 5), [*Activation][number % 2]
        add_trial(
            engine,
            study_id,
            number,
            1 / width + number / 1000,
            config=TrialConfig(hidden_width=width, activation=activation),
            params={"hidden_width": width, "activation": str(activation)},
            curve=[0.5, 1 / width],
            per_class_mse=[0.1] * 10,
        )
    return open_study(engine, "study")


#: Of these the study has nothing: one objective, no ablation, no pictures, no worker.
MISSING = {"pareto", "ablation", "code", "pixels_by_width", "classes_by_width", "timeline"}


@pytest.mark.parametrize("name", sorted({*FIGURES} - MISSING))
def test_a_figure_has_marks(study: StudyHandle, name: str) -> None:
    drawn = draw_figure(study, name)
    assert isinstance(drawn, go.Figure)
    assert len(drawn.data) > 0


@pytest.mark.parametrize("name", sorted(MISSING))
def test_a_figure_without_data_says_what_it_needs(study: StudyHandle, name: str) -> None:
    with pytest.raises(NotFoundError, match=f"nothing to show in figure '{name}': it needs"):
        draw_figure(study, name)


@pytest.mark.parametrize("name", FIGURES)
def test_a_study_without_trials_is_no_trouble(engine: Engine, name: str) -> None:
    add_study(engine, "empty")
    with suppress(NotFoundError):
        assert isinstance(draw_figure(open_study(engine, "empty"), name), go.Figure)


def test_an_option_reaches_its_figure(study: StudyHandle) -> None:
    drawn = draw_figure(study, "slice", setting="activation")
    assert "Activation" in drawn.layout.xaxis.title.text
    with pytest.raises(UsageError, match="unknown setting 'activatoin'. Did you mean 'activation'"):
        draw_figure(study, "slice", setting="activatoin")
