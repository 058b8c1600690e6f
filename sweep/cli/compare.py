"""compare: trials side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.catalogue.metrics import MEASURED
from sweep.catalogue.settings import by_setting, in_use
from sweep.cli import words
from sweep.cli.options import LARGEST, Json, Storage, StudyName, stored_study
from sweep.cli.output import show, show_json, show_titled_table
from sweep.cli.records import trial_json
from sweep.errors import UsageError

if TYPE_CHECKING:
    from sweep.store.records import CurvePoint, TrialDetail

_MARK = "*"


def compare(
    name: StudyName,
    numbers: Annotated[
        list[int],
        typer.Argument(metavar="NUMBER", min=0, max=LARGEST, help="Two trials or more."),
    ],
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Show trials side by side: settings (* where they differ), metrics, ends of the curves."""
    chosen = list(dict.fromkeys(numbers))
    if len(chosen) < 2:
        raise UsageError("compare takes two trials or more, such as `sweep compare NAME 0 7`.")
    study = stored_study(name, storage)
    trials = [study.trial(number) for number in chosen]
    curves = study.curves(chosen)
    settings = _settings(trials)
    different = {key for key, values in settings.items() if len(set(values)) > 1}
    if as_json:
        rows = [{**trial_json(t), "curve": curves.get(t.number, [])} for t in trials]
        show_json({"trials": rows, "differences": [key for key in settings if key in different]})
        return
    header = ("", *(f"trial {number}" for number in chosen))
    marked = [
        (f"{key} {_MARK}" if key in different else key, *map(words.text, values))
        for key, values in settings.items()
    ]
    show(f"study '{name}'; {_MARK} marks settings that differ")
    show_titled_table("Settings", header, marked)
    show_titled_table("Measured", header, _metric_rows(trials))
    show_titled_table("Last epoch", header, _curve_rows([curves.get(n, []) for n in chosen]))


def _settings(trials: Sequence["TrialDetail"]) -> dict[str, list[Any]]:
    """Each setting with its value in every trial, and the seeds."""
    known = [in_use({**by_setting(t.params), **t.config}) for t in trials]
    names = dict.fromkeys(name for settings in known for name in settings)
    seeds = {"seeds": [", ".join(map(str, t.seeds)) or None for t in trials]}
    return {name: [settings.get(name) for settings in known] for name in names} | seeds


def _metric_rows(trials: Sequence["TrialDetail"]) -> list[Sequence[str]]:
    return [
        ("state", *(t.state.lower() for t in trials)),
        *((of.name, *(words.cell(t, of.name, 5) for t in trials)) for of in MEASURED),
    ]


def _curve_rows(curves: Sequence[Sequence["CurvePoint"]]) -> list[Sequence[str]]:
    last = [vars(curve[-1]) if curve else {} for curve in curves]
    return [
        ("epoch", *(words.text(point.get("epoch")) for point in last)),
        ("train_loss", *(words.number(point.get("train_loss"), 5) for point in last)),
        ("val_mse", *(words.number(point.get("val_mse"), 5) for point in last)),
    ]
