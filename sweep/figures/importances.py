"""Chart how much each setting sets the best trials apart."""

from shlex import quote
from typing import NamedTuple

import plotly.graph_objects as go

from sweep.analysis.importances import MIN_TRIALS, Importances
from sweep.analysis.study_explanation import find_explaining_study
from sweep.analysis.study_reader import StudyReader
from sweep.catalogue import formats
from sweep.catalogue.columns import column_named
from sweep.catalogue.records import capitalise
from sweep.figures import style
from sweep.figures.figure import Figure, ReportSection, Tab

#: PED-ANOVA needs five trials among the best tenth.
_ROUGH_BELOW = 50


class ImportanceBars(NamedTuple):
    """One bar per setting, the largest first."""

    settings: tuple[str, ...]
    #: In words.
    names: list[str]
    shares: list[float]
    #: What the shares refer to.
    about: str
    #: Appended to a share if there are few trials.
    doubt: str = ""


def gather_importances(
    importances: Importances, study: str, explained_in: str | None = None
) -> ImportanceBars:
    """Gather shares and settings in words; ``explained_in`` is a study with stronger evidence."""
    is_rough = importances.n_trials < _ROUGH_BELOW
    about = (
        f"What sets the best {formats.percent(importances.best_share)} of "
        f"{importances.n_trials:,} finished trials apart from the rest (PED-ANOVA); the shares add "
        "up to 100 %."
    )
    if importances.n_compared < importances.n_trials:
        about += f" A random sample of {importances.n_compared:,} was compared."
    if is_rough:
        about += " Rough, because there are few trials."
    if importances.left_out:
        left_out = ", ".join(column_named(name).title for name in importances.left_out)
        about += f" Omitted, because few trials have it: {left_out}."
    return ImportanceBars(
        settings=tuple(importances.shares),
        names=[column_named(name).title for name in importances.shares],
        shares=list(importances.shares.values()),
        about=about + _describe_limits(study, explained_in),
        doubt=", rough" if is_rough else "",
    )


def _describe_limits(study: str, explained_in: str | None) -> str:
    """Say that these are not causes, as the sampler chose the trials, and what shows causes."""
    lead = " They show what correlates with a low error, not what causes it: "
    if explained_in is None:
        return f"{lead}`sweep explain {quote(study)} --run` trains the causes, change by change."
    return (
        f"{lead}“Where the error goes, change by change” (study {explained_in}) trained the "
        "causes and is stronger evidence."
    )


def draw_importances(bars: ImportanceBars) -> go.Figure:
    """Draw horizontal bars, labelled with their share."""
    drawn = style.figure("Share of the importance", height=120 + 34 * len(bars.names))
    drawn.add_bar(
        x=[100 * share for share in bars.shares],
        y=[*map(style.escape, bars.names)],
        orientation="h",
        marker={"color": style.BLUE},
        text=[formats.percent(share) for share in bars.shares],
        customdata=[*map(style.escape, bars.settings)],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.1f} %<extra></extra>",
    )
    drawn.update_layout(bargap=0.35)
    drawn.update_xaxes(ticksuffix=" %", range=[0, 125 * max(bars.shares)])
    return drawn.update_yaxes(autorange="reversed", showline=False, tickcolor="rgba(0,0,0,0)")


def _gather(reader: StudyReader) -> ImportanceBars | None:
    """How much each setting sets the best tenth of the trials apart (PED-ANOVA), as a share."""
    if reader.importances.reason:
        return None
    outranked_by = find_explaining_study(reader.explanation)
    return gather_importances(reader.importances, reader.study.name, outranked_by)


def _why_none(reader: StudyReader) -> str:
    return f"{capitalise(reader.importances.reason)}." if reader.importances.reason else ""


def _describe(bars: ImportanceBars) -> str:
    share = formats.percent(bars.shares[0])
    return f"{capitalise(bars.names[0])} sets the best trials apart most ({share}{bars.doubt})"


FIGURE = Figure(
    name="importances",
    question="Which settings set the best trials apart?",
    title="Importance of each setting",
    needs=f"{MIN_TRIALS} finished trials that differ in a setting",
    remedy=_why_none,
    gather=_gather,
    draw=draw_importances,
    note=lambda bars: bars.about,
    rows=lambda bars: {"setting": bars.settings, "share": bars.shares},
    finding=_describe,
    section=ReportSection.SETTINGS,
    pages=(Tab.OVERVIEW,),
)
