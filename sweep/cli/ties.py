"""ties: which of the best configurations cannot be told from the best."""

from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.cli import words
from sweep.cli.observing import train_child
from sweep.cli.options import Json, Storage, StudyName, stored_study
from sweep.cli.output import say, show, show_json, show_titled_table
from sweep.cli.run_options import takes_run_options
from sweep.errors import UsageError

if TYPE_CHECKING:
    from sweep.analysis.ties import TieSet
    from sweep.launch.resources import RunOptions
    from sweep.store.handle import StudyHandle


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
            show_default="10, where nothing was trained again",
        ),
    ] = None,
    train: Annotated[
        bool,
        typer.Option("--run", help="Train the best configurations again, in a study NAME-ties."),
    ] = False,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            metavar="N",
            min=2,
            max=50,
            help="With --run: how many configurations, the best ones.",
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
    options: "RunOptions",
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Tell which of the best configurations their seeds cannot tell from the best.

    Needs 3 seeds or more of each: --run trains the best again with fresh ones, else those count
    that `study.repeat` gave. Welch's t test of log validation errors, corrected after Holm over all
    pairs; of those that tie, the smallest and cheapest are named.
    """
    from sweep.analysis.study_ties import ignored_ties, own_ties, study_ties

    _check(n, train, top, seeds)
    study = stored_study(name, storage)
    for sentence in ignored_ties(study):
        say(sentence)
    if train:
        found = _run(study, (top, seeds), options, storage)
    else:
        found = study_ties(study) if n is None else own_ties(study, n)
    if as_json:
        show_json(_plain(found))
    elif found is not None:
        _show(found)
        if found.left_open:
            show(found.left_open)
        show(_where_from(study, found, storage))
    elif not train:
        show(_what_would_do(study, storage))


def _check(n: int | None, train: bool, top: int | None, seeds: int | None) -> None:
    if train and n is not None:
        raise UsageError("-n is of the study's own seeds; with --run, --top says how many.")
    if not train and (top is not None or seeds is not None):
        raise UsageError("--top and --seeds say what to train, so they need --run.")


def _run(
    study: "StudyHandle",
    sizes: tuple[int | None, int | None],
    options: "RunOptions",
    storage: str | None,
) -> "TieSet | None":
    """Train ``sizes``, configurations and seeds; what came of it, None where that is too little."""
    from sweep.analysis.study_ties import ties_in
    from sweep.coordinator.retrain import choose_retraining, run_retraining
    from sweep.store.handle import open_study

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
        say(f"Too few could be trained with every seed to compare them: {trials} says why.")
    return found


# --- in words -----------------------------------------------------------------------------------


def _show(found: "TieSet") -> None:
    rows = [
        (
            str(of.candidate.number),
            str(len(of.candidate.errors)),
            words.number(of.error, 5),
            f"{of.times_best:.3f}",
            f"{of.p:.3f}",
            _role(of.is_tied, of.candidate.number, found),
        )
        for of in found.compared
    ]
    header = ("trial", "seeds", "val_mse", "times best", "p", "")
    show_titled_table("Beside the best", header, rows, left=0, words_last=1)


def _role(is_tied: bool, number: int, found: "TieSet") -> str:
    if not is_tied:
        return "worse"
    roles = {"smallest": found.smallest, "cheapest": found.cheapest}
    return ", ".join(["ties", *(role for role, of in roles.items() if of == number)])


def _where_from(study: "StudyHandle", found: "TieSet", storage: str | None) -> str:
    if found.retrained_in is None:
        return f"By the study's own seeds.{_offer(study, storage)}"
    left_out = ", ".join(map(str, found.left_out))
    in_vain = f" Trained again in vain, so left out: {left_out}." if left_out else ""
    again = f"Each was trained again with fresh seeds, in study '{found.retrained_in}'.{in_vain}"
    return again + (_since(study, found, storage) or _more_seeds(study.name, found, storage))


def _more_seeds(name: str, found: "TieSet", storage: str | None) -> str:
    if not found.left_open:
        return ""
    n_top, n_seeds = len(found.compared) + len(found.left_out), 2 * found.n_seeds
    run = words.command(f"sweep ties {quote(name)} --run --top {n_top} --seeds {n_seeds}", storage)
    return f" With twice as many: {run}"


def _since(study: "StudyHandle", found: "TieSet", storage: str | None) -> str:
    """Said where the study has other best configurations by now."""
    from sweep.analysis.study_ties import best_numbers

    trained = {*found.left_out, *(of.candidate.number for of in found.compared)}
    if trained == {*best_numbers(study, len(trained))}:
        return ""
    run = words.command(f"sweep ties {quote(study.name)} --run --top {len(trained)}", storage)
    return f" They are not the study's {len(trained)} best any more: {run} trains those."


def _what_would_do(study: "StudyHandle", storage: str | None) -> str:
    return (
        "Nothing to compare: it takes two configurations with 3 seeds each, as a study with "
        f"`study.repeat = 3` trains them.{_offer(study, storage)}"
    )


def _offer(study: "StudyHandle", storage: str | None) -> str:
    """Nothing for a study that was itself trained for another one."""
    from sweep.coordinator.retrain import find_parent

    if find_parent(study) is not None:
        return ""
    run = words.command(f"sweep ties {quote(study.name)} --run", storage)
    return f" {run} trains the best again, with fresh seeds."


def _plain(found: "TieSet | None") -> dict[str, Any]:
    return {
        "compared": [
            {
                "number": of.candidate.number,
                "n_seeds": len(of.candidate.errors),
                "val_mse": of.error,
                "times_best": of.times_best,
                "p": of.p,
                "tied": of.is_tied,
            }
            for of in (found.compared if found else ())
        ],
        "smallest": found.smallest if found else None,
        "cheapest": found.cheapest if found else None,
        "retrained_in": found.retrained_in if found else None,
        "left_out": found.left_out if found else (),
    }
