"""The atlas of a study as a sheet: one HTML file with pictures, without a script."""

from dataclasses import dataclass
from datetime import UTC, datetime

import sweep
from sweep.analysis.atlas import Atlas
from sweep.figures import words
from sweep.figures.atlas import (
    ERRORS_NOTE,
    NEARER_NOTE,
    gather_class_errors,
    gather_kind_errors,
    gather_pictures,
    stops_in_words,
)
from sweep.figures.pictures import PictureRow
from sweep.report.render import environment
from sweep.store.records import StudySummary


@dataclass(frozen=True, kw_only=True)
class Table:
    """Numbers under the pictures."""

    title: str
    note: str
    header: list[str]
    rows: list[list[str]]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """The sheet before it is laid out."""

    about: str
    notes: list[str]
    names: list[str]
    pictures: list[PictureRow]
    tables: list[Table]


def render_atlas(study: StudySummary, atlas: Atlas) -> str:
    """The sheet as HTML."""
    template = environment().get_template("atlas.html.j2")
    return template.render(
        study=study, sheet=gather_sheet(atlas), now=datetime.now(UTC), version=sweep.__version__
    )


def gather_sheet(atlas: Atlas) -> Sheet:
    """Pictures and tables of what the atlas holds."""
    by_width = not atlas.differences and len(atlas.trials) != 1
    return Sheet(
        about="The best trial of each width." if by_width else "Chosen trials.",
        notes=[ERRORS_NOTE, *([NEARER_NOTE] if atlas.differences else [])],
        names=list(atlas.image_names),
        pictures=gather_pictures(atlas),
        tables=[table for table in (_images(atlas), _classes(atlas), _kinds(atlas)) if table.rows],
    )


def _images(atlas: Atlas) -> Table:
    return Table(
        title="Squared error of each of these images",
        note=stops_in_words(atlas.image_stops, "image", "images"),
        header=["Width", "Trial", *atlas.image_names],
        rows=[
            [*_who(of.trial.hidden_width, of.trial.number), *map(words.number, of.image_mse)]
            for of in atlas.trials
        ],
    )


def _classes(atlas: Atlas) -> Table:
    found = gather_class_errors(atlas)
    return Table(
        title="Squared error of each class, over all test images",
        note=found.about,
        header=["Width", "Trial", *atlas.class_names],
        rows=[
            [*_who(row.hidden_width, row.number), *map(words.number, row.per_class_mse or ())]
            for row in atlas.by_class
        ],
    )


def _kinds(atlas: Atlas) -> Table:
    found = gather_kind_errors(atlas)
    return Table(
        title="Saturated pixels apart from the rest",
        note=found.about,
        header=["Width", "Trial", *found.errors],
        rows=[
            [*_who(width, number), *(words.number(errors[row]) for errors in found.errors.values())]
            for row, (width, number) in enumerate(zip(found.widths, found.numbers, strict=True))
        ],
    )


def _who(width: int | None, number: int) -> list[str]:
    return ["–" if width is None else f"{width:,}", str(number)]
