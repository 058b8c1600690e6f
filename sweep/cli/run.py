"""Commands start and resume: run a study in this process, or ask the running one to continue."""

import json
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from sweep.cli import control, words
from sweep.cli.observing import observers, webhook_endpoint
from sweep.cli.options import INTERRUPTED, Storage, StudyName, stored_study
from sweep.cli.output import say, show, show_decision, show_finding, show_list
from sweep.cli.run_options import takes_run_options
from sweep.enums import CommandKind, StudyPhase
from sweep.errors import StudyHeldError, UsageError

if TYPE_CHECKING:
    from sweep.launch.resources import RunOptions
    from sweep.store.handle import StudyHandle
    from sweep.store.records import StudySummary
    from sweep.studyfile import StudyFile

WebhookOption = Annotated[
    str | None,
    typer.Option(
        "--webhook",
        metavar="URL",
        help="POST each new best, the failure limit and the end to this URL; "
        "SWEEP_WEBHOOK_SECRET signs.",
        show_default="SWEEP_WEBHOOK, else none",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Show what would run, and for how long; write nothing."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="Change the study file for this run, e.g. budget.trials=50. Repeatable.",
    ),
]


@takes_run_options
def start(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The study file, TOML.")],
    overrides: Set = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the study; short for study.name.")
    ] = None,
    from_studies: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="NAME",
            help="Learn from the finished trials of this study and run its best first; short for "
            "warm_start.studies. Repeatable.",
        ),
    ] = None,
    best: Annotated[
        int | None,
        typer.Option(
            "--best",
            min=0,
            max=10_000,
            metavar="N",
            help="Number of the best of --from that run first; short for warm_start.best.",
            show_default="10",
        ),
    ] = None,
    *,
    options: "RunOptions",
    dry_run: DryRun = False,
    go_on: Annotated[
        bool, typer.Option("--resume", help="Continue the study if it exists.")
    ] = False,
    webhook: WebhookOption = None,
    storage: Storage = None,
) -> None:
    """Create a study from a file and run it to its end.

    Ctrl-C once: finish the epoch and keep the results. Twice: stop now; finished trials are kept.
    """
    from sweep import studyfile

    # JSON's strings are TOML's, so a name of digits stays a name.
    named = [] if name is None else [f"study.name={json.dumps(name)}"]
    taken = _warm_start(from_studies, best)
    study_file = studyfile.load(file, [*(overrides or []), *named, *taken])
    if best is not None and not study_file.warm_start.studies:
        raise UsageError(f"--best {best} needs --from NAME, the study to take them from.")
    if dry_run:
        from sweep.cli.dry_run import show_plan

        webhook_endpoint(webhook)
        show_plan(study_file, options, storage, go_on=go_on)
        return
    from sweep.launch.resources import start_ahead

    with start_ahead(study_file, options, is_resumed=go_on) as resources:
        from sweep.coordinator import run
        from sweep.store.handle import open_study
        from sweep.store.migrate import open_store

        engine = open_store(storage, create=True)
        with observers(study_file.study.name, webhook) as (observe, told):
            phase = run.start(
                *(engine, study_file, options, observe),
                say=say,
                go_on=go_on,
                resources=resources,
            )
            told.phase = phase
    _finish(open_study(engine, study_file.study.name), phase, storage)


def _warm_start(studies: list[str] | None, best: int | None) -> list[str]:
    """Build the overrides of --from and --best."""
    taken = [f"warm_start.studies={json.dumps(studies)}"] if studies else []
    return taken if best is None else [*taken, f"warm_start.best={best}"]


@takes_run_options
def resume(
    name: StudyName,
    trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=10_000_000,
            metavar="N",
            help="New budget: the study's total number of trials.",
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A changed study file; its space may only widen."),
    ] = None,
    overrides: Set = None,
    *,
    options: "RunOptions",
    dry_run: DryRun = False,
    webhook: WebhookOption = None,
    storage: Storage = None,
) -> None:
    """Continue a study that was stopped, interrupted or killed, or is paused.

    Trials that were in training restart under their own numbers. A study that is paused, or runs in
    another process, gets the request through the database.
    """
    study = stored_study(name, storage)
    summary = study.summary()
    if dry_run:
        from sweep.cli.dry_run import show_resume_plan

        webhook_endpoint(webhook)
        changed = _changed_file(study, file, overrides)
        show_resume_plan(study, options, trials=trials, study_file=changed)
        return
    if summary.running:
        if file or overrides:
            raise UsageError(
                f"study '{name}' runs now: a change of its file needs "
                f"`sweep stop {quote(name)}` first."
            )
        _tell_to_go_on(study, summary, trials)
        return
    changed = _changed_file(study, file, overrides)
    from sweep.coordinator import run
    from sweep.launch.resources import start_ahead

    study_file = changed or run.stored_file(study.engine, name)
    with (
        start_ahead(study_file, options, n_trials=trials, is_resumed=True) as resources,
        observers(name, webhook) as (observe, told),
    ):
        phase = run.resume(
            *(study.engine, name, options, observe),
            say=say,
            trials=trials,
            study_file=changed,
            resources=resources,
        )
        told.phase = phase
    _finish(study, phase, storage)


def _changed_file(
    study: "StudyHandle", file: Path | None, overrides: list[str] | None
) -> "StudyFile | None":
    """Read the study file to continue with and say what changed; None to keep the stored one."""
    from sweep import studyfile

    if file is None and not overrides:
        return None
    stored, source = study.record().study_file, f"study '{study.name}'"
    # Whatever name the file has: --name may have given the study another.
    changes = [*(overrides or []), f"study.name={json.dumps(study.name)}"]
    changed = (
        studyfile.loads(stored, source, changes) if file is None else studyfile.load(file, changes)
    )
    before = studyfile.loads(stored, source, check_packages=False)
    say(f"{source}: changes of its file: {', '.join(changed.differences(before)) or 'none'}.")
    return changed


def _tell_to_go_on(study: "StudyHandle", summary: "StudySummary", trials: int | None) -> None:
    """Send a running coordinator what `resume` means: a larger budget, the end of a pause."""
    if trials is not None:
        say(control.ask(study, CommandKind.EXTEND, {"n_trials": trials}))
    if _is_paused(study, summary.phase):
        say(control.ask(study, CommandKind.CONTINUE))
    elif trials is None:
        holder = summary.held_by
        assert holder is not None
        raise StudyHeldError(
            f"study '{study.name}' runs already: process {holder.pid} on {holder.host}. "
            f"`sweep status {quote(study.name)}` shows it, `--trials N` extends it."
        )


def _is_paused(study: "StudyHandle", phase: StudyPhase) -> bool:
    """Return whether it is paused, or will be when the pending commands are applied."""
    paused = phase == StudyPhase.PAUSED
    for waiting in study.commands(pending_only=True):
        if waiting.kind in (CommandKind.PAUSE, CommandKind.CONTINUE):
            paused = waiting.kind == CommandKind.PAUSE
    return paused


def _finish(study: "StudyHandle", phase: StudyPhase, storage: str | None) -> None:
    """Say how the study ended, its best configurations, and what to do next."""
    from sweep.coordinator.continuing import resume_command
    from sweep.findings.failures import failure_table, latest_failed
    from sweep.findings.progress import ended_counts, tally
    from sweep.findings.ranking import best_numbers
    from sweep.findings.trial_list import best_list

    summary = study.summary()
    because = f": {summary.ended_because}" if summary.ended_because and phase in _SAID_WHY else ""
    ended = ": ".join(
        filter(None, [words.count(summary.n_finished, "trial"), tally(ended_counts(summary))])
    )
    say(f"study '{study.name}': {_ENDINGS.get(phase, phase)}{because}. {ended}.")
    table = study.table()
    if numbers := best_numbers(table, _N_BEST):
        show_list(best_list(table.where(table.rows_of(numbers))))
        _show_decision(study, summary, storage)
    if summary.n_failed:
        show_finding(failure_table(latest_failed(study), summary.counts["FAIL"]))
    if phase != StudyPhase.FINISHED:
        say(f"Resume: {words.command(resume_command(summary), storage)}")
    say(f"Report: {words.command(f'sweep report {quote(study.name)}', storage)}")
    if phase == StudyPhase.INTERRUPTED:
        raise typer.Exit(INTERRUPTED)


def _show_decision(study: "StudyHandle", summary: "StudySummary", storage: str | None) -> None:
    from sweep.analysis.study_floors import kept_floors
    from sweep.analysis.study_ties import study_ties
    from sweep.findings.decision import gather_decision

    ties, floors = study_ties(study), kept_floors(study)
    if decision := gather_decision(study, summary, study.table(), ties, floors):
        show()
        show_decision(decision, storage)


_N_BEST = 5
_ENDINGS = {
    StudyPhase.INTERRUPTED: "interrupted; results are kept",
    StudyPhase.STOPPED: "stopped on request; results are kept",
    StudyPhase.OUT_OF_TIME: "out of time; results are kept",
}
#: Phases that a budget causes.
_SAID_WHY = (StudyPhase.FINISHED, StudyPhase.OUT_OF_TIME)
