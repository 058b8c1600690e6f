"""What an ablation analysis tells: its sentences and the tables of its paths."""

from shlex import quote

from sweep.analysis.explanation import Explanation, Factor, Path, Step
from sweep.analysis.study_explanation import StudyExplanation, baseline_words, command_of
from sweep.catalogue.formats import count, number, percent


def about_path(explained: StudyExplanation, *, reverse: bool = False) -> str:
    """Return what the path tells and what is missing of it; with ``reverse`` the one back."""
    found = explained.found
    path = found.reverse if reverse else found.forward
    if found.diverged:
        return f"Training of the {' and of the '.join(found.diverged)} diverged."
    said = [] if reverse else [_whole(explained), _not_of_the_best(explained)]
    if path.steps:
        said.append(_first(found, path.steps[0], reverse=reverse))
        said.append(_largest(found, path, reverse=reverse))
    if path.missing:
        again = f"{command_of(explained.ends, explained.n_seeds)} --run"
        said.append(f"Not whole yet: `{again}` trains the rest.")
    elif path.steps:
        said += [_within_chance(found, path, reverse=reverse), _agreement(path)]
    return " ".join(filter(None, said))


def _whole(explained: StudyExplanation) -> str:
    whole = explained.found.whole
    if whole is None:
        return ""
    chance = " That is not told from no difference." if whole.may_be_chance else ""
    return (
        f"Trial {explained.ends.to_number} has {times(whole, 'validation error')} than "
        f"{baseline_words(explained.ends)}, both trained anew with "
        f"{count(explained.n_seeds, 'seed')}; ranges are 90 % intervals over them.{chance}"
    )


def _not_of_the_best(explained: StudyExplanation) -> str:
    if explained.other_best is None:
        return ""
    command = f"sweep explain {quote(explained.ends.study)} --to {explained.other_best} --run"
    return (
        f"This explains trial {explained.ends.to_number}; the best now is trial "
        f"{explained.other_best}, which `{command}` explains."
    )


def _first(found: Explanation, step: Step, *, reverse: bool) -> str:
    lead = "What hurts most when undone alone is" if reverse else "What helps most alone is"
    share = found.share(step.factor)
    part = "" if share is None else f", {percent(share)} of the whole on a logarithmic scale"
    change = change_of(found, step, reverse=reverse)
    return f"{lead} {change}: {times(step.factor, reverse=reverse)}{part}."


def _largest(found: Explanation, path: Path, *, reverse: bool) -> str:
    """The step that does most, where it is a later one: others had to come before it."""
    largest = max(path.steps, key=lambda step: step.factor.estimate)
    if largest is path.steps[0]:
        return ""
    change = change_of(found, largest, reverse=reverse)
    more = times(largest.factor, reverse=reverse)
    return f"The largest step, after those before it, is {change}: {more}."


def _within_chance(found: Explanation, path: Path, *, reverse: bool) -> str:
    """Changes whose intervals hold no change at all."""
    unclear = [
        change_of(found, step, reverse=reverse) for step in path.steps if step.factor.may_be_chance
    ]
    return f"Not told from no change: {'; '.join(unclear)}." if unclear else ""


def _agreement(path: Path) -> str:
    n_seeds = len(path.steps[0].errors)
    if n_seeds == 1:
        return "One seed tells nothing of chance."
    return f"{path.n_agree} of {n_seeds} seeds have this whole order."


def change_of(found: Explanation, step: Step, *, reverse: bool) -> str:
    """What a step changes, in the path's own direction."""
    causes = {of.name: of.undone if reverse else of for of in found.causes}
    return ", ".join(causes[name].text for name in step.causes)


def times(factor: Factor, noun: str = "error", *, reverse: bool = False) -> str:
    """``5.10 times less error (4.80 to 5.40)``; of an undoing, by how much more."""
    parts = [factor.estimate, factor.low, factor.high]
    is_less = (factor.estimate >= 1) != reverse
    if factor.estimate < 1:
        parts = [None if part is None else 1 / part for part in (parts[0], parts[2], parts[1])]
    estimate, low, high = parts
    interval = "" if low is None else f" ({number(low)} to {number(high)})"
    return f"{number(estimate)} times {'less' if is_less else 'more'} {noun}{interval}"
