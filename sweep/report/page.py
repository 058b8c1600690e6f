"""Everything that a report shows, gathered from the store before any of it is laid out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from sweep.analysis.floors import ROUNDING
from sweep.analysis.strips import picture_names
from sweep.analysis.study_reader import N_BEST, StudyReader
from sweep.analysis.verdict import Verdict
from sweep.catalogue import formats
from sweep.figures import style
from sweep.figures.atlas import atlas_note, gather_pictures
from sweep.figures.figure import ReportSection
from sweep.figures.pictures import PictureRow, cut
from sweep.figures.registry import FIGURES, GatheredFigure, gather_figure, lack_of
from sweep.findings.progress import tally, trained_on, trial_counts
from sweep.findings.study import StudyFindings, gather_study
from sweep.report.facts import facts_of
from sweep.store.handle import StudyHandle, StudyRecord
from sweep.store.records import Reconstruction, StudySummary, TrialRow
from sweep.store.table import TrialTable
from sweep.studyfile import with_trials

_N_INVALID = 50


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A number of the summary strip."""

    label: str
    value: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A drawn figure, ready for the page."""

    title: str
    html: Markup
    note: str = ""
    #: Needs room: scrolls sideways on a narrow screen.
    is_wide: bool = False


class SectionCharts(NamedTuple):
    """The figures of a section."""

    charts: list[Chart]
    #: Questions that the study has not enough for, by what they need.
    missing: dict[str, list[str]]

    def __bool__(self) -> bool:
        return bool(self.charts)


@dataclass(frozen=True, kw_only=True)
class Page:
    """A report before it is laid out."""

    found: StudyFindings
    tiles: list[Tile]
    picture_names: list[str]
    pictures: list[PictureRow]
    #: The best of each width on the same images; empty where there is but one.
    atlas: list[PictureRow]
    #: What they tell.
    atlas_note: str
    #: Empty before any trial has a value.
    charts: Mapping[ReportSection, SectionCharts]
    #: The first of those that were marked so.
    invalid: list[TrialRow]
    #: With the trials it has now.
    study_file: str
    #: Label and value, what is needed to repeat the study besides its file.
    facts: list[tuple[str, str]]
    #: Data set and numbers of images.
    trained_on: str
    #: When the study began and was last written.
    when: str


def gather_page(handle: StudyHandle) -> Page:
    """Read the study once and work out everything its report says."""
    reader = StudyReader(handle)
    found = gather_study(reader, n_best=N_BEST)
    study, table, record = found.study, reader.table, reader.record
    # Pictures of a single width stand in the report already.
    atlas = reader.atlas if reader.atlas and len(reader.atlas.trials) > 1 else None
    return Page(
        found=found,
        tiles=_tiles(study, table, found.verdict),
        picture_names=picture_names(record.class_names),
        pictures=_pictures(handle, record, found.verdict),
        atlas=gather_pictures(atlas) if atlas else [],
        atlas_note=atlas_note(atlas) if atlas else "",
        charts={} if np.isnan(table.value).all() else _charts(reader),
        invalid=_invalid(handle, table),
        study_file=with_trials(record.study_file, study.n_trials),
        facts=facts_of(record, handle.workers()),
        trained_on=trained_on(record),
        when=_when(study),
    )


def _invalid(handle: StudyHandle, table: TrialTable) -> list[TrialRow]:
    numbers = table.numbers[table.invalid][:_N_INVALID].tolist()
    return handle.trials(numbers)


def _when(study: StudySummary) -> str:
    start, end = study.created_at, study.updated_at
    day = "" if end.date() == start.date() else f"{end:%Y-%m-%d} at "
    return f"From {start:%Y-%m-%d} at {start:%H:%M} to {day}{end:%H:%M} UTC."


def _tiles(study: StudySummary, table: TrialTable, found: Verdict | None) -> list[Tile]:
    tiles = [] if found is None else _verdict_tiles(found)
    trained = float(np.nansum(table.metrics["train_seconds"]))
    total = sum(study.counts.values())
    tiles.append(Tile(label="Trials", value=f"{total:,}", detail=tally(trial_counts(study))))
    if trained:
        rate = study.trials_per_second
        pace = "" if not rate else f"{formats.number(rate, 2)} trials/s lately"
        tiles.append(Tile(label="Training time", value=formats.duration(trained), detail=pace))
    return tiles


def _verdict_tiles(found: Verdict) -> list[Tile]:
    best, tiles = found.best, []
    if best.test_mse is not None:
        psnr = f" · {formats.number(best.psnr)} dB" if best.psnr is not None else ""
        detail = f"trial {best.number}{psnr}"
        tiles.append(
            Tile(label="Best test error", value=formats.number(best.test_mse), detail=detail)
        )
    if found.baseline is not None and found.baseline.number != best.number and found.times_better:
        tiles.append(
            Tile(
                label="Less error",
                value=f"{formats.number(found.times_better, 2)}×",
                detail=f"than the baseline’s {formats.number(found.baseline.test_mse)}",
            )
        )
    if found.floor is not None:
        tiles.append(
            Tile(
                label="PCA floor",
                value="0" if found.floor < ROUNDING else formats.number(found.floor),
                detail=f"with {best.hidden_width:,} components",
            )
        )
    if best.exact_pixel_share is not None:
        share = formats.percent(best.exact_pixel_share)
        tiles.append(Tile(label="Exact pixels", value=share, detail="of the best trial"))
    return tiles


def _pictures(handle: StudyHandle, record: StudyRecord, found: Verdict | None) -> list[PictureRow]:
    originals = record.originals_png
    if originals is None or found is None:
        return []
    names = picture_names(record.class_names)
    lines = [PictureRow("Originals", "", cut(originals, "Original", names), is_error=False)]
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
    copies = cut(strips.reconstructions_png, f"Copy by trial {row.number}", names)
    errors = cut(strips.errors_png, f"Error of trial {row.number}", names)
    return [
        PictureRow(label, detail, copies, is_error=False),
        PictureRow("Its errors", "white: off by half the scale", errors, is_error=True),
    ]


def _charts(reader: StudyReader) -> dict[ReportSection, SectionCharts]:
    """Every figure of the registry that has a place in the report, by section."""
    sections = {section: SectionCharts([], {}) for section in ReportSection}
    for figure in FIGURES.values():
        if figure.section is None:
            continue
        charts, missing = sections[figure.section]
        for panel in figure.panels(reader):
            found = gather_figure(reader, figure.name, panel.options)
            if found is None:
                missing.setdefault(lack_of(figure, reader), []).append(figure.question)
            else:
                charts.append(make_chart(panel.id or figure.name, found))
    return sections


def make_chart(key: str, found: GatheredFigure) -> Chart:
    """Draw a figure as HTML with the id ``chart-KEY``, without plotly.js."""
    drawn = found.draw()
    if drawn.layout.margin.t is None or style.subtitle_of(drawn):
        drawn.update_layout(margin={"t": 34})
    html = drawn.update_layout(title=None).to_html(
        full_html=False,
        include_plotlyjs=False,
        config=dict(style.CONFIG),
        div_id=f"chart-{key}",
        default_width="100%",
    )
    note = " ".join(filter(None, (found.note, found.figure.hint)))
    return Chart(title=found.title, html=Markup(html), note=note, is_wide=found.figure.is_wide)
