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
    from sweep.analysis.explanation import AblationPath, Explanation
    from sweep.analysis.study_explanation import StudyExplanation
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
    """Show what the difference between two configurations' errors comes from, change by change.

    Each change is trained, not guessed: forward, the one that helps most comes first; in reverse,
    the one whose undoing hurts most. Without --run it shows what is known and what is missing.
    """
    from sweep.analysis.study_explanation import StudyExplanation, ignored
    from sweep.coordinator.explain import choose_ablation, load_explanation

    study = stored_study(name, storage)
    of = choose_ablation(study, from_number, to_number, seeds)
    for sentence in ignored(study):
        say(sentence)
    if train:
        _run(study.engine, of, options, storage)
    found = load_explanation(study.engine, of)
    if as_json:
        show_json(_plain(of, found))
        return
    explained = StudyExplanation(child=of.child, ends=of.ends, n_seeds=of.n_seeds, found=found)
    _show(study, explained, storage)


def _run(engine: "Engine", of: "AblationJob", options: "RunOptions", storage: str | None) -> None:
    from sweep.analysis.study_explanation import command_of
    from sweep.coordinator.explain import run_explanation

    again = words.command(f"{command_of(of.ends, of.n_seeds)} --run", storage)
    train_child(
        of.child, lambda observe: run_explanation(engine, of, options, observe, say=say), again
    )


def _show(study: "StudyHandle", explained: "StudyExplanation", storage: str | None) -> None:
    from sweep.analysis.training_time import clock_seconds
    from sweep.findings.ablation import ablation_plan, ablation_title, about_path, path_table

    found = explained.found
    show(in_ascii(ablation_title(explained)))
    for group in found.groups:
        show(f"  {group.text}")
    if found.diverged:
        show(in_terminal(about_path(explained), storage))
    if found.whole is not None:
        for reverse in (False, True):
            show_finding(path_table(explained, reverse=reverse), storage)
    if plan := ablation_plan(explained, clock_seconds(study)):
        show()
        show(in_terminal(plan, storage))


def _plain(of: "AblationJob", found: "Explanation") -> dict[str, Any]:
    return {
        "study": of.ends.study,
        "explained_in": of.child,
        "from": of.ends.from_number,
        "to": of.ends.to_number,
        "n_seeds": of.n_seeds,
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
