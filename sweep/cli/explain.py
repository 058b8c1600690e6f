"""explain: what the difference between two configurations' errors comes from."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.catalogue import formats
from sweep.cli import words
from sweep.cli.observing import train_child
from sweep.cli.options import LARGEST, Json, Storage, StudyName, stored_study
from sweep.cli.output import say, show, show_json, show_titled_table
from sweep.cli.run_options import takes_run_options

if TYPE_CHECKING:
    from sweep.analysis.explanation import Explanation, Factor, Path
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
    """Tell what the difference between two configurations' errors comes from, change by change.

    Each change is trained, not guessed: forward, the one that helps most comes first; in reverse,
    the one whose undoing hurts most. Without --run it shows what is known and what is missing.
    How it is computed, and what it cannot say: docs/explain.md.
    """
    from sweep.analysis.study_explanation import ignored
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
    _show(study, of, found, storage)


def _run(engine: "Engine", of: "AblationJob", options: "RunOptions", storage: str | None) -> None:
    from sweep.analysis.study_explanation import command_of
    from sweep.coordinator.explain import run_explanation

    again = words.command(f"{command_of(of.ends, of.n_seeds)} --run", storage)
    train_child(
        of.child, lambda observe: run_explanation(engine, of, options, observe, say=say), again
    )


# --- in words -----------------------------------------------------------------------------------


def _show(
    study: "StudyHandle", of: "AblationJob", found: "Explanation", storage: str | None
) -> None:
    show(f"{_title(of)}: {words.count(of.n_seeds, 'seed')} each")
    for cause in found.causes:
        show(f"  {cause.text}")
    if found.diverged:
        show()
        show(
            f"Training of the {' and of the '.join(found.diverged)} diverged, so there is no "
            "difference to explain. Name other trials with --from and --to."
        )
        return
    if found.whole is not None:
        show()
        show(_whole(found, found.whole))
    _show_path("Forward: what helps most comes first", found, found.forward)
    _show_path("In reverse: what hurts most comes first", found, found.reverse, reverse=True)
    if found.missing:
        show()
        show(_plan(study, of, found, storage))


def _title(of: "AblationJob") -> str:
    from sweep.analysis.study_explanation import baseline_words

    ends = of.ends
    return f"From {baseline_words(ends)} to trial {ends.to_number} of study '{ends.study}'"


def _whole(found: "Explanation", whole: "Factor") -> str:
    from sweep.analysis.explanation import geometric_mean

    assert found.baseline_errors is not None
    assert found.target_errors is not None
    before, after = map(geometric_mean, (found.baseline_errors, found.target_errors))
    chance = ", not told from no difference: no shares of it" if whole.may_be_chance else ""
    return (
        f"val_mse {words.number(before)} → {words.number(after)}: {_times(whole.estimate)} times "
        f"less{_interval(whole, ' (90 %: {})')}{chance}"
    )


def _show_path(title: str, found: "Explanation", path: "Path", *, reverse: bool = False) -> None:
    if not path.steps:
        return
    causes = {of.name: of.undone if reverse else of for of in found.causes}
    rows = [
        (
            str(place),
            ", ".join(causes[name].text for name in step.causes),
            words.number(step.error),
            _times(step.factor.estimate),
            _interval(step.factor, "{}"),
            _share(found, step.factor),
            f"{step.n_agree} of {len(step.errors)}",
        )
        for place, step in enumerate(path.steps, 1)
    ]
    times = "times more" if reverse else "times less"
    header = ("", "change", "val_mse", times, "90 %", "share", "seeds")
    show_titled_table(title, header, rows, left=2)
    if not path.missing:
        n_seeds = len(path.steps[0].errors)
        show(f"{path.n_agree} of {words.count(n_seeds, 'seed')} would have taken this whole order.")


def _times(factor: float) -> str:
    return words.number(factor, 3)


def _interval(factor: "Factor", form: str) -> str:
    if factor.low is None or factor.high is None:
        return ""
    return form.format(f"{_times(factor.low)} to {_times(factor.high)}")


def _share(found: "Explanation", factor: "Factor") -> str:
    share = found.share(factor)
    return words.NOTHING if share is None else formats.percent(share)


def _plan(
    study: "StudyHandle", of: "AblationJob", found: "Explanation", storage: str | None
) -> str:
    from sweep.analysis.study_explanation import command_of

    n_now, n_left = len(found.missing), found.n_left_at_most
    go_on = words.command(f"{command_of(of.ends, of.n_seeds)} --run", storage)
    return (
        f"Missing: {words.count(n_now, 'configuration')} now, {n_left} at most until both paths "
        f"are whole, {words.count(of.n_seeds, 'seed')} each{_how_long(study, of, found)}. "
        f"{go_on} trains them, in study '{of.child}'."
    )


def _how_long(study: "StudyHandle", of: "AblationJob", found: "Explanation") -> str:
    """By the study's own trials; for what comes after the next choice, by the longer end."""
    from sweep.analysis.study_explanation import seconds_an_epoch

    an_epoch = seconds_an_epoch(study)
    if an_epoch is None:
        return ""
    now = sum(config.epochs for config in found.missing)
    later = (found.n_left_at_most - len(found.missing)) * max(
        found.baseline.epochs, found.target.epochs
    )
    times = [words.seconds(n * of.n_seeds * an_epoch) for n in (now, now + later)]
    return f" ({times[0]} of training now, {times[1]} at most, one after another)"


def _plain(of: "AblationJob", found: "Explanation") -> dict[str, Any]:
    return {
        "study": of.ends.study,
        "explained_in": of.child,
        "from": of.ends.from_number,
        "to": of.ends.to_number,
        "n_seeds": of.n_seeds,
        "causes": [{"name": c.name, "before": c.before, "after": c.after} for c in found.causes],
        "baseline_val_mse": found.baseline_errors,
        "target_val_mse": found.target_errors,
        "factor": found.whole and found.whole._asdict(),
        "forward": _plain_path(found, found.forward),
        "reverse": _plain_path(found, found.reverse),
        "n_missing": len(found.missing),
        "n_left_at_most": found.n_left_at_most,
    }


def _plain_path(found: "Explanation", path: "Path") -> dict[str, Any]:
    return {
        "steps": [
            {
                "causes": step.causes,
                "val_mse": step.errors,
                "factor": step.factor._asdict(),
                "share": found.share(step.factor),
                "options": step.options,
                "n_seeds_agree": step.n_agree,
            }
            for step in path.steps
        ],
        "n_seeds_agree": path.n_agree,
    }
