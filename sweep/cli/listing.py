"""Commands list, best and trials: tables of studies and trials."""

from collections.abc import Sequence
from shlex import quote
from typing import Annotated, Any

import typer

from sweep.analysis.filters import Filter, find_column
from sweep.cli import words
from sweep.cli.options import LARGEST, Json, Storage, StudyNameOrOnly, Where, Wide, stored_study
from sweep.cli.output import say, show_json, show_list
from sweep.cli.records import study_json, trial_json
from sweep.findings.conditions import add_typed, add_values
from sweep.findings.progress import study_status
from sweep.findings.ranking import best_numbers
from sweep.findings.selection import ordered_rows, parse_sort
from sweep.findings.study_list import study_table
from sweep.findings.trial_list import best_list, trial_list
from sweep.store.handle import DatabaseHandle, StudyHandle
from sweep.store.migrate import open_store
from sweep.store.table import TrialTable


def list_(
    show_all: Annotated[
        bool, typer.Option("--all", help="Include derived studies (ties, explain), indented.")
    ] = False,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """List the studies in the database."""
    found = DatabaseHandle(open_store(storage)).study_list()
    if as_json:
        studies = [
            {**study_json(study), "derived_from": found.parents.get(study.name)}
            for study in found.studies
        ]
        unreadable = [{"study_name": of.name, "unreadable": of.reason} for of in found.unreadable]
        show_json([*studies, *unreadable])
        return
    if table := study_table(found, with_derived=show_all):
        show_list(table, wide=None)
    else:
        say("no studies yet. `sweep start FILE` creates one.")
    n_folded = len(found.studies) - len(found.families)
    if n_folded and not show_all:
        command = words.command("sweep list --all", storage)
        many = "1 derived study is" if n_folded == 1 else f"{n_folded:,} derived studies are"
        say(f"{many} not shown (`sweep ties`, `sweep explain`). To show all: {command}")
    for study in found.studies:
        if (status := study_status(study)).lacks_coordinator:
            say(f"{study.name}: {words.in_terminal(status.detail, storage)}")
    for of in found.unreadable:
        say(of.reason)


def best(
    name: StudyNameOrOnly = None,
    n: Annotated[int, typer.Option("-n", min=1, max=LARGEST, help="Number of trials.")] = 10,
    where: Where = None,
    *,
    wide: Wide = False,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Show a study's best trials; with several objectives, its Pareto set.

    Only complete trials that are not marked invalid. They are chosen by the validation error
    (val_mse); the test columns are only reported. With --where, the best of the trials that meet
    it.
    """
    study = stored_study(name, storage)
    filtered = conditions(study.table(), where)
    table = filtered.apply(study.table())
    numbers = best_numbers(table, n)
    if as_json:
        show_json(_as_json(study, numbers))
    elif numbers:
        show_list(best_list(table.where(table.rows_of(numbers)), filtered.columns), wide=wide)
    elif filtered:
        say("no complete trial meets these conditions.")
    else:
        status = words.command(f"sweep status {quote(study.name)}")
        say(f"study '{study.name}' has no complete trial yet. {status}")


def trials(
    name: StudyNameOrOnly = None,
    where: Where = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="Only trials that are waiting, running, complete, pruned or fail. Repeatable.",
        ),
    ] = None,
    sort: Annotated[
        str,
        typer.Option(
            metavar="COLUMN,...",
            help="Any column, such as value, epochs or -psnr (highest first); of equals the next "
            "one decides.",
        ),
    ] = "number",
    desc: Annotated[bool, typer.Option("--desc", help="Highest first.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, max=LARGEST, help="Maximum number of trials.")
    ] = None,
    valid: Annotated[bool, typer.Option("--valid", help="Exclude invalid trials.")] = False,
    *,
    wide: Wide = False,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """List a study's trials.

    --where accepts what the filter of the page Trials accepts: values (relu), ranges
    (hidden_width:32..64) and comparisons (value<0.01), separated by commas or "and"; two values of
    one setting are alternatives. Columns are given by name, title or a short name (lr, width).
    """
    study = stored_study(name, storage)
    table = study.table()
    filtered, also = conditions(table, where), Filter()
    if state:
        also = add_values(also, "state", state, table)
    if valid:
        also = add_values(also, "invalid", ["false"], table)
    chosen = also.apply(filtered.apply(table))
    # Before the first trial there are no columns of settings.
    by = [of._replace(descending=of.descending != desc) for of in parse_sort(sort) if len(table)]
    listed = chosen.where(ordered_rows(chosen, by)[:limit])
    numbers = listed.numbers.tolist()
    if as_json:
        show_json(_as_json(study, numbers))
    elif numbers:
        others = (*filtered.columns, *(find_column(table, of.name)[0] for of in by))
        show_list(trial_list(listed, others, study.remarks(numbers)), wide=wide)
    else:
        say("no matching trials.")


def conditions(table: TrialTable, where: str | None) -> Filter:
    """Parse --where; no conditions before the first trial, because settings have no columns yet."""
    return add_typed(Filter(), where, table) if where and len(table) else Filter()


def _as_json(study: StudyHandle, numbers: Sequence[int]) -> list[dict[str, Any]]:
    rows = {row.number: row for row in study.trials(numbers)}
    return [trial_json(rows[number]) for number in numbers if number in rows]
