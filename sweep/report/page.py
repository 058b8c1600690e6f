"""Gather everything that a report shows from the store, before any of it is laid out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.io.json import to_json_plotly

from sweep.analysis.strips import picture_names
from sweep.analysis.study_reader import N_BEST, StudyReader
from sweep.analysis.verdict import Verdict
from sweep.catalogue import formats
from sweep.figures import style
from sweep.figures.atlas import atlas_note, gather_pictures
from sweep.figures.figure import ReportSection
from sweep.figures.pictures import PictureRow, cut_strip
from sweep.figures.registry import FIGURES, GatheredFigure, gather_figure, lack_of
from sweep.findings.progress import data_in_words, tally, trial_counts
from sweep.findings.provenance import study_provenance
from sweep.findings.study import StudyFindings, gather_study
from sweep.findings.tables import FindingTable
from sweep.store.handle import StudyHandle, StudyRecord
from sweep.store.records import Reconstruction, StudySummary, TrialRow
from sweep.store.table import TrialTable
from sweep.studyfile import with_trials

_N_INVALID = 50
#: Figures for the first screen; the first that exists is shown.
_FIRST = ("width", "history")
_FIRST_HEIGHT = 440


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A drawn figure, ready for the page."""

    id: str
    title: str
    #: Its finding, or its title if there is none.
    heading: str
    note: str
    drawn: go.Figure

    @property
    def height(self) -> int:
        """Height in pixels."""
        height: int = self.drawn.layout.height
        return height

    @property
    def json(self) -> Markup:
        """JSON for Plotly.newPlot; cannot end its enclosing script element."""
        spec = self.drawn.to_plotly_json() | {"config": dict(style.CONFIG)}
        return Markup(to_json_plotly(spec).replace("<", "\\u003c"))


@dataclass(frozen=True, kw_only=True)
class Page:
    """A report before it is laid out."""

    found: StudyFindings
    #: The data, and the progress.
    about: str
    #: Shown on the first screen.
    first_chart: Chart | None
    #: Originals, and the copies by the best.
    first_pictures: list[PictureRow]
    picture_names: list[str]
    pictures: list[PictureRow]
    #: The best of each width on the same images; empty for a single width.
    atlas: list[PictureRow]
    #: What they show.
    atlas_note: str
    #: All others; empty before any trial has a value.
    charts: Mapping[ReportSection, Sequence[Chart]]
    #: Questions that the study cannot answer, by what they need.
    missing: Mapping[str, Sequence[str]]
    #: The first trials that were marked invalid.
    invalid: list[TrialRow]
    #: With the present number of trials.
    study_file: str
    #: What is needed to repeat the study in addition to its file.
    provenance: FindingTable
    #: When the study began and was last written.
    when: str


def gather_page(handle: StudyHandle) -> Page:
    """Read the study once and compute everything that its report says."""
    reader = StudyReader(handle)
    found = gather_study(reader, n_best=N_BEST)
    study, table, record = found.study, reader.table, reader.record
    # Pictures of a single width are in the report already.
    atlas = reader.atlas if reader.atlas and len(reader.atlas.trials) > 1 else None
    charts, missing = ({}, {}) if np.isnan(table.value).all() else _charts(reader)
    first = next(filter(None, (_take(charts, key) for key in _FIRST)), None)
    pictures = _pictures(handle, record, found.verdict)
    return Page(
        found=found,
        about=_about(record, study, table),
        first_chart=first,
        first_pictures=[pictures[0], pictures[-2]] if pictures else [],
        picture_names=picture_names(record.class_names),
        pictures=pictures,
        atlas=gather_pictures(atlas) if atlas else [],
        atlas_note=atlas_note(atlas) if atlas else "",
        charts=charts,
        missing=missing,
        invalid=_invalid(handle, table),
        study_file=with_trials(record.study_file, study.n_trials),
        provenance=study_provenance(record, handle.workers()),
        when=_when(study),
    )


def _take(charts: Mapping[ReportSection, list[Chart]], figure: str) -> Chart | None:
    """Take a chart out of its section."""
    for of_section in charts.values():
        for place, chart in enumerate(of_section):
            if chart.id == f"chart-{figure}":
                chart.drawn.update_layout(height=_FIRST_HEIGHT)
                return of_section.pop(place)
    return None


def _about(record: StudyRecord, study: StudySummary, table: TrialTable) -> str:
    seconds = float(np.nansum(table.metrics["train_seconds"]))
    trained = f"{formats.duration(seconds)} of training" if seconds else ""
    said = (data_in_words(record), study.phase, tally(trial_counts(study)), trained)
    return " · ".join(filter(None, said))


def _invalid(handle: StudyHandle, table: TrialTable) -> list[TrialRow]:
    numbers = table.numbers[table.invalid][:_N_INVALID].tolist()
    return handle.trials(numbers)


def _when(study: StudySummary) -> str:
    start, end = study.created_at, study.updated_at
    day = "" if end.date() == start.date() else f"{end:%Y-%m-%d} at "
    return f"From {start:%Y-%m-%d} at {start:%H:%M} to {day}{end:%H:%M} UTC."


def _pictures(handle: StudyHandle, record: StudyRecord, found: Verdict | None) -> list[PictureRow]:
    originals = record.originals_png
    if originals is None or found is None:
        return []
    names = picture_names(record.class_names)
    lines = [PictureRow("Originals", "", cut_strip(originals, "Original", names), is_error=False)]
    shown = {"The baseline": found.baseline, "The best": found.best}
    if found.baseline is not None and found.baseline.number == found.best.number:
        shown = {"The best, which is the baseline": found.best}
    strips = handle.reconstructions([row.number for row in shown.values() if row is not None])
    for label, row in shown.items():
        if row is not None and row.number in strips:
            lines += _copies(strips[row.number], label, row, names)
    return lines if len(lines) > 1 else []


def _copies(
    strips: Reconstruction, label: str, row: TrialRow, names: list[str]
) -> list[PictureRow]:
    detail = f"trial {row.number} · test error {formats.number(row.test_mse)}"
    copies = cut_strip(strips.reconstructions_png, f"Copy by trial {row.number}", names)
    errors = cut_strip(strips.errors_png, f"Error of trial {row.number}", names)
    return [
        PictureRow(label, detail, copies, is_error=False),
        PictureRow("Its errors", "white: off by half the scale", errors, is_error=True),
    ]


def _charts(
    reader: StudyReader,
) -> tuple[dict[ReportSection, list[Chart]], dict[str, list[str]]]:
    """Draw every figure of the registry that belongs to the report, by section.

    Also return the questions without an answer, by what they need.
    """
    charts: dict[ReportSection, list[Chart]] = {section: [] for section in ReportSection}
    missing: dict[str, list[str]] = {}
    for figure in FIGURES.values():
        for panel in figure.panels_of(reader):
            found = gather_figure(reader, figure.name, panel.options)
            if found is None:
                missing.setdefault(lack_of(figure, reader), []).append(figure.question)
            elif figure.section:
                charts[figure.section].append(make_chart(panel.id or figure.name, found))
    return charts, missing


def make_chart(key: str, found: GatheredFigure) -> Chart:
    """Draw a figure, with the id ``chart-KEY``."""
    drawn = found.draw()
    if drawn.layout.margin.t is None:  # above the chart stand the buttons to zoom
        drawn.update_layout(margin={"t": 34})
    return Chart(
        id=f"chart-{key}",
        title=found.title,
        heading=found.heading,
        note=found.note,
        drawn=drawn,
    )
