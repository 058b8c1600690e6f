"""Every figure of a study by name: a function of a handle that gathers and draws."""

import difflib
from collections.abc import Callable, Mapping
from typing import NamedTuple
from weakref import WeakKeyDictionary

import plotly.graph_objects as go

from sweep import datasets
from sweep.analysis.floors import Floors
from sweep.analysis.importances import importances
from sweep.analysis.study_atlas import atlas_by_width
from sweep.analysis.study_explanation import study_explanation
from sweep.analysis.study_floors import study_floors
from sweep.analysis.study_usefulness import UsefulnessReader
from sweep.analysis.verdict import baseline_number, best_number
from sweep.errors import NotFoundError, UsageError
from sweep.figures import usefulness
from sweep.figures.atlas import draw_by_width, gather_class_errors, gather_kind_errors
from sweep.figures.classes import draw_classes, gather_classes
from sweep.figures.contour import draw_contour, gather_contour
from sweep.figures.edf import draw_edf, gather_edf
from sweep.figures.history import draw_history, gather_history
from sweep.figures.importances import draw_importances, gather_importances
from sweep.figures.intermediate import choose_curves, draw_intermediate, gather_intermediate
from sweep.figures.learning import draw_curves, gather_curves
from sweep.figures.parallel import draw_lines, gather_lines
from sweep.figures.pareto import draw_front, gather_front
from sweep.figures.slices import draw_slice, gather_slice
from sweep.figures.timeline import draw_timeline, gather_timeline
from sweep.figures.waterfall import draw_waterfall, gather_waterfall
from sweep.figures.width import Metric, draw_width, gather_width
from sweep.figures.width_law import draw_width_law, gather_width_law
from sweep.store.handle import StudyHandle
from sweep.store.table import TrialTable

#: Floors by handle; None where they cannot be computed.
_FLOORS: "WeakKeyDictionary[StudyHandle, Floors | None]" = WeakKeyDictionary()


class FigureEntry(NamedTuple):
    """A figure that can be asked for by name."""

    #: Takes a handle and the options that its docstring names; None where nothing can be drawn.
    draw: Callable[..., go.Figure | None]
    #: Precondition of the figure.
    needs: str = "a trial that finished"


def draw_figure(study: StudyHandle, name: str, **options: object) -> go.Figure:
    """Draw a study's figure. Raises UsageError for an unknown name, NotFoundError for no data."""
    entry = FIGURES.get(name)
    if entry is None:
        raise UsageError(_unknown("figure", name, FIGURES))
    drawn = entry.draw(study, **options)
    if drawn is None:
        raise NotFoundError(
            f"study '{study.name}' has nothing to show in figure '{name}': it needs {entry.needs}."
        )
    return drawn


def _unknown(what: str, given: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(given, known, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return f"unknown {what} '{given}'.{hint} Known: {', '.join(known)}."


def _history(study: StudyHandle) -> go.Figure | None:
    """Value of each trial, and the best so far."""
    return draw_history(gather_history(study.table()))


def _width(study: StudyHandle, metric: Metric = "test_mse") -> go.Figure | None:
    """Error over hidden width and the lower bound; ``metric``: test_mse or test_bce."""
    return draw_width(gather_width(study.table(), _floors(study), metric=metric))


def _width_law(study: StudyHandle, setting: str | None = None) -> go.Figure | None:
    """Power law of the error over hidden width; ``setting``: one line a choice of it."""
    found = gather_width_law(study.table(), _floors(study), setting)
    return draw_width_law(found) if found.errors.widths.size > 1 else None


def _importances(study: StudyHandle) -> go.Figure | None:
    """Share of the variation of the value that each setting explains."""
    bars = gather_importances(importances(study.table(), study.domains()), study.name)
    return draw_importances(bars) if bars.names else None


def _slice(study: StudyHandle, setting: str = "hidden_width") -> go.Figure | None:
    """Value over one ``setting``."""
    table = study.table()
    return draw_slice(gather_slice(table, _setting(table, setting), table.objectives[0]))


def _contour(study: StudyHandle, x: str | None = None, y: str | None = None) -> go.Figure | None:
    """Value over two settings, ``x`` and ``y``; by default the two most important ones."""
    table = study.table()
    if x is None or y is None:
        bars = gather_importances(importances(table, study.domains()), study.name)
        others = [setting for setting in bars.settings if setting not in (x, y)]
        chosen = [of for of in (x, y) if of is not None] + others
        if len(chosen) < 2:
            return None
        x, y = chosen[:2]
    settings = _setting(table, x), _setting(table, y)
    return draw_contour(gather_contour(table, *settings, table.objectives[0]))


def _parallel(study: StudyHandle) -> go.Figure | None:
    """One line a trial through all settings and the value."""
    lines = gather_lines(study.table())
    return draw_lines(lines) if lines.dimensions else None


def _edf(study: StudyHandle) -> go.Figure | None:
    """Share of the trials below each value."""
    table = study.table()
    return draw_edf(gather_edf({study.name: table})) if table.counting.any() else None


def _pareto(study: StudyHandle) -> go.Figure | None:
    """Trials by two objectives, and the Pareto front."""
    front = gather_front(study.table())
    return draw_front(front) if front else None


def _learning(study: StudyHandle, n: int = 6) -> go.Figure | None:
    """Learning curves of the ``n`` best trials."""
    best, baseline = study.best(n), baseline_number(study.table())
    curves = gather_curves(best, study.curves([row.number for row in best]), baseline)
    return draw_curves(curves) if curves else None


def _intermediate(study: StudyHandle) -> go.Figure | None:
    """Learning curves of many trials, and where pruning ended them."""
    table = study.table()
    numbers = choose_curves(table)
    return draw_intermediate(gather_intermediate(study.curves(numbers), table)) if numbers else None


def _classes(study: StudyHandle) -> go.Figure | None:
    """Test error by class of image, of the best trial and the baseline."""
    table = study.table()
    numbers = {"best": best_number(table), "baseline": baseline_number(table)}
    rows = {row.number: row for row in study.trials([n for n in numbers.values() if n is not None])}
    trials = {f"{what} (trial {n})": rows[n] for what, n in numbers.items() if n in rows}
    class_names = datasets.class_names(study.record().dataset)
    errors = gather_classes(trials, class_names, numbers["baseline"])
    return draw_classes(errors) if errors.classes else None


def _classes_by_width(study: StudyHandle) -> go.Figure | None:
    """Test error of each class of image over hidden width."""
    atlas = atlas_by_width(study, study.table())
    return draw_by_width(gather_class_errors(atlas)) if atlas and atlas.by_class else None


def _pixels_by_width(study: StudyHandle) -> go.Figure | None:
    """Error at black, white and other pixels over hidden width."""
    atlas = atlas_by_width(study, study.table())
    return draw_by_width(gather_kind_errors(atlas)) if atlas and atlas.trials else None


def _code(study: StudyHandle) -> go.Figure | None:
    """How well classifiers tell the labels from the codes, over hidden width."""
    found = UsefulnessReader(study).look(study.table())
    return usefulness.draw(usefulness.gather(found)) if found else None


def _ablation(study: StudyHandle, reverse: bool = False) -> go.Figure | None:
    """Ablation path from the baseline to the best trial, or back with ``reverse``."""
    found = study_explanation(study, best_number(study.table()))
    return draw_waterfall(gather_waterfall(found, reverse=reverse)) if found else None


def _timeline(study: StudyHandle) -> go.Figure | None:
    """When each worker trained which trial."""
    timeline = gather_timeline(study.table())
    is_empty = timeline.busy is None and not timeline.bars.numbers.size
    return None if is_empty else draw_timeline(timeline)


def _floors(study: StudyHandle) -> Floors | None:
    if study not in _FLOORS:
        _FLOORS[study] = study_floors(study, keep=False)
    return _FLOORS[study]


def _setting(table: TrialTable, name: str) -> str:
    if name not in table.settings:
        raise UsageError(_unknown("setting", name, table.settings))
    return name


_PROBED = "a trial whose network is analysed (`sweep analyse`)"

#: What ``sweep.Study.figure`` knows.
FIGURES: Mapping[str, FigureEntry] = {
    "history": FigureEntry(_history),
    "width": FigureEntry(_width),
    "width_law": FigureEntry(_width_law, "finished trials of two widths"),
    "importances": FigureEntry(_importances, "finished trials that differ in a setting"),
    "slice": FigureEntry(_slice),
    "contour": FigureEntry(_contour, "finished trials that differ in two settings"),
    "parallel": FigureEntry(_parallel),
    "edf": FigureEntry(_edf),
    "pareto": FigureEntry(_pareto, "two objectives"),
    "learning": FigureEntry(_learning),
    "intermediate": FigureEntry(_intermediate, "a trial with an epoch"),
    "classes": FigureEntry(_classes, "a trial measured by class"),
    "classes_by_width": FigureEntry(_classes_by_width, "trials measured by class"),
    "pixels_by_width": FigureEntry(_pixels_by_width, "trials with pictures"),
    "code": FigureEntry(_code, _PROBED),
    "ablation": FigureEntry(_ablation, "an ablation path (`sweep explain --run`)"),
    "timeline": FigureEntry(_timeline, "a trial that began"),
}
