"""The atlas: pictures of every width, and errors by width."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from sweep.analysis.atlas import Atlas, AtlasTrial, PixelKind, StoppingWidth
from sweep.analysis.strips import Pixels, images_of
from sweep.analysis.study_reader import StudyReader
from sweep.catalogue import formats
from sweep.figures import style
from sweep.figures.figure import Columns, Figure, Panel, ReportSection, Tab, stack
from sweep.figures.pictures import Picture, PictureRow, picture_of, strip_of
from sweep.store.records import TrialRow

#: Black is correct. Errors are orange if the original is exactly 0 or 1, otherwise white.
_SATURATED = np.array([230, 159, 0])
_BETWEEN = np.array([255, 255, 255])
_DASHES = ("solid", "dash", "dot", "dashdot")
#: Which trial is nearer: the first of two, or the second.
_FIRST, _SECOND = np.array([86, 180, 233]), np.array([230, 159, 0])
#: A difference of two errors has its full colour at a quarter of the scale, half that of an error.
_BRIGHTER = 2.0

_ERRORS_NOTE = (
    "Errors: black is correct; white, or orange if the original is exactly 0 or 1, is off by half "
    "the scale or more."
)
_COLOUR_ERRORS_NOTE = (
    "Errors: black is correct; red, green and blue are the errors of these channels, full if they "
    "are off by half the scale or more."
)


def errors_apart(originals: Pixels, error_map: Pixels) -> Pixels:
    """Colour errors (N, height, width, 3): those at pixels that are exactly 0 or 1 differ.

    Errors of images in colour have the colours of their channels.
    """
    if error_map.ndim == 4:
        return error_map
    saturated = ((originals == 0) | (originals == 255))[..., None]
    colour = np.where(saturated, _SATURATED, _BETWEEN)
    return _paint(colour, error_map / 255.0)


def apart_png(originals_png: bytes, errors_png: bytes) -> bytes | None:
    """Draw ``errors_apart`` of strips as a strip.

    None unless both have ten images of the same size.
    """
    originals, error_map = images_of(originals_png), images_of(errors_png)
    if originals is None or error_map is None or originals.shape != error_map.shape:
        return None
    return strip_of(errors_apart(originals, error_map))


def nearer(first_errors: Pixels, second_errors: Pixels) -> Pixels:
    """Draw images (N, height, width, 3) of which trial is nearer, from two error maps."""
    difference = first_errors.astype(np.int16) - second_errors
    if difference.ndim == 4:
        difference = difference.mean(axis=3)  # mean over the channels
    colour = np.where((difference < 0)[..., None], _FIRST, _SECOND)
    return _paint(colour, np.minimum(_BRIGHTER * np.abs(difference) / 255.0, 1.0))


def nearer_png(first_errors_png: bytes, second_errors_png: bytes) -> bytes | None:
    """Draw ``nearer`` of two trials' error strips as a strip.

    None unless they have the same size.
    """
    first, second = images_of(first_errors_png), images_of(second_errors_png)
    if first is None or second is None or first.shape != second.shape:
        return None
    return strip_of(nearer(first, second))


def _paint(colour: NDArray[np.int64], strength: NDArray[np.float64]) -> Pixels:
    return (colour * strength[..., None]).round().astype(np.uint8)


def gather_pictures(atlas: Atlas) -> list[PictureRow]:
    """Build rows of pictures: originals, then copies and errors of each trial."""
    names = atlas.image_names
    lines = [_row("Originals", "", atlas.originals, "Original", names)]
    for of in atlas.trials:
        lines += _trial_rows(atlas, of, names)
    return lines


def _trial_rows(atlas: Atlas, of: AtlasTrial, names: Sequence[str]) -> list[PictureRow]:
    trial = of.trial
    width = "?" if trial.hidden_width is None else f"{trial.hidden_width:,}"
    detail = f"trial {trial.number} · test error {formats.number(trial.test_mse)}"
    errors = errors_apart(atlas.originals, of.error_map)
    return [
        _row(f"{width} units", detail, of.copies, f"Copy by trial {trial.number}", names),
        _row("Its errors", "", errors, f"Error of trial {trial.number}", names, minor=True),
    ]


def _row(
    label: str, detail: str, images: Pixels, what: str, names: Sequence[str], *, minor: bool = False
) -> PictureRow:
    pictures: list[Picture] = [
        picture_of(image, f"{what}: {name}") for image, name in zip(images, names, strict=True)
    ]
    return PictureRow(label, detail, pictures, is_error=minor)


def atlas_note(atlas: Atlas) -> str:
    """Explain the colours, where wider layers no longer help, and which pictures are missing."""
    stops = stops_in_words(atlas.image_stops, "of these images", "images")
    missing = ", ".join(str(row.hidden_width) for row in atlas.without_pictures)
    gone = f"No pictures were kept of the best of width {missing}." if missing else ""
    note = _ERRORS_NOTE if atlas.originals.ndim == 3 else _COLOUR_ERRORS_NOTE
    return " ".join(part for part in (note, stops, gone) if part)


class ErrorsByWidth(NamedTuple):
    """The errors of several classes or kinds, each a line over the width."""

    #: Ascending, of the best trial of each width.
    widths: list[int]
    numbers: list[int]
    errors: Mapping[str, list[float]]
    #: The width at which it stops falling, if that is not the widest.
    stops: Mapping[str, int]
    #: Place of the trial with the lowest value.
    best: int
    about: str


def gather_class_errors(atlas: Atlas) -> ErrorsByWidth:
    """Gather the error of each class over all test images, by width."""
    return ErrorsByWidth(
        widths=[row.hidden_width or 0 for row in atlas.by_class],
        numbers=[row.number for row in atlas.by_class],
        errors={
            name: [row.per_class_mse[place] for row in atlas.by_class if row.per_class_mse]
            for place, name in enumerate(atlas.class_names)
        },
        stops={stop.name: stop.width for stop in atlas.class_stops if stop.n_wider},
        best=best_place(atlas.by_class),
        about=stops_in_words(atlas.class_stops, "class", "classes"),
    )


def gather_kind_errors(atlas: Atlas) -> ErrorsByWidth:
    """Gather the errors of pixels that are 0, 1 and neither over the ten images, by width."""
    found = [{kind.kind: kind for kind in of.kinds} for of in atlas.trials]
    shown = [kind for kind in PixelKind if found and kind in found[0]]
    return ErrorsByWidth(
        widths=[of.trial.hidden_width or 0 for of in atlas.trials],
        numbers=[of.trial.number for of in atlas.trials],
        errors={_SAID[kind]: [of[kind].mse for of in found] for kind in shown},
        stops={},
        best=best_place([of.trial for of in atlas.trials]),
        about=_kinds_in_words(atlas),
    )


def best_place(rows: Sequence[TrialRow]) -> int:
    """Return the place of the trial with the lowest value; 0 without trials."""
    return min(range(len(rows)), key=lambda place: rows[place].value_or_inf, default=0)


_SAID: Mapping[PixelKind, str] = {
    PixelKind.BLACK: "black (exactly 0)",
    PixelKind.BETWEEN: "in between",
    PixelKind.WHITE: "white (exactly 1)",
}


def _kinds_in_words(atlas: Atlas) -> str:
    """Describe which pixels cause the error of the best trial with pictures."""
    if not atlas.trials:
        return ""
    best = atlas.trials[best_place([of.trial for of in atlas.trials])]
    total = float(best.image_mse.mean())
    parts = [
        f"{_SAID[of.kind]}: {formats.percent(of.share)} of the pixels, "
        f"{formats.percent(of.share * of.mse / total if total else 0.0)} of the squared error, "
        f"{formats.percent(of.exact)} exact"
        for of in best.kinds
    ]
    return f"In the copies of the ten images by trial {best.trial.number}: {'; '.join(parts)}."


def stops_in_words(stops: Sequence[StoppingWidth], one: str, many: str) -> str:
    """Name the lines that a wider layer no longer lowers."""
    if not stops:
        return ""
    stopped = [stop for stop in stops if stop.n_wider]
    if not stopped:
        return f"The error of each {one} still falls at the widest layer."
    listed = ", ".join(f"{stop.name} at {stop.width:,}" for stop in stopped)
    rest = len(stops) - len(stopped)
    others = f" For {rest} of {len(stops)} {many} it still falls at the widest." if rest else ""
    return f"From some width on, no wider layer lowers the error by a tenth: {listed}.{others}"


def draw_by_width(of: ErrorsByWidth) -> go.Figure:
    """Draw lines on logarithmic axes, with a ring where a line stops falling."""
    drawn = style.figure("hidden_width", "test_mse")
    for place, (name, errors) in enumerate(of.errors.items()):
        drawn.add_trace(_line(of, name, errors, place))
    if of.stops:
        drawn.add_trace(_rings(of))
    heights = [error for errors in of.errors.values() for error in errors if error > 0]
    drawn.update_layout(showlegend=True)
    drawn.update_yaxes(style.log_axis(heights) if heights else {})
    return drawn.update_xaxes(style.width_axis(of.widths))


def _line(of: ErrorsByWidth, name: str, errors: Sequence[float], place: int) -> go.Scatter:
    dash, colour = divmod(place, len(style.PALETTE))
    name = style.escape(name)
    return go.Scatter(
        x=of.widths,
        y=errors,
        mode="lines+markers",
        line={
            "color": style.PALETTE[colour],
            "width": 1.5,
            "dash": _DASHES[dash % len(_DASHES)],
        },
        marker={"size": 5},
        name=name,
        customdata=of.numbers,  # a click opens that trial
        hovertemplate=f"{name}, trial %{{customdata}}<br>%{{x}} units: %{{y:.4g}}<extra></extra>",
    )


def _rings(of: ErrorsByWidth) -> go.Scatter:
    places = {name: of.widths.index(width) for name, width in of.stops.items()}
    return go.Scatter(
        x=list(of.stops.values()),
        y=[of.errors[name][place] for name, place in places.items()],
        mode="markers",
        marker={"symbol": "circle-open", "size": 13, "color": style.GREY, "line": {"width": 2}},
        name="stops falling",
        text=[*map(style.escape, of.stops)],
        hovertemplate="%{text} stops falling at %{x} units on<extra></extra>",
    )


def _class_errors(reader: StudyReader) -> ErrorsByWidth | None:
    """Test error of each class of image over hidden width."""
    return _of_two_widths(gather_class_errors(reader.atlas)) if reader.atlas else None


def _kind_errors(reader: StudyReader) -> ErrorsByWidth | None:
    """Error at black, white and other pixels over hidden width."""
    return _of_two_widths(gather_kind_errors(reader.atlas)) if reader.atlas else None


def _of_two_widths(errors: ErrorsByWidth) -> ErrorsByWidth | None:
    return errors if len(errors.widths) > 1 and errors.errors else None


def _rows(of: ErrorsByWidth) -> Columns:
    return stack(
        *(
            {"kind": name, "trial": of.numbers, "hidden_width": of.widths, "test_mse": errors}
            for name, errors in of.errors.items()
        )
    )


def _finding_classes(of: ErrorsByWidth) -> str:
    if not of.stops:
        return "Every class still improves at the widest layer"
    n, n_all = len(of.stops), len(of.errors)
    which = f"All {n}" if n == n_all else f"{n} of {n_all}"
    return f"{which} classes stop improving before the widest layer"


def _finding_pixels(of: ErrorsByWidth) -> str:
    worst = max(of.errors, key=lambda name: of.errors[name][of.best])
    return f"The best trial errs most at pixels that are {worst}"


CLASSES = Figure(
    name="classes_by_width",
    question="At which width does a class of image stop improving?",
    title="Error of each class by width",
    needs="trials of two widths, measured by class",
    gather=_class_errors,
    draw=draw_by_width,
    note=lambda errors: errors.about,
    rows=_rows,
    finding=_finding_classes,
    section=ReportSection.ATLAS,
    panels=lambda _: [Panel(id="atlas-classes")],
    pages=(Tab.WHY,),
)
PIXELS = Figure(
    name="pixels_by_width",
    question="Is the error at saturated pixels or at others?",
    title="Error at saturated and other pixels",
    needs="trials of two widths with pictures",
    gather=_kind_errors,
    draw=draw_by_width,
    note=lambda errors: errors.about,
    rows=_rows,
    finding=_finding_pixels,
    section=ReportSection.ATLAS,
    panels=lambda _: [Panel(id="atlas-kinds")],
    pages=(Tab.WHY,),
)
