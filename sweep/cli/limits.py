"""limits: what holds the errors of a study up."""

from typing import TYPE_CHECKING

from sweep.cli import words
from sweep.cli.options import Json, NumbersOrWidths, Storage, StudyName, stored_study
from sweep.cli.output import show_json, show_titled_table

if TYPE_CHECKING:
    from sweep.analysis.study_limits import LimitedTrial


def limits(
    name: StudyName,
    numbers: NumbersOrWidths = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Tell what limits a trial's error, at each width or for chosen trials.

    One of capacity, budget, optimisation, saturation, generalisation and loss floor; the rules are
    in docs/limits.md.
    """
    from sweep.analysis.study_floors import study_floors
    from sweep.analysis.study_limits import limits_by_width, limits_of

    study = stored_study(name, storage)
    if numbers:
        for number in numbers:
            study.trial(number)  # raises NotFoundError with those that are there
        found = limits_of(study, numbers, study_floors(study))
    else:
        found = limits_by_width(study, study_floors(study))
    if as_json:
        show_json([_plain(of) for of in found])
        return
    rows = [
        (
            words.text(of.trial.hidden_width),
            str(of.trial.number),
            words.number(of.trial.test_mse, 4),
            str(of.limited.limit or "unknown"),
            of.limited.because,
        )
        for of in found
    ]
    header = ("width", "trial", "test_mse", "limited by", "because")
    show_titled_table("What limits the error", header, rows, left=0, words_last=2)


def _plain(of: "LimitedTrial") -> dict[str, object]:
    return {
        "number": of.trial.number,
        "hidden_width": of.trial.hidden_width,
        "test_mse": of.trial.test_mse,
        "limit": of.limited.limit,
        "because": of.limited.because,
    }
