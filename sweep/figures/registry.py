"""Register every figure of a study by name, for pages, reports, notebooks and commands."""

from collections.abc import Mapping
from inspect import Parameter, signature
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import plotly.graph_objects as go
from pydantic import TypeAdapter, ValidationError

from sweep.analysis.floors import Floors
from sweep.analysis.study_floors import study_floors
from sweep.analysis.study_reader import StudyReader
from sweep.errors import NotFoundError, UsageError
from sweep.figures import (
    atlas,
    best_so_far,
    classes,
    codes,
    contour,
    edf,
    factorial,
    front,
    history,
    importances,
    intermediate,
    learning,
    neighbours,
    parallel,
    pareto,
    seeds,
    slices,
    style,
    timeline,
    waterfall,
    width,
    width_law,
)
from sweep.figures.figure import Columns, Figure, check_name
from sweep.figures.spreadsheet import csv_text
from sweep.store.handle import StudyHandle

#: In the order of the report's sections.
_ALL: tuple[Figure[Any], ...] = (
    pareto.FIGURE,
    width.FIGURE,
    width_law.FIGURE,
    width.ENTROPY,
    front.FIGURE,
    factorial.FIGURE,
    waterfall.FIGURE,
    codes.FIGURE,
    neighbours.FIGURE,
    classes.FIGURE,
    atlas.CLASSES,
    atlas.PIXELS,
    importances.FIGURE,
    slices.FIGURE,
    contour.FIGURE,
    parallel.FIGURE,
    history.FIGURE,
    edf.FIGURE,
    best_so_far.FIGURE,
    learning.FIGURE,
    intermediate.FIGURE,
    timeline.FIGURE,
    seeds.FIGURE,
)
FIGURES: Mapping[str, Figure[Any]] = {figure.name: figure for figure in _ALL}


class GatheredFigure(NamedTuple):
    """A figure with the data of a study; it is drawn only when ``draw`` is called."""

    figure: Figure[Any]
    data: Any

    @property
    def title(self) -> str:
        """Return the title as plain text."""
        title = self.figure.title
        return title if isinstance(title, str) else title(self.data)

    @property
    def note(self) -> str:
        """Describe what it shows and what is missing; may be empty."""
        return self.figure.note(self.data)

    @property
    def heading(self) -> str:
        """Return its finding, or its title if there is none."""
        return self.figure.finding(self.data) or self.title

    def rows(self) -> Columns:
        """Return the data as tidy columns of equal lengths, one row per mark."""
        return self.figure.rows(self.data)

    def csv(self) -> str:
        """Return the rows as CSV with one header."""
        columns = self.rows()
        return csv_text([columns, *zip(*map(_plain, columns.values()), strict=True)])

    def draw(self) -> go.Figure:
        """Draw the data, without a title."""
        return self.figure.draw(self.data)

    def draw_titled(self) -> go.Figure:
        """Draw the data below the title and, where that is short, the note."""
        return style.add_title(self.draw(), self.title, self.note)


def _plain(column: Any) -> list[Any]:
    """Convert NumPy's numbers to Python's, which are formatted differently."""
    return [of.item() if hasattr(of, "item") else of for of in column]


def find_figure(name: str) -> Figure[Any]:
    """Look a figure up. Raises UsageError that suggests the most similar name."""
    return FIGURES[check_name(name, FIGURES, "figure")]


def options_of(figure: Figure[Any]) -> Mapping[str, Parameter]:
    """Return the options that a figure takes, by name."""
    return dict(list(signature(figure.gather).parameters.items())[1:])


def gather_figure(
    reader: StudyReader, name: str, options: Mapping[str, Any] | None = None
) -> GatheredFigure | None:
    """Gather a figure's data; None if the study lacks what it needs.

    Raises UsageError for an unknown figure, option or value. Values may be text.
    """
    figure = find_figure(name)
    data = figure.gather(reader, **_check(figure, options or {}))
    return None if data is None else GatheredFigure(figure, data)


def _check(figure: Figure[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    checked, taken = {}, options_of(figure)
    for name, value in options.items():
        option = taken[check_name(name, taken, f"option of figure '{figure.name}'")]
        try:
            checked[name] = TypeAdapter(option.annotation).validate_python(value)
        except ValidationError as error:
            problem = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise UsageError(
                f"option {name}={value} of figure '{figure.name}': {problem}."
            ) from error
    return checked


def require_figure(
    reader: StudyReader, name: str, options: Mapping[str, Any] | None = None
) -> GatheredFigure:
    """Gather a figure's data. Raises NotFoundError if the study lacks what it needs."""
    found = gather_figure(reader, name, options)
    if found is None:
        lack = lack_of(FIGURES[name], reader)
        raise NotFoundError(
            f"study '{reader.study.name}' has nothing to show in figure '{name}': {lack}"
        )
    return found


def lack_of(figure: Figure[Any], reader: StudyReader) -> str:
    """Say what a figure needs that the study lacks, and which study would have it."""
    return f"it needs {figure.needs}. {figure.remedy(reader)}".strip()


#: Floors by handle, for notebooks that draw one figure after another.
_FLOORS: "WeakKeyDictionary[StudyHandle, Floors | None]" = WeakKeyDictionary()


def draw_figure(study: StudyHandle, name: str, **options: object) -> go.Figure:
    """Draw a study's figure. Raises UsageError for an unknown name, NotFoundError for no data."""
    return require_figure(StudyReader(study, _remembered_floors), name, options).draw_titled()


def _remembered_floors(study: StudyHandle) -> Floors | None:
    if study not in _FLOORS:
        _FLOORS[study] = study_floors(study, keep=False)
    return _FLOORS[study]
