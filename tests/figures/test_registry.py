"""Every figure can be asked for by name, of any study."""

import html
from collections.abc import Iterator
from dataclasses import asdict

import plotly.graph_objects as go
import pytest
from sqlalchemy import Engine

from sweep.analysis.study_reader import StudyReader
from sweep.config import TrialConfig
from sweep.enums import Activation
from sweep.errors import NotFoundError, UsageError
from sweep.figures.figure import stack
from sweep.figures.registry import FIGURES, draw_figure, gather_figure
from sweep.store.handle import StudyHandle, open_study
from tests.support.spectrum_factories import BANDS, by_the_law, pack
from tests.support.store_factories import add_study, add_trial, sqlite_store


@pytest.fixture
def engine(tmp_path) -> Iterator[Engine]:
    engine = sqlite_store(tmp_path)
    yield engine
    engine.dispose()


@pytest.fixture
def study(engine: Engine) -> StudyHandle:
    """A study in which most figures have something to show."""
    study_id = add_study(engine, "study", spectrum_bands=asdict(BANDS))
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
            spectra=pack(by_the_law(1.0, [1, 2])),
            per_class_mse=[0.1] * 10,
            test_bce=0.3,
        )
    return open_study(engine, "study")


def test_a_trial_has_one_colour_in_all_charts_of_the_same_trials(engine: Engine) -> None:
    study_id = add_study(engine, "study", spectrum_bands=asdict(BANDS))
    for number in range(4):
        is_complete = number != 3
        add_trial(
            engine,
            study_id,
            number,
            0.1 if is_complete else None,
            state="COMPLETE" if is_complete else "PRUNED",
            curve=[0.5, 0.1],
            spectra=pack(by_the_law(1.0, [1, 2])) if is_complete else (),
            per_class_mse=[0.1] * 10 if is_complete else None,
        )

    def colours(name: str) -> dict[str, str]:
        """Return the colours of lines or bars by the number in their names."""
        drawn = draw_figure(open_study(engine, "study"), name, trials=(3, 2, 0))
        return {
            next(filter(str.isdigit, of.name)): (
                of.line if of.type == "scatter" else of.marker
            ).color
            for of in drawn.data
        }

    lines = colours("learning")
    assert list(lines) == ["3", "2", "0"]
    assert len({*lines.values()}) == 3
    drawn_in_all = {name: lines[name] for name in ("2", "0")}
    assert colours("front") == colours("classes") == drawn_in_all


#: Of these the study has nothing: one objective, no ablation, no pictures, no worker.
MISSING = {
    *("pareto", "ablation", "factorial", "code", "neighbours"),
    *("pixels_by_width", "classes_by_width", "timeline"),
}


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
def test_a_study_without_trials_is_told_what_a_figure_needs(engine: Engine, name: str) -> None:
    add_study(engine, "empty")
    with pytest.raises(NotFoundError, match=f"nothing to show in figure '{name}': it needs"):
        draw_figure(open_study(engine, "empty"), name)


def test_importances_of_too_few_trials_say_how_many_there_are(engine: Engine) -> None:
    add_study(engine, "empty")
    with pytest.raises(NotFoundError, match="needs 20 finished .* There are 0 finished trials"):
        draw_figure(open_study(engine, "empty"), "importances")


def test_an_option_reaches_its_figure(study: StudyHandle) -> None:
    drawn = draw_figure(study, "slice", setting="activation")
    assert "Activation" in drawn.layout.xaxis.title.text
    with pytest.raises(UsageError, match="unknown setting 'activatoin'. Did you mean 'activation'"):
        draw_figure(study, "slice", setting="activatoin")


@pytest.mark.parametrize("name", sorted({*FIGURES} - MISSING))
def test_a_figure_has_a_title_and_rows_without_being_drawn(study: StudyHandle, name: str) -> None:
    found = gather_figure(StudyReader(study), name)
    assert found is not None and found.title and "<" not in found.title
    (n_rows,) = {len(column) for column in found.rows().values()}
    assert n_rows > 0


@pytest.mark.parametrize("name", sorted({*FIGURES} - MISSING))
def test_a_figure_of_a_notebook_bears_its_title(study: StudyHandle, name: str) -> None:
    found = gather_figure(StudyReader(study), name)
    assert found is not None and html.unescape(found.draw_titled().layout.title.text) == found.title
    assert found.draw().layout.title.text is None


def test_options_may_be_text_as_a_command_has_them(study: StudyHandle) -> None:
    reader = StudyReader(study)
    found = gather_figure(reader, "learning", {"trials": "0,7", "n": "3"})
    assert found is not None and {*found.rows()["trial"]} == {0, 7}
    found = gather_figure(reader, "history", {"between": "5..9"})
    assert found is not None and found.data.finished.numbers.tolist() == [5, 6, 7, 8, 9]


def test_curves_of_a_trial_are_by_seed(study: StudyHandle) -> None:
    found = gather_figure(StudyReader(study), "seeds", {"trial": 3, "curve": "val_mse"})
    assert found is not None and found.title == "Validation error"
    assert [*found.rows()["epoch"]] == [1, 2]


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("widht", {}, "unknown figure 'widht'. Did you mean 'width'"),
        ("slice", {"seting": "loss"}, "option of figure 'slice' 'seting'. Did you mean 'setting'"),
        ("slice", {"metric": "val_msee"}, "unknown metric 'val_msee'. Did you mean 'val_mse'"),
        ("learning", {"n": "many"}, "option n=many of figure 'learning': Input should be"),
        ("learning", {"n": 0}, "greater than or equal to 1"),
        ("history", {"between": "5"}, "option between=5 of figure 'history'"),
        ("contour", {"statistic": "mean"}, "'best' or 'median'"),
        ("timeline", {"between": "a..b"}, "unable to parse string as a number"),
        ("history", {"between": "5..2"}, r"'history': low \(5\) must not be above high \(2\)\."),
        ("history", {"between": "nan..2"}, "must not be above"),
    ],
)
def test_what_cannot_be_is_refused(
    study: StudyHandle, name: str, options: dict[str, object], problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        gather_figure(StudyReader(study), name, options)


def test_a_figure_of_one_width_is_not_drawn(engine: Engine) -> None:
    study_id = add_study(engine, "narrow")
    for number in range(3):
        add_trial(engine, study_id, number, 0.1, config=TrialConfig(hidden_width=8))
    with pytest.raises(NotFoundError, match="it needs finished trials of two widths"):
        draw_figure(open_study(engine, "narrow"), "width")
    with pytest.raises(NotFoundError, match="it needs finished trials with two values"):
        draw_figure(open_study(engine, "narrow"), "slice")


def test_kinds_of_rows_stand_below_one_another() -> None:
    assert stack({"mark": "a", "x": [1, 2]}, {"mark": "b", "x": (3,), "y": [4.0]}, {}) == {
        "mark": ["a", "a", "b"],
        "x": [1, 2, 3],
        "y": [None, None, 4.0],
    }
