"""What an ablation analysis tells: its sentences and the tables of its paths."""

import math
from collections.abc import Sequence
from dataclasses import replace
from shlex import quote

from sweep.analysis.explanation import AblationPath, ChangeEffect, Explanation, Step
from sweep.analysis.factorial import MAX_CAUSES, causes_between
from sweep.analysis.study_explanation import StudyExplanation, baseline_words, command_of
from sweep.analysis.training_time import EpochSeconds
from sweep.catalogue.formats import count, duration, number, percent
from sweep.enums import AblationMethod
from sweep.findings.tables import Cell, FindingTable, TableColumn
from sweep.store.derived_studies import Explained

FORWARD = "Where the error goes, change by change"
REVERSE = "Undone again, change by change"
_COLUMNS = (
    TableColumn("step", "#", is_number=True),
    TableColumn("change", "Change"),
    TableColumn("val_mse", "Validation error", is_number=True),
    TableColumn("effect", "Error", is_number=True),
    TableColumn("interval", "90 %", is_number=True),
    TableColumn("share", "Share", is_number=True),
    TableColumn("n_seeds_agree", "Seeds", is_number=True),
)
#: For JSON alone: the errors by seed, and the error with each change that could be next.
DETAILS = (TableColumn("seed_errors", ""), TableColumn("options", ""))


def title_between(ends: Explained, n_seeds: int) -> str:
    """Name both ends of an analysis."""
    return (
        f"From {baseline_words(ends)} to trial {ends.to_number} of study '{ends.study}', "
        f"{count(n_seeds, 'seed')} each"
    )


def path_table(explained: StudyExplanation, *, reverse: bool = False) -> FindingTable:
    """Lay the ablation path out, one row a step, with what it tells; or the one back."""
    return path_details(explained, reverse=reverse).without(*(column.name for column in DETAILS))


def path_details(explained: StudyExplanation, *, reverse: bool = False) -> FindingTable:
    """Lay out what ``path_table`` does, with the columns for JSON."""
    found = explained.found
    path = found.reverse if reverse else found.forward
    return FindingTable(
        title=REVERSE if reverse else FORWARD,
        columns=(*_COLUMNS, *DETAILS),
        rows=[_row(place, step, found, reverse) for place, step in enumerate(path.steps, start=1)],
        note=about_path(explained, reverse=reverse),
    )


def _row(place: int, step: Step, found: Explanation, reverse: bool) -> Sequence[Cell]:
    change, share = change_of(found, step, reverse=reverse), found.share(step.effect)
    less, interval = _times(step.effect, reverse=reverse)
    n_seeds = len(step.errors)
    return (
        Cell(str(place), place),
        Cell(change, change),
        Cell(number(step.error), step.error),
        Cell(less, step.effect.estimate),
        Cell(interval, [step.effect.low, step.effect.high]) if interval else Cell(),
        Cell() if share is None else Cell(percent(share), share),
        Cell(f"{step.n_agree} of {n_seeds}", step.n_agree),
        Cell(value=step.errors),
        Cell(value=step.options),
    )


def no_ablation(study: str) -> str:
    """Name the command that trains an ablation analysis."""
    return (
        f"Not trained yet: `sweep explain {quote(study)} --run` trains what lies between the "
        "baseline and the best, change by change, with several seeds."
    )


def ablation_plan(explained: StudyExplanation, epoch_seconds: EpochSeconds | None) -> str:
    """Say what is still to be trained, how long that takes, and by which command; or nothing.

    ``epoch_seconds`` is by the clock.
    """
    found, n_seeds = explained.found, explained.n_seeds
    if not found.missing:
        return ""
    return (
        f"Missing: {count(len(found.missing), 'configuration')} now, {found.n_left_at_most} at "
        f"most until both paths are whole, {count(n_seeds, 'seed')} "
        f"each{_how_long(explained, epoch_seconds)}. "
        f"{what_trains(explained.ends, n_seeds, explained.child)}"
    )


def what_trains(ends: Explained, n_seeds: int, child: str) -> str:
    """Name the command that trains what is missing, and the study that it does so in."""
    return f"`{command_of(ends, n_seeds)} --run` trains them, in study '{child}'."


def _how_long(explained: StudyExplanation, epoch_seconds: EpochSeconds | None) -> str:
    """Estimate from the missing configurations; those after them from the longer end."""
    if epoch_seconds is None:
        return ""
    found = explained.found
    n_later = found.n_left_at_most - len(found.missing)
    now = sum(config.epochs * epoch_seconds(config) for config in found.missing)
    later = n_later * max(of.epochs * epoch_seconds(of) for of in (found.baseline, found.target))
    first, most = (duration(explained.n_seeds * seconds) for seconds in (now, now + later))
    return f" (about {first} now, {most} at most, at the pace of study '{explained.ends.study}')"


def about_path(explained: StudyExplanation, *, reverse: bool = False) -> str:
    """Return what the path tells and what is missing of it; with ``reverse`` the one back."""
    found = explained.found
    path = found.reverse if reverse else found.forward
    if found.diverged:
        return (
            f"Training of the {' and of the '.join(found.diverged)} diverged, so there is no "
            "difference to explain. Name other trials: "
            f"`sweep explain {quote(explained.ends.study)} --from N --to N`."
        )
    said = (
        []
        if reverse
        else [_whole(explained), not_of_the_best(explained.ends, explained.other_best)]
    )
    if path.steps:
        said.append(_first(found, path.steps[0], reverse=reverse))
        said.append(_largest(found, path, reverse=reverse))
    if path.missing:
        again = f"{command_of(explained.ends, explained.n_seeds)} --run"
        said.append(f"Not complete yet: `{again}` trains the rest.")
    elif path.steps:
        said += [
            _undone_harm(found, path, reverse=reverse),
            _within_chance(found, path, reverse=reverse),
            _agreement(path),
            "" if reverse else _order(explained),
        ]
    return " ".join(filter(None, said))


def _whole(explained: StudyExplanation) -> str:
    whole = explained.found.whole
    if whole is None:
        return ""
    return whole_sentence(explained.ends, whole, explained.n_seeds)


def whole_sentence(
    ends: Explained, whole: ChangeEffect, n_seeds: int, trained: str = "both trained again with"
) -> str:
    """Compare both ends of an analysis."""
    chance = " The difference is not significant." if whole.may_be_chance else ""
    ranges = "" if whole.low is None else "; ranges are 90 % intervals over them"
    return (
        f"Trial {ends.to_number} has {times(whole, 'validation error')} than "
        f"{baseline_words(ends)}, {trained} {count(n_seeds, 'seed')}{ranges}.{chance}"
    )


def not_of_the_best(ends: Explained, other_best: int | None) -> str:
    """Say that another trial is the best by now, and what explains it; or nothing."""
    if other_best is None:
        return ""
    command = f"sweep explain {quote(ends.study)} --{ends.method} --to {other_best} --run"
    return (
        f"This explains trial {ends.to_number}; the best now is trial {other_best}, which "
        f"`{command}` explains."
    )


def _first(found: Explanation, step: Step, *, reverse: bool) -> str:
    lead = "What hurts most when undone alone is" if reverse else "What helps most alone is"
    share = found.share(step.effect)
    part = "" if share is None else f", {percent(share)} of the whole on a logarithmic scale"
    change = change_of(found, step, reverse=reverse)
    return f"{lead} {change}: {times(step.effect, reverse=reverse)}{part}."


def _largest(found: Explanation, path: AblationPath, *, reverse: bool) -> str:
    """Name the step with the largest effect, unless it comes first: others had to precede it."""
    largest = max(path.steps, key=lambda step: abs(math.log(step.effect.estimate)))
    if largest is path.steps[0]:
        return ""
    change = change_of(found, largest, reverse=reverse)
    more = times(largest.effect, reverse=reverse)
    return f"The largest step, after those before it, is {change}: {more}."


def _within_chance(found: Explanation, path: AblationPath, *, reverse: bool) -> str:
    """List the changes whose intervals include no change at all."""
    unclear = [
        change_of(found, step, reverse=reverse) for step in path.steps if step.effect.may_be_chance
    ]
    return f"Not significant: {'; '.join(unclear)}." if unclear else ""


def _undone_harm(found: Explanation, path: AblationPath, *, reverse: bool) -> str:
    """Say of merged steps what the first change makes without the one that undoes its harm."""
    said = [
        f"Without the last change of its step, "
        f"{change_of(found, replace(step, groups=step.groups[:-1]), reverse=reverse)} would make "
        f"{times(step.harm, reverse=reverse)}."
        for step in path.steps
        if step.harm is not None
    ]
    return " ".join(said)


def _order(explained: StudyExplanation) -> str:
    """Say that steps depend on their order, and what does not where it can be trained."""
    found, depends = explained.found, "The effect of a step depends on the steps before it"
    if len(causes_between(found.baseline, found.target)) > MAX_CAUSES:
        return f"{depends}."
    ends = replace(explained.ends, method=AblationMethod.FACTORIAL)
    command = command_of(ends, explained.n_seeds)
    return f"{depends}; `{command}` gives effects that depend on no order."


def _agreement(path: AblationPath) -> str:
    n_seeds = len(path.steps[0].errors)
    if n_seeds == 1:
        return "With one seed there are no intervals."
    return f"{path.n_agree} of {n_seeds} seeds give this whole order."


def change_of(found: Explanation, step: Step, *, reverse: bool) -> str:
    """Say what a step changes, in the path's own direction."""
    groups = {of.name: of.undone if reverse else of for of in found.groups}
    return ", ".join(groups[name].text for name in step.groups)


def times(effect: ChangeEffect, noun: str = "error", *, reverse: bool = False) -> str:
    """``5.10 times less error (4.80 to 5.40)``; of an undoing, by how much more."""
    less, interval = _times(effect, reverse=reverse)
    return f"{less} {noun}{f' ({interval})' if interval else ''}"


def _times(effect: ChangeEffect, *, reverse: bool) -> tuple[str, str]:
    """``5.10 times less`` and ``4.80 to 5.40``; the latter empty with one seed."""
    parts = [effect.estimate, effect.low, effect.high]
    is_less = (effect.estimate >= 1) != reverse
    if effect.estimate < 1:
        parts = [None if part is None else 1 / part for part in (parts[0], parts[2], parts[1])]
    estimate, low, high = parts
    interval = "" if low is None else f"{number(low)} to {number(high)}"
    return f"{number(estimate)} times {'less' if is_less else 'more'}", interval
