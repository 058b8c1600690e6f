"""Command diagnose: what limits the errors of a study."""

from typing import Annotated

import typer

from sweep.analysis.study_diagnosis import diagnose_trials, diagnose_widths
from sweep.analysis.study_floors import add_sigmoid_bound, study_floors
from sweep.cli.options import Json, NumbersOrWidths, Storage, StudyNameOrOnly, stored_study
from sweep.cli.output import show_finding, show_json
from sweep.findings.diagnoses import diagnosis_table


def diagnose(
    name: StudyNameOrOnly = None,
    numbers: NumbersOrWidths = None,
    sigmoid_bound: Annotated[
        bool,
        typer.Option(
            "--sigmoid-bound",
            help="First compute and keep the lower bound of linear codes with sigmoid outputs.",
        ),
    ] = False,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Show what limits a trial's error and the change that should help most, at each width.

    Numbers choose trials. Gains of a doubling come from trained pairs if the study has them, else
    from fits.
    """
    study = stored_study(name, storage)
    for number in numbers or ():
        study.trial(number)  # raises NotFoundError with the existing numbers
    floors = add_sigmoid_bound(study) if sigmoid_bound else study_floors(study)
    found = (
        diagnose_trials(study, study.table(), numbers, floors)
        if numbers
        else diagnose_widths(study, floors)
    )
    table = diagnosis_table(study.name, found, floors)
    if as_json:
        show_json(table.records())
    else:
        show_finding(table)
