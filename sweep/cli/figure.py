"""Command figure: one figure of a study as a file, or the list of all figures."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from sweep.analysis.study_floors import kept_floors
from sweep.analysis.study_reader import StudyReader
from sweep.cli.options import Json, Storage, StudyNameOrOnly, output_option, stored_study
from sweep.cli.output import STDOUT, deliver, show_json, show_table
from sweep.errors import NotFoundError, UsageError
from sweep.figures.printing import print_scale, style_for_print
from sweep.figures.registry import FIGURES, GatheredFigure, gather_figure, require_figure
from sweep.files import file_name
from sweep.findings.dialects import in_ascii
from sweep.store.handle import StudyHandle

#: CSS pixels of a unit of length.
_PIXELS = {"cm": 96 / 2.54, "mm": 96 / 25.4, "in": 96.0, "px": 1.0}
_LENGTH = re.compile(rf"([0-9]*\.?[0-9]+) *({'|'.join(_PIXELS)})")
#: Limits of a side, in pixels.
_SMALLEST, _LARGEST = 60.0, 10_000.0


def figure(
    name: StudyNameOrOnly = None,
    figure: Annotated[
        str | None,
        typer.Argument(
            metavar="[FIGURE]", help="Name of the figure; without it, list all figures."
        ),
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[OPTION=VALUE]...",
            help="Options of this figure, such as `setting=activation`.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        output_option(
            "FILE",
            "NAME-FIGURE.html",
            "File to write: .html, .csv, .svg, .pdf or .png; - is stdout.",
        ),
    ] = None,
    width: Annotated[
        str | None,
        typer.Option(metavar="LENGTH", help="Width of an .svg, .pdf or .png: 8.5cm, 85mm, 3in."),
    ] = None,
    height: Annotated[
        str | None,
        typer.Option(metavar="LENGTH", help="Height of an .svg, .pdf or .png: 8.5cm, 85mm, 3in."),
    ] = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Write a figure of a study to a file, or list the figures that the study has.

    A CSV has the figure's data, one row per mark; so does the output on stdout. SVG, PDF and PNG
    are black on white and, at a given width, without the title, which belongs into a caption.
    Kaleido (the extra `images`) draws them in Chrome or Chromium, which is installed separately.
    """
    study, figure, options = _interpret(name, figure, options or [], storage)
    if figure is None:
        # Computing floors may take minutes.
        _list(StudyReader(study, kept_floors), as_json)
        return
    write = _writer(output, _pixels(width, "--width"), _pixels(height, "--height"))
    found = require_figure(StudyReader(study), figure, _parse(options))
    if as_json:
        about = {"figure": figure, "title": found.title, "note": found.note}
        show_json({**about, "rows": {key: list(of) for key, of in found.rows().items()}})
        return
    path = output or Path(f"{file_name(study.name)}-{figure}.html")
    deliver(path, write(study.name, found))


def _interpret(
    name: str | None, figure: str | None, options: list[str], storage: str | None
) -> tuple[StudyHandle, str | None, list[str]]:
    """Return study, figure and options.

    A single argument that is a figure refers to the only study.
    """
    if name not in FIGURES or not (figure is None or "=" in figure):
        return stored_study(name, storage), figure, options
    try:
        return stored_study(name, storage), figure, options
    except NotFoundError:
        return stored_study(None, storage), name, [*([figure] if figure else []), *options]


def _list(reader: StudyReader, as_json: bool) -> None:
    has = {name: gather_figure(reader, name) is not None for name in FIGURES}
    if as_json:
        show_json(
            [
                {"figure": of.name, "question": of.question, "needs": of.needs, "has": has[of.name]}
                for of in FIGURES.values()
            ]
        )
        return
    rows = [
        (of.name, of.question, "yes" if has[of.name] else f"no: it needs {in_ascii(of.needs)}")
        for of in FIGURES.values()
    ]
    show_table(("figure", "question", "in this study"), rows, left=3)


def _parse(options: list[str]) -> dict[str, str]:
    pairs = [option.partition("=") for option in options]
    for name, equals, _ in pairs:
        if not equals:
            raise UsageError(f"'{name}' is not an option of a figure. Write OPTION=VALUE.")
    return {name: value for name, _, value in pairs}


def _pixels(length: str | None, option: str) -> float | None:
    if length is None:
        return None
    parts = _LENGTH.fullmatch(length.strip())
    if parts is None:
        raise UsageError(f"{option}: '{length}' is not a length. Write 8.5cm, 85mm, 3in or 600px.")
    pixels = float(parts[1]) * _PIXELS[parts[2]]
    if not _SMALLEST <= pixels <= _LARGEST:
        raise UsageError(f"{option}: {length} is not between {_SMALLEST:.0f}px and 10000px.")
    return pixels


def _html(name: str, found: GatheredFigure) -> bytes:
    from sweep.report import render_figure

    return render_figure(name, found).encode()


def _csv(_: str, found: GatheredFigure) -> bytes:
    return found.csv().encode()


def _image(
    kind: str, width: float | None, height: float | None
) -> Callable[[str, GatheredFigure], bytes]:
    def draw(_: str, found: GatheredFigure) -> bytes:
        drawn = style_for_print(
            found.draw_titled() if width is None else found.draw(), width, height
        )
        try:
            image: bytes = drawn.to_image(kind, scale=print_scale(kind, width))
        except RuntimeError as error:  # whatever Kaleido or the browser lacks
            raise UsageError(
                f"{kind.upper()} needs Kaleido (`pip install 'sweep-autoencoder[images]'`) and "
                "Chrome or Chromium (`apt-get install chromium`, or `plotly_get_chrome`). "
                ".html and .csv need neither."
            ) from error
        return image

    return draw


_IMAGES = ("svg", "pdf", "png")


def _writer(
    output: Path | None, width: float | None, height: float | None
) -> Callable[[str, GatheredFigure], bytes]:
    ending = ".html" if output is None else ".csv" if output == STDOUT else output.suffix.lower()
    if ending[1:] in _IMAGES:
        return _image(ending[1:], width, height)
    if ending not in _TEXTS:
        known = ", ".join([*_TEXTS, *(f".{kind}" for kind in _IMAGES)])
        raise UsageError(f"{output}: a figure is written as {known}, not as '{ending}'.")
    if width or height:
        raise UsageError(f"{ending} has no size. --width, --height need -o FILE.svg, .pdf or .png.")
    return _TEXTS[ending]


_TEXTS: Mapping[str, Callable[[str, GatheredFigure], bytes]] = {".html": _html, ".csv": _csv}
