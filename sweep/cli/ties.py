"""Command ties: which top configurations are statistically indistinguishable from the best."""

from shlex import quote
from typing import Annotated

import typer

from sweep.analysis.study_ties import ignored_ties, own_ties, study_ties, ties_in
from sweep.analysis.ties import TieSet
from sweep.cli import words
from sweep.cli.observing import train_child
from sweep.cli.options import Json, Storage, StudyName, stored_study
from sweep.cli.output import say, show, show_finding, show_json
from sweep.cli.run_options import takes_run_options
from sweep.coordinator.retrain import choose_retraining, run_retraining
from sweep.errors import UsageError
from sweep.findings.ties import next_ties, ties_json, ties_table
from sweep.launch.resources import RunOptions
from sweep.store.handle import StudyHandle, open_study


@takes_run_options
def ties(
    name: StudyName,
    n: Annotated[
        int | None,
        typer.Option(
            "--number",
            "-n",
            min=2,
            max=50,
            help="Number of best trials to compare by the study's own seeds.",
            show_default="10, if nothing was retrained",
        ),
    ] = None,
    train: Annotated[
        bool,
        typer.Option("--run", help="Retrain the best configurations, in a study NAME-ties."),
    ] = False,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            metavar="N",
            min=2,
            max=50,
            help="With --run: number of the best configurations.",
            show_default="8",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            metavar="S",
            min=3,
            max=1000,
            help="With --run: seeds of each configuration.",
            show_default="5",
        ),
    ] = None,
    *,
    options: RunOptions,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Show which of the best configurations are statistically indistinguishable from the best.

    Needs at least 3 seeds for each: --run retrains the best with new seeds, else those of
    `study.repeat` are used. Welch's t test of log validation errors, corrected after Holm over all
    pairs; among ties with an error at most 10 % higher, the smallest and cheapest are named.
    """
    _check(n, train, top, seeds)
    study = stored_study(name, storage)
    for sentence in ignored_ties(study):
        say(sentence)
    if train:
        found = _run(study, (top, seeds), options, storage)
    else:
        found = study_ties(study) if n is None else own_ties(study, n)
    if as_json:
        show_json(ties_json(study.name, found))
    elif found is not None or not train:
        show_finding(ties_table(study.name, found), storage)
        if found is not None and (more := next_ties(study, found)):
            show(words.in_terminal(more, storage))


def _check(n: int | None, train: bool, top: int | None, seeds: int | None) -> None:
    if train and n is not None:
        raise UsageError("-n compares with the study's own seeds; with --run, use --top.")
    if not train and (top is not None or seeds is not None):
        raise UsageError("--top and --seeds say what to train, so they need --run.")


def _run(
    study: StudyHandle,
    sizes: tuple[int | None, int | None],
    options: RunOptions,
    storage: str | None,
) -> TieSet | None:
    """Train ``sizes``, configurations and seeds; return the ties, None with too few results."""
    job = choose_retraining(study, *sizes)
    sized = f"--top {len(job.trials.numbers)} --seeds {job.n_seeds}"
    again = words.command(f"sweep ties {quote(study.name)} --run {sized}", storage)
    if not train_child(
        job.child,
        lambda observe: run_retraining(study.engine, job, options, observe, say=say),
        again,
    ):
        return None
    if (found := ties_in(open_study(study.engine, job.child), job.trials)) is None:
        trials = words.command(f"sweep trials {quote(job.child)}", storage)
        say(f"Too few configurations were trained with every seed for a comparison: see {trials}.")
    return found
