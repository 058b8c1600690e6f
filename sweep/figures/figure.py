"""Define a figure of the registry: question, gathering, drawing, and its place in the report."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import numpy as np
import plotly.graph_objects as go
from pydantic import AfterValidator, BeforeValidator

from sweep.analysis.study_reader import StudyReader
from sweep.errors import UsageError
from sweep.figures import style
from sweep.figures.axes import Axis
from sweep.store.table import TrialTable

#: Columns of equal lengths, by name: lists, tuples or arrays.
Columns = Mapping[str, Any]


#: Gathered data of a figure, before it is drawn.
DataT = TypeVar("DataT")


class ReportSection(StrEnum):
    """Ids of the report sections that have figures."""

    BEST = "best"
    WIDTH = "width"
    CAUSES = "causes"
    CODE = "code"
    PICTURES = "pictures"
    ATLAS = "atlas"
    SETTINGS = "settings"
    SEARCH = "search"


class Tab(StrEnum):
    """Dashboard pages that show figures."""

    OVERVIEW = "Overview"
    WHY = "Why"
    EXPLORE = "Explore"
    TRIAL = "Trial"
    COMPARE = "Compare"
    COMPARE_STUDIES = "Compare studies"


class Side(NamedTuple):
    """A column along one side of a chart."""

    column: str
    #: None for unchanged numbers and for words, which ``names`` lists.
    axis: Axis | None = None
    #: By index.
    names: tuple[str, ...] = ()
    #: Whether single numbers are drawn by index, as in the cells of a map.
    in_cells: bool = False
    #: Added to a number as drawn.
    offset: float = 0.0


class Panel(NamedTuple):
    """A drawing of a figure in a report."""

    options: Mapping[str, Any] = {}
    #: Part of its HTML id; empty for the figure's name.
    id: str = ""


def _one_panel(_: StudyReader) -> Sequence[Panel]:
    return [Panel()]


@dataclass(frozen=True, kw_only=True)
class Figure(Generic[DataT]):
    """An entry of the registry."""

    #: Name for ``Study.figure`` and ``sweep figure``.
    name: str
    question: str
    #: On the switch between figures of which a page shows one at a time; empty for others.
    label: str = ""
    #: Plain text.
    title: str | Callable[[DataT], str]
    #: Precondition, to follow "it needs".
    needs: str
    #: Names the study that would meet it, if possible; a sentence.
    remedy: Callable[[StudyReader], str] = lambda _: ""
    #: Called with a StudyReader and the options that its docstring names; None if there is nothing
    #: to show. Options are checked against their annotations.
    gather: Callable[..., DataT | None]
    #: Without a title.
    draw: Callable[[DataT], go.Figure]
    #: Sentences below the chart; may be empty.
    note: Callable[[DataT], str] = lambda _: ""
    #: The columns along its sides, by which a box on it is a filter; None if boxes have no meaning.
    sides: Callable[[DataT], tuple[Side, Side] | None] = lambda _: None
    #: Objectives that a study needs for it to apply.
    n_objectives: int = 1
    #: The data as tidy columns, one row per mark.
    rows: Callable[[DataT], Columns]
    #: The result in one line, the heading of the figure in a report; empty if there is none.
    finding: Callable[[DataT], str] = lambda _: ""
    #: Its report section, in the order of the registry; None for nowhere.
    section: ReportSection | None = None
    #: Its drawings in a report; empty if it does not apply to a study.
    panels: Callable[[StudyReader], Sequence[Panel]] = _one_panel
    pages: tuple[Tab, ...]
    #: With more trials, zooming in shows grouped ones, if it has the option ``between``.
    most_marks: int = style.MAX_MARKS

    def panels_of(self, reader: StudyReader) -> Sequence[Panel]:
        """List its drawings in a report of this study."""
        return self.panels(reader) if self.section and self.applies(reader.whole) else []

    def applies(self, table: TrialTable) -> bool:
        """Tell whether it is a figure for studies like this one, whatever its trials."""
        return len(table.objectives) >= self.n_objectives


#: Options of ``gather`` that are the name of a setting, and of a measured number.
Setting = Annotated[str, "setting"]
Metric = Annotated[str, "metric"]


def _ends(value: Any) -> Any:
    return value.split("..") if isinstance(value, str) else value


def _in_order(ends: tuple[float, float]) -> tuple[float, float]:
    low, high = ends
    if not low <= high:
        raise ValueError(f"low ({low:g}) must not be above high ({high:g})")
    return ends


#: Both ends of a range; as text ``LOW..HIGH``.
Span = Annotated[tuple[float, float], BeforeValidator(_ends), AfterValidator(_in_order)]


def _list_of_kind(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


#: Numbers of trials; as text ``0,7,12``.
Trials = Annotated[tuple[int, ...], BeforeValidator(_list_of_kind)]


#: Names of studies; as text ``A,B``.
Names = Annotated[tuple[str, ...], BeforeValidator(_list_of_kind)]


def check_name(given: str, names: Iterable[str], what: str) -> str:
    """Return the name. Raises UsageError for an unknown one, and suggests the most similar."""
    names = list(names)
    if given in names:
        return given
    close = difflib.get_close_matches(given, names, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    raise UsageError(f"unknown {what} '{given}'.{hint} Known: {', '.join(names) or 'none'}.")


def stack(*parts: Mapping[str, Any]) -> Columns:
    """Stack rows of several kinds; single values are repeated in each row of their part."""
    names = dict.fromkeys(name for part in parts for name in part)
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for part in parts:
        lists = {name: _as_list(of) for name, of in part.items()}
        n_rows = max((len(of) for of in lists.values() if of is not None), default=0)
        for name in names:
            found = lists.get(name)
            columns[name] += [part.get(name)] * n_rows if found is None else found
    return columns


def _as_list(of: Any) -> list[Any] | None:
    if isinstance(of, np.ndarray):
        values: list[Any] = of.tolist()
        return values
    return list(of) if isinstance(of, list | tuple) else None
