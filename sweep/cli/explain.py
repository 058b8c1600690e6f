"""explain: what the difference between two configurations' errors comes from."""

from typing import TYPE_CHECKING, Annotated

import typer

from sweep.cli import words
from sweep.cli.observing import train_child
from sweep.cli.options import LARGEST, Json, Storage, StudyName, stored_study
from sweep.cli.output import say, show, show_finding, show_json
from sweep.cli.run_options import takes_run_options
from sweep.errors import UsageError
from sweep.findings.dialects import in_ascii

if TYPE_CHECKING:
    from sweep.coordinator.explain import AblationJob
    from sweep.launch.resources import RunOptions
    from sweep.store.engine import Engine


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
        bool,
        typer.Option(
            "--factorial",
            help="Every combination of the causes: possible, and the default, for at most five.",
        ),
    ] = False,
    path: Annotated[
        bool,
        typer.Option("--path", help="One change after another; the default for more causes."),
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
    """Show what the difference between two configurations' errors comes from.

    Each change is trained, not guessed. Where few causes differ, every combination is: what each
    makes alone, what taking it back alone costs, and its Shapley value, with their interaction.
    Otherwise one change after another: forward, the one that helps most comes first; in reverse,
    the one whose undoing hurts most. Without --run it shows what is known and what is missing.
    """
    from sweep.analysis.study_explanation import list_ignored
    from sweep.analysis.training_time import clock_seconds
    from sweep.coordinator.explain import choose_ablation, load_analysis
    from sweep.enums import AblationMethod
    from sweep.findings.explanation import gather_analysis

    if factorial and path:
        raise UsageError("--factorial and --path are two methods. Give one of them.")
    study = stored_study(name, storage)
    method = AblationMethod.FACTORIAL if factorial else AblationMethod.PATH if path else None
    job = choose_ablation(study, from_number, to_number, seeds, method)
    for sentence in list_ignored(study):
        say(sentence)
    if train:
        _run(study.engine, job, options, storage)
    analysis = load_analysis(study.engine, job)
    pace = clock_seconds(study) if analysis.found.missing else None
    found = gather_analysis(analysis, pace)
    if as_json:
        show_json(found.to_json())
        return
    show(in_ascii(found.title))
    for change in found.changes:
        show(f"  {change}")
    for table in found.tables:
        show_finding(table, storage)
    for sentence in found.sentences:
        show()
        show(words.in_terminal(sentence, storage))


def _run(engine: "Engine", of: "AblationJob", options: "RunOptions", storage: str | None) -> None:
    from sweep.analysis.study_explanation import command_of
    from sweep.coordinator.explain import run_explanation

    again = words.command(f"{command_of(of.ends, of.n_seeds)} --run", storage)
    train_child(
        of.child, lambda observe: run_explanation(engine, of, options, observe, say=say), again
    )
