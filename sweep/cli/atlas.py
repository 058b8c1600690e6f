"""atlas: the same test images at every width, or as chosen trials give them back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.cli import words
from sweep.cli.options import Json, NumbersOrWidths, Storage, StudyName
from sweep.cli.output import show, show_json, show_titled_table, write_file
from sweep.errors import NotFoundError

if TYPE_CHECKING:
    from sweep.analysis.atlas import Atlas, AtlasTrial, Difference, Stop


def atlas(
    name: StudyName,
    numbers: NumbersOrWidths = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", show_default="NAME-atlas.html", help="Where to."
        ),
    ] = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Show the same ten test images at every width, or as chosen trials give them back.

    Writes copies and error maps as one HTML file, and tells which images a wider layer no longer
    helps, and how pixels that are exactly 0 or 1 come back. Chosen trials are held against the
    first of them.
    """
    from sweep.analysis.study_atlas import atlas_by_width, atlas_of
    from sweep.report.atlas import render_atlas
    from sweep.store import read
    from sweep.store.migrate import open_store

    engine = open_store(storage)
    found = (
        atlas_of(engine, name, numbers)
        if numbers
        else atlas_by_width(engine, name, read.table(engine, name))
    )
    if found is None or not found.trials:
        raise NotFoundError(
            f"study '{name}' has no pictures: they come with the first trial that finishes, ten of "
            "the test images."
        )
    sheet = render_atlas(read.study(engine, name), found)
    path = write_file(output or Path(f"{words.file_name(name)}-atlas.html"), sheet.encode())
    if as_json:
        show_json({"path": path, **_plain(found)})
        return
    _show(found)
    show()
    show(str(path))


def _show(found: "Atlas") -> None:
    kinds = [kind.kind for kind in found.trials[0].kinds]
    header = ("width", "trial", "test_mse", "ten images", "exact", *(f"at {k}" for k in kinds))
    show_titled_table("Squared errors", header, [_row(of) for of in found.trials], left=0)
    for title, stops in (("image", found.image_stops), ("class", found.class_stops)):
        if stops:
            rows = [(of.name, *_stop(of)) for of in stops]
            header = (title, "falls until width", "error", "wider widths tried")
            show_titled_table(f"Where the error of each {title} stops falling", header, rows)
    if found.differences:
        header = ("trials", "first nearer", "second nearer", "copies apart by")
        rows = [_apart(of) for of in found.differences]
        show_titled_table("Pixel by pixel", header, rows)
    for row in found.without_pictures:
        show(f"No pictures were kept of trial {row.number}, the best of width {row.hidden_width}.")


def _row(of: "AtlasTrial") -> tuple[str, ...]:
    return (
        words.text(of.trial.hidden_width),
        str(of.trial.number),
        words.number(of.trial.test_mse),
        words.number(float(of.image_mse.mean())),
        words.percent(float(of.image_exact.mean())),
        *(words.number(kind.mse) for kind in of.kinds),
    )


def _stop(of: "Stop") -> tuple[str, str, str]:
    return str(of.width), words.number(of.error), str(of.n_wider)


def _apart(of: "Difference") -> tuple[str, str, str, str]:
    first, second = words.percent(of.first_nearer), words.percent(of.second_nearer)
    return f"{of.first} and {of.second}", first, second, words.number(of.apart)


def _plain(found: "Atlas") -> dict[str, Any]:
    return {
        "images": list(found.image_names),
        "trials": [_plain_trial(of) for of in found.trials],
        "without_pictures": [row.number for row in found.without_pictures],
        "image_stops": [of._asdict() for of in found.image_stops],
        "class_stops": [of._asdict() for of in found.class_stops],
        "differences": [
            {key: value for key, value in of._asdict().items() if key != "map"}
            for of in found.differences
        ],
    }


def _plain_trial(of: "AtlasTrial") -> dict[str, Any]:
    return {
        "number": of.trial.number,
        "hidden_width": of.trial.hidden_width,
        "test_mse": of.trial.test_mse,
        "image_mse": of.image_mse.tolist(),
        "image_exact": of.image_exact.tolist(),
        "pixels": [kind._asdict() for kind in of.kinds],
        "per_class_mse": of.trial.per_class_mse,
    }
