"""explain: what the difference between two configurations' errors comes from."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.cli import words
from sweep.cli.observing import train_child
from sweep.cli.options import LARGEST, Json, Storage, StudyName, stored_study
from sweep.cli.output import say, show, show_finding, show_json
from sweep.cli.run_options import takes_run_options
from sweep.cli.words import in_terminal
from sweep.findings.dialects import in_ascii

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sweep.analysis.explanation import AblationPath, Explanation, ParameterGroup
    from sweep.coordinator.explain import AblationJob
    from sweep.launch.resources import RunOptions
    from sweep.store.engine import Engine
    from sweep.store.handle import StudyHandle


@takes_run_options
def explain(
    name: StudyName,
    from_number: Annotated[
        int | None,
        typer.Option(
            "--from",
            metavar="NUMBER",
            min=0,
            max=LARGEST,
            help="The trial to begin from.",
            show_default="the baseline, with what the study fixes",
        ),
    ] = None,
    to_number: Annotated[
        int | None,
        typer.Option(
            "--to",
            metavar="NUMBER",
            min=0,
            max=LARGEST,
            help="The trial to explain.",
            show_default="the best",
        ),
    ] = None,
    train: Annotated[
        bool, typer.Option("--run", help="Train what is missing, in a study NAME-explain.")
    ] = False,
    factorial: Annotated[
        bool | None,
        typer.Option(
            "--factorial/--path",
            help="Every combination of at most five causes, or one change after another.",
            show_default="--factorial for at most five",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            metavar="N",
            min=1,
            max=1000,
            help="Seeds of each configuration, the same for all.",
            show_default="3",
        ),
    ] = None,
    *,
    options: "RunOptions",
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Show what the difference between two configurations' errors comes from.

    Each change is trained, not guessed. Where few causes differ, every combination is: what each
    makes alone, what taking it back alone costs, and its Shapley value, with their interaction.
    Otherwise one change after another: forward, the one that helps most comes first; in reverse,
    the one whose undoing hurts most. Without --run it shows what is known and what is missing.
    """
    from sweep.analysis.study_explanation import ignored
    from sweep.coordinator.explain import choose_ablation
    from sweep.enums import AblationMethod

    study = stored_study(name, storage)
    methods = {None: None, True: AblationMethod.FACTORIAL, False: AblationMethod.PATH}
    job = choose_ablation(study, from_number, to_number, seeds, methods[factorial])
    for sentence in ignored(study):
        say(sentence)
    if train:
        _run(study.engine, job, options, storage)
    if job.is_factorial:
        _show_factorial(study, job, storage, as_json=as_json)
    else:
        _show_paths(study, job, storage, as_json=as_json)


def _run(engine: "Engine", of: "AblationJob", options: "RunOptions", storage: str | None) -> None:
    from sweep.analysis.study_explanation import command_of
    from sweep.coordinator.explain import run_explanation

    again = words.command(f"{command_of(of.ends, of.n_seeds)} --run", storage)
    train_child(
        of.child, lambda observe: run_explanation(engine, of, options, observe, say=say), again
    )


def _show_factorial(
    study: "StudyHandle", job: "AblationJob", storage: str | None, *, as_json: bool
) -> None:
    from sweep.analysis.training_time import clock_seconds
    from sweep.coordinator.explain import load_factorial
    from sweep.findings.factorial import cause_table, cell_table, factorial_json, factorial_title

    analysis = load_factorial(study.engine, job)
    if as_json:
        show_json({**_plain_ends(job, analysis.child), **factorial_json(analysis)})
        return
    _show_ends(factorial_title(analysis), analysis.found.causes)
    show_finding(cell_table(analysis), storage)
    pace = clock_seconds(study) if analysis.found.missing else None
    show_finding(cause_table(analysis, pace).without("change"), storage)


def _show_paths(
    study: "StudyHandle", job: "AblationJob", storage: str | None, *, as_json: bool
) -> None:
    from sweep.analysis.study_explanation import StudyExplanation
    from sweep.analysis.training_time import clock_seconds
    from sweep.coordinator.explain import load_explanation
    from sweep.findings.ablation import ablation_plan, ablation_title, about_path, path_table

    found = load_explanation(study.engine, job)
    if as_json:
        show_json({**_plain_ends(job, job.child), **_plain_paths(found)})
        return
    explained = StudyExplanation(child=job.child, ends=job.ends, n_seeds=job.n_seeds, found=found)
    _show_ends(ablation_title(explained), found.groups)
    if found.diverged:
        show(in_terminal(about_path(explained), storage))
    if found.whole is not None:
        for reverse in (False, True):
            show_finding(path_table(explained, reverse=reverse), storage)
    if plan := ablation_plan(explained, clock_seconds(study)):
        show()
        show(in_terminal(plan, storage))


def _show_ends(title: str, groups: "Sequence[ParameterGroup]") -> None:
    show(in_ascii(title))
    for group in groups:
        show(f"  {group.text}")


def _plain_ends(job: "AblationJob", child: str | None) -> dict[str, Any]:
    return {
        "study": job.ends.study,
        "method": job.ends.method,
        "explained_in": child,
        "from": job.ends.from_number,
        "to": job.ends.to_number,
        "n_seeds": job.n_seeds,
    }


def _plain_paths(found: "Explanation") -> dict[str, Any]:
    return {
        "groups": [{"name": c.name, "before": c.before, "after": c.after} for c in found.groups],
        "baseline_val_mse": found.baseline_errors,
        "target_val_mse": found.target_errors,
        "effect": found.whole and found.whole._asdict(),
        "forward": _plain_path(found, found.forward),
        "reverse": _plain_path(found, found.reverse),
        "n_missing": len(found.missing),
        "n_left_at_most": found.n_left_at_most,
    }


def _plain_path(found: "Explanation", path: "AblationPath") -> dict[str, Any]:
    return {
        "steps": [
            {
                "groups": step.groups,
                "val_mse": step.errors,
                "effect": step.effect._asdict(),
                "share": found.share(step.effect),
                "options": step.options,
                "n_seeds_agree": step.n_agree,
            }
            for step in path.steps
        ],
        "n_seeds_agree": path.n_agree,
    }
