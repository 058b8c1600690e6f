"""Everything that a report shows, gathered from the store before any of it is laid out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from sweep import datasets
from sweep.analysis.atlas import Atlas
from sweep.analysis.floors import Floors
from sweep.analysis.importances import importances
from sweep.analysis.strips import picture_names
from sweep.analysis.study_atlas import atlas_by_width
from sweep.analysis.study_diagnosis import DiagnosedTrial, best_of_widths, diagnose_trials
from sweep.analysis.study_explanation import (
    StudyExplanation,
    explained_in,
    ignored,
    study_explanation,
)
from sweep.analysis.study_floors import study_floors
from sweep.analysis.study_ties import study_ties
from sweep.analysis.study_usefulness import UsefulnessReader
from sweep.analysis.ties import TieSet
from sweep.analysis.usefulness import Usefulness
from sweep.analysis.verdict import Verdict, best_number, study_verdict
from sweep.analysis.width_law import width_errors, width_law
from sweep.figures import style, usefulness, words
from sweep.figures.atlas import (
    atlas_note,
    draw_by_width,
    gather_class_errors,
    gather_kind_errors,
    gather_pictures,
)
from sweep.figures.classes import draw_classes, gather_classes
from sweep.figures.contour import draw_contour, gather_contour
from sweep.figures.edf import draw_edf, gather_edf
from sweep.figures.history import draw_history, gather_history
from sweep.figures.importances import draw_importances, gather_importances
from sweep.figures.intermediate import choose_curves, draw_intermediate, gather_intermediate
from sweep.figures.learning import draw_curves, gather_curves
from sweep.figures.parallel import draw_lines, gather_lines
from sweep.figures.pareto import draw_front, gather_front
from sweep.figures.pictures import PictureRow, cut
from sweep.figures.slices import draw_slice, gather_slice
from sweep.figures.timeline import draw_timeline, gather_timeline
from sweep.figures.waterfall import draw_waterfall, gather_waterfall
from sweep.figures.width import draw_width, gather_width
from sweep.figures.width_law import draw_width_law, gather_width_law
from sweep.findings.study import Findings, in_words
from sweep.findings.verdict import (
    NOTHING,
    beaten_by,
    explanations,
    failure_reasons,
    headline,
    tally,
)
from sweep.report.facts import facts_of
from sweep.store.handle import StudyHandle, StudyRecord
from sweep.store.records import Reconstruction, StudySummary, TrialRow
from sweep.store.table import Choices, TrialTable
from sweep.studyfile import with_trials

N_BEST = 10
_N_CURVES = 6
_N_INVALID = 50
_N_SLICES = 2
#: Trials that make a distribution.
_ENOUGH = 20


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


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """A line of the table of best configurations."""

    rank: int | None
    trial: TrialRow
    is_baseline: bool


@dataclass(frozen=True, kw_only=True)
class Page:
    """A report before it is laid out."""

    study: StudySummary
    headline: str
    explanations: list[str]
    #: Why the error stops where it stops, in sentences.
    why: list[str]
    tiles: list[Tile]
    best: list[TableRow]
    #: Which of the best configurations tie; None where too few seeds tell.
    ties: TieSet | None
    #: What limits the best trial of each width.
    limits: list[DiagnosedTrial]
    #: What the codes tell of the labels; None while no network is analysed.
    usefulness: Usefulness | None
    picture_names: list[str]
    pictures: list[PictureRow]
    #: What the difference to the best comes from, as far as that was trained.
    explanation: StudyExplanation | None
    #: Of those that are of another study, a sentence each.
    ignored: list[str]
    #: The best of each width on the same images; empty where there is but one.
    atlas: list[PictureRow]
    #: What they tell.
    atlas_note: str
    #: By the id of the section they stand in.
    charts: Mapping[str, list[Chart]]
    failures: list[tuple[str, int, list[int]]]
    #: The first of those that were marked so.
    invalid: list[TrialRow]
    #: With the trials it has now.
    study_file: str
    #: Label and value, what is needed to repeat the study besides its file.
    facts: list[tuple[str, str]]
    #: Whether the table needs a column for the output activation.
    outputs_differ: bool
    #: When the study began and was last written.
    when: str


def gather_page(handle: StudyHandle) -> Page:
    """Read the study once and work out everything its report says."""
    study, table, record = handle.summary(), handle.table(), handle.record()
    floors = study_floors(handle)
    found = study_verdict(handle, table, floors)
    best = handle.best(N_BEST)
    limits = diagnose_trials(handle, best_of_widths(table), floors)
    ties = study_ties(handle)
    explanation = study_explanation(handle, best_number(table))
    useful = UsefulnessReader(handle).look(table)
    why = Findings(
        width=width_law(width_errors(table)),
        limits=limits,
        ties=ties,
        explained=explanation,
        useful=useful,
    )
    atlas = _atlas(handle, table)
    return Page(
        study=study,
        headline=headline(study, found),
        explanations=explanations(study, found),
        why=in_words(why),
        tiles=_tiles(study, table, found),
        best=_table(best, found),
        ties=ties,
        limits=limits,
        usefulness=useful,
        picture_names=picture_names(datasets.class_names(study.dataset)),
        pictures=_pictures(handle, record, found),
        explanation=explanation,
        ignored=ignored(handle),
        atlas=gather_pictures(atlas) if atlas else [],
        atlas_note=atlas_note(atlas) if atlas else "",
        charts=_charts(handle, study, table, best, found, floors, explanation)
        | _atlas_charts(atlas)
        | _explained(explanation)
        | _code(useful),
        failures=failure_reasons(handle.trials(states=["FAIL"])),
        invalid=_invalid(handle, table),
        study_file=with_trials(record.study_file, study.n_trials),
        facts=facts_of(record, handle.workers()),
        outputs_differ=_differ(table, "output_activation"),
        when=_when(study),
    )


def _invalid(handle: StudyHandle, table: TrialTable) -> list[TrialRow]:
    numbers = table.numbers[table.invalid][:_N_INVALID].tolist()
    return handle.trials(numbers)


def _differ(table: TrialTable, setting: str) -> bool:
    column = table.settings.get(setting)
    return isinstance(column, Choices) and len(np.unique(column.codes[column.codes >= 0])) > 1


def _when(study: StudySummary) -> str:
    start, end = study.created_at, study.updated_at
    day = "" if end.date() == start.date() else f"{end:%Y-%m-%d} at "
    return f"From {start:%Y-%m-%d} at {start:%H:%M} to {day}{end:%H:%M} UTC."


def _tiles(study: StudySummary, table: TrialTable, found: Verdict | None) -> list[Tile]:
    tiles = [] if found is None else _verdict_tiles(found)
    trained = float(np.nansum(table.metrics["train_seconds"]))
    total = sum(study.counts.values())
    tiles.append(Tile(label="Trials", value=f"{total:,}", detail=tally(study)))
    if trained:
        rate = study.trials_per_second
        pace = "" if not rate else f"{words.number(rate, 2)} trials/s lately"
        tiles.append(Tile(label="Training time", value=words.duration(trained), detail=pace))
    return tiles


def _verdict_tiles(found: Verdict) -> list[Tile]:
    best, tiles = found.best, []
    if best.test_mse is not None:
        psnr = f" · {words.number(best.psnr)} dB" if best.psnr is not None else ""
        detail = f"trial {best.number}{psnr}"
        tiles.append(
            Tile(label="Best test error", value=words.number(best.test_mse), detail=detail)
        )
    if found.baseline is not None and found.baseline.number != best.number and found.times_better:
        tiles.append(
            Tile(
                label="Less error",
                value=f"{words.number(found.times_better, 2)}×",
                detail=f"than the baseline’s {words.number(found.baseline.test_mse)}",
            )
        )
    if found.floor is not None:
        tiles.append(
            Tile(
                label="PCA floor",
                value="0" if found.floor < NOTHING else words.number(found.floor),
                detail=f"with {best.hidden_width:,} components",
            )
        )
    if best.exact_pixel_share is not None:
        share = words.percent(best.exact_pixel_share)
        tiles.append(Tile(label="Exact pixels", value=share, detail="of the best trial"))
    return tiles


def _table(best: Sequence[TrialRow], found: Verdict | None) -> list[TableRow]:
    baseline = found.baseline if found else None
    table = [
        TableRow(
            rank=rank,
            trial=row,
            is_baseline=baseline is not None and row.number == baseline.number,
        )
        for rank, row in enumerate(best, start=1)
    ]
    if baseline is not None and not any(line.is_baseline for line in table):
        table.append(TableRow(rank=None, trial=baseline, is_baseline=True))
    return table


def _pictures(handle: StudyHandle, record: StudyRecord, found: Verdict | None) -> list[PictureRow]:
    originals = record.originals_png
    if originals is None or found is None:
        return []
    names = picture_names(datasets.class_names(record.dataset))
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
    detail = f"trial {row.number} · test error {words.number(row.test_mse)}"
    copies = cut(strips.reconstructions_png, f"Copy by trial {row.number}", names)
    errors = cut(strips.errors_png, f"Error of trial {row.number}", names)
    return [
        PictureRow(label, detail, copies, is_error=False),
        PictureRow("Its errors", "white: off by half the scale", errors, is_error=True),
    ]


def _atlas(handle: StudyHandle, table: TrialTable) -> Atlas | None:
    """None where there are not two widths with pictures."""
    atlas = atlas_by_width(handle, table)
    return atlas if atlas is not None and len(atlas.trials) > 1 else None


def _atlas_charts(atlas: Atlas | None) -> dict[str, list[Chart]]:
    if atlas is None:
        return {}
    classes, kinds = gather_class_errors(atlas), gather_kind_errors(atlas)
    return {
        "atlas": [
            _chart("atlas-classes", draw_by_width(classes), classes.about),
            _chart("atlas-kinds", draw_by_width(kinds), kinds.about),
        ]
    }


def _charts(
    handle: StudyHandle,
    study: StudySummary,
    table: TrialTable,
    best: Sequence[TrialRow],
    found: Verdict | None,
    floors: Floors | None,
    explanation: StudyExplanation | None,
) -> dict[str, list[Chart]]:
    if np.isnan(table.value).all():
        return {}
    history = gather_history(table)
    charts = {
        "search": [_chart("history", draw_history(history), history.about)],
        "pruning": _pruning(handle, table),
        "run": _timeline(table),
    }
    if found is None:
        return charts
    front = gather_front(table)
    return charts | {
        "trade": [_chart("pareto", draw_front(front), front.about)] if front else [],
        "width": _width(table, floors),
        "spread": _spread(study.name, table, found),
        "learning": _learning(handle, best, found),
        "classes": _classes(study.dataset, found),
        "settings": _settings(handle, table, explanation),
    }


def _settings(
    handle: StudyHandle, table: TrialTable, explanation: StudyExplanation | None
) -> list[Chart]:
    """Importances, the settings that matter most one by one, and all of them at once."""
    found = importances(table, handle.domains())
    bars = gather_importances(found, handle.name, explained_in(explanation))
    charts = [_chart("importances", draw_importances(bars), bars.about)] if bars.names else []
    others = [setting for setting in bars.settings if setting != "hidden_width"]
    for setting in others[:_N_SLICES]:  # the width has a section of its own
        sliced = draw_slice(gather_slice(table, setting, table.objectives[0]))
        charts.append(_chart(f"slice-{setting}", sliced))
    return charts + _pair(table, bars.settings, table.objectives[0]) + _parallel(table)


def _pair(table: TrialTable, settings: Sequence[str], objective: str) -> list[Chart]:
    """The two settings that matter most, together; nothing where there are no two."""
    if len(settings) < 2:
        return []
    contour = gather_contour(table, settings[0], settings[1], objective)
    return [_chart("contour", draw_contour(contour), contour.about)]


def _spread(name: str, table: TrialTable, found: Verdict) -> list[Chart]:
    if table.counting.sum() < _ENOUGH:
        return []
    drawn = draw_edf(gather_edf({name: table}))
    return [_chart("edf", drawn, beaten_by(table, found.baseline))]


def _pruning(handle: StudyHandle, table: TrialTable) -> list[Chart]:
    """Where trials were cut off; without pruning, the learning curves of the best tell enough."""
    if not table.states.is_("PRUNED").any():
        return []
    curves = handle.curves(choose_curves(table))
    return [_chart("intermediate", draw_intermediate(gather_intermediate(curves, table)))]


def _chart(key: str, drawn: go.Figure, note: str = "", *, is_wide: bool = False) -> Chart:
    title, subtitle = style.title_of(drawn), style.subtitle_of(drawn)
    drawn.update_layout(title=None)
    if drawn.layout.margin.t is None or subtitle:
        drawn.update_layout(margin={"t": 34})
    html = drawn.to_html(
        full_html=False,
        include_plotlyjs=False,
        config=dict(style.CONFIG),
        div_id=f"chart-{key}",
        default_width="100%",
    )
    return Chart(title=title, html=Markup(html), note=note or subtitle, is_wide=is_wide)


def _width(table: TrialTable, floors: Floors | None) -> list[Chart]:
    """Squared errors over PCA's floor and, where it is known, cross-entropies over theirs."""
    errors = gather_width(table, floors)
    charts = [_chart("width", draw_width(errors), errors.about)] if errors.marks.n else []
    charts += _law(table, floors)
    entropies = gather_width(table, floors, metric="test_bce")
    if entropies.marks.n and entropies.entropy is not None:
        charts.append(_chart("entropy", draw_width(entropies), entropies.about))
    return charts


def _law(table: TrialTable, floors: Floors | None) -> list[Chart]:
    """The law of the width, and the same by the choices of each setting that was searched."""
    law = gather_width_law(table, floors)
    if law.errors.widths.size < 2:
        return []
    charts = [_chart("width-law", draw_width_law(law), law.about)]
    note = "Marks: the best trial of each choice. Dotted: its median."
    for setting in law.splits:
        drawn = draw_width_law(gather_width_law(table, floors, setting))
        charts.append(_chart(f"width-law-{setting}", drawn, note))
    return charts


def _explained(explanation: StudyExplanation | None) -> dict[str, list[Chart]]:
    """The waterfall and the one back."""
    if explanation is None:
        return {}
    there = gather_waterfall(explanation)
    back = gather_waterfall(explanation, reverse=True)
    return {
        "causes": [
            _chart("waterfall", draw_waterfall(there), there.about),
            _chart("waterfall-back", draw_waterfall(back), back.about),
        ]
    }


def _code(useful: Usefulness | None) -> dict[str, list[Chart]]:
    """What codes tell of the labels; the section says why there is no chart."""
    if useful is None:
        return {}
    chart = usefulness.gather(useful)
    return {"code": [_chart("code", usefulness.draw(chart), chart.about)]}


def _learning(handle: StudyHandle, best: Sequence[TrialRow], found: Verdict) -> list[Chart]:
    shown = list(best[: _N_CURVES - 1])
    if found.baseline is not None and all(row.number != found.baseline.number for row in shown):
        shown.append(found.baseline)
    curves = handle.curves([row.number for row in shown])
    drawn = gather_curves(shown, curves, found.baseline_number)
    return [_chart("learning", draw_curves(drawn))] if drawn else []


def _classes(dataset: str, found: Verdict) -> list[Chart]:
    trials = {f"best (trial {found.best.number})": found.best}
    if found.baseline is not None and found.baseline.number != found.best.number:
        trials[f"baseline (trial {found.baseline.number})"] = found.baseline
    errors = gather_classes(trials, datasets.class_names(dataset), found.baseline_number)
    return [_chart("classes", draw_classes(errors))] if errors.classes else []


def _parallel(table: TrialTable) -> list[Chart]:
    lines = gather_lines(table)
    note = "Drag along an axis to keep the trials that pass there; drag a name to move its axis."
    note = f"{lines.about} {note}".strip()
    return [_chart("parallel", draw_lines(lines), note, is_wide=True)] if lines.dimensions else []


def _timeline(table: TrialTable) -> list[Chart]:
    timeline = gather_timeline(table)
    if timeline.busy is None and not timeline.bars.numbers.size:
        return []
    return [_chart("timeline", draw_timeline(timeline), timeline.about)]
