"""Which images a code takes for alike: the nearest training images of some test images."""

import base64
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from sweep.analysis.nearest_images import KINDS, NearestImage, Query, nearest_images
from sweep.analysis.probe_summary import FeatureKind, ProbedTrial
from sweep.analysis.strips import GAP, Pixels
from sweep.analysis.study_probes import probed_trial
from sweep.analysis.study_reader import StudyReader
from sweep.catalogue.formats import count, percent
from sweep.figures import style
from sweep.figures.figure import Columns, Figure, Panel, ReportSection, Tab, stack
from sweep.figures.pictures import strip_of

#: Pixels of a row of pictures, and of what stands above and below them.
_ROW_HEIGHT = 46
_MARGINS = 90
#: Between the groups of pictures, in pictures.
_SPACE = 0.5


class NeighboursChart(NamedTuple):
    """What the chart says."""

    trial: int
    hidden_width: int
    queries: Sequence[Query]

    @property
    def title(self) -> str:
        """Plain text."""
        return f"Nearest training images in the code of {count(self.hidden_width, 'unit')}"

    @property
    def about(self) -> str:
        """How many of the nearest are of the same class."""
        shares = {kind: self._share_alike(kind) for kind in KINDS}
        return (
            f"Of the training images nearest to {count(len(self.queries), 'test image')}, "
            f"{percent(shares[FeatureKind.CODE])} are of the same class by the code of trial "
            f"{self.trial}, {percent(shares[FeatureKind.PIXELS])} by the pixels. Those of another "
            "class are outlined."
        )

    def _share_alike(self, kind: FeatureKind) -> float:
        n = sum(len(of.nearest[kind]) for of in self.queries)
        return sum(of.n_alike(kind) for of in self.queries) / max(1, n)


def gather_neighbours(
    probed: ProbedTrial, queries: Sequence[Query] | None
) -> NeighboursChart | None:
    """Gather the pictures of a trial; None where the images are not on this machine."""
    return NeighboursChart(probed.number, probed.hidden_width, queries) if queries else None


class _Group(NamedTuple):
    """Pictures side by side in a row."""

    title: str
    #: Where the first begins, in pictures.
    left: float
    kind: FeatureKind | None


def draw_neighbours(chart: NeighboursChart) -> go.Figure:
    """Draw a row for each test image: itself, then what is nearest in code and in pixels."""
    height = _ROW_HEIGHT * len(chart.queries) + _MARGINS
    drawn = style.figure(height=height)
    k = max(len(of.nearest[FeatureKind.CODE]) for of in chart.queries)
    groups = [
        _Group("test", 0.0, None),
        _Group("by code", 1 + _SPACE, FeatureKind.CODE),
        _Group("by pixels", 1 + k + 2 * _SPACE, FeatureKind.PIXELS),
    ]
    rows, columns = chart.queries[0].pixels.shape[:2]
    for group in groups:
        _draw_group(drawn, chart.queries, group, columns / (columns + GAP))
    # Pictures are square and begin at the labels and the top, however wide the page is. Without a
    # zoom, a finger scrolls past them.
    drawn.update_layout(dragmode=False)
    drawn.update_xaxes(
        visible=False,
        range=[-0.05, 1 + 2 * k + 2 * _SPACE],
        fixedrange=True,
        constrain="domain",
        constraintoward="left",
    )
    return drawn.update_yaxes(
        tickvals=[place + 0.5 for place in range(len(chart.queries))],
        ticktext=[style.escape(of.label) for of in chart.queries],
        range=[len(chart.queries), -0.6],
        showgrid=False,
        showline=False,
        ticks="",
        scaleanchor="x",
        scaleratio=rows / columns,
        fixedrange=True,
        constrain="domain",
        constraintoward="top",
    )


def _draw_group(
    drawn: go.Figure, queries: Sequence[Query], group: _Group, picture_width: float
) -> None:
    drawn.add_annotation(
        text=style.escape(group.title), x=group.left, y=-0.3, xanchor="left", showarrow=False
    )
    marks: list[tuple[float, float, str]] = []
    for row, query in enumerate(queries):
        near = () if group.kind is None else query.nearest[group.kind]
        shown = [of.pixels for of in near or [query]]
        drawn.add_layout_image(
            source=_uri(np.stack(shown)),
            xref="x",
            yref="y",
            x=group.left,
            y=row,
            sizex=len(shown) - (1 - picture_width),
            sizey=picture_width,
            sizing="stretch",
        )
        images: Sequence[Query | NearestImage] = near or [query]
        for place, of in enumerate(images):
            marks.append((group.left + place + picture_width / 2, row + 0.5, _describe(of)))
            if of.label != query.label:
                left = group.left + place
                drawn.add_shape(
                    type="rect",
                    x0=left,
                    x1=left + picture_width,
                    y0=row,
                    y1=row + picture_width,
                    line={"color": style.VERMILLION, "width": 2},
                )
    x, y, text = zip(*marks, strict=True)
    drawn.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"size": 20, "opacity": 0},
        text=text,
        name=group.title,
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _describe(of: Query | NearestImage) -> str:
    part = "test" if isinstance(of, Query) else "training"
    return style.escape(f"{part} image {of.place}: {of.label}")


def _uri(images: Pixels) -> str:
    return f"data:image/png;base64,{base64.b64encode(strip_of(images)).decode()}"


def _gather(reader: StudyReader, trial: int | None = None) -> NeighboursChart | None:
    """Nearest images in the code of a ``trial``, by default the one that the verdict is about."""
    if trial is not None:
        probed = probed_trial(reader.study, reader.study.trial(trial))
    else:
        probed = reader.probes.shown if reader.probes else None
    if probed is None:
        return None
    return gather_neighbours(probed, nearest_images(reader.study, probed))


def _rows(chart: NeighboursChart) -> Columns:
    return stack(
        *(
            {
                "test_image": query.place,
                "label": query.label,
                "features": kind.value,
                "training_image": [of.place for of in query.nearest[kind]],
                "training_label": [of.label for of in query.nearest[kind]],
            }
            for query in chart.queries
            for kind in KINDS
        )
    )


FIGURE = Figure(
    name="neighbours",
    question="Which images are alike in the code?",
    title=lambda chart: chart.title,
    needs="a trial whose network is analysed (`sweep analyse`), and the study’s images",
    gather=_gather,
    draw=draw_neighbours,
    note=lambda chart: chart.about,
    rows=_rows,
    finding=lambda chart: chart.about.partition(". ")[0],
    section=ReportSection.CODE,
    panels=lambda reader: [Panel()] if reader.probes else [],
    pages=(Tab.WHY, Tab.TRIAL),
)
