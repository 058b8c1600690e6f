"""What a factorial analysis tells: its sentences, and the tables of its causes and its cells."""

from collections.abc import Sequence
from typing import Any

from sweep.analysis.explanation import ChangeEffect
from sweep.analysis.factorial import CauseEffect, Factorial, FactorialCell, Interaction
from sweep.analysis.study_factorial import StudyFactorial
from sweep.analysis.training_time import EpochSeconds
from sweep.catalogue.formats import count, duration, number, percent
from sweep.findings.ablation import (
    not_of_the_best,
    times,
    what_trains,
    whole_sentence,
)
from sweep.findings.tables import Cell, FindingTable, TableColumn

CAUSES = "By what each cause divides the error"
CELLS = "Every combination of the causes"
_EFFECTS = {"alone": "Alone", "shapley": "Shapley value", "taken_back": "Taken back"}
#: A smaller effect is called little.
LITTLE = 1.1
#: A larger effect is called much.
MUCH = 2.0
#: The largest causes together are called more than the whole above this share.
MORE_THAN_ALL = 1.1
_NO_EFFECT = ChangeEffect(1.0, None, None)
_COLUMNS = (
    TableColumn("cause", "Cause"),
    TableColumn("change", "Change"),
    *(
        column
        for name, title in _EFFECTS.items()
        for column in (
            TableColumn(name, title, is_number=True),
            TableColumn(f"{name}_interval", "90 %", is_number=True),
        )
    ),
    TableColumn("share", "Share", is_number=True),
)


def cause_table(
    analysis: StudyFactorial, epoch_seconds: EpochSeconds | None = None
) -> FindingTable:
    """Lay out the effects of each cause, the largest Shapley value first, with what they tell."""
    found = analysis.found
    return FindingTable(
        title=CAUSES,
        columns=_COLUMNS,
        rows=[_row(found, of) for of in found.by_size] if any_effect(found) else [],
        note=" ".join(factorial_sentences(analysis, epoch_seconds)),
    ).without_empty()


def any_effect(found: Factorial) -> bool:
    """Tell whether any effect is known."""
    return any(of.alone or of.taken_back for of in found.effects)


def _row(found: Factorial, of: CauseEffect) -> Sequence[Cell]:
    share = None if of.shapley is None else found.share(of.shapley)
    effects = (of.alone, of.shapley, of.taken_back)
    return (
        Cell(of.cause.name, of.cause.name),
        Cell(of.cause.text, of.cause.text),
        *(cell for effect in effects for cell in _cells(effect)),
        Cell() if share is None else Cell(percent(share), share),
    )


def _cells(effect: ChangeEffect | None) -> tuple[Cell, Cell]:
    if effect is None:
        return Cell(), Cell()
    estimate, low, high = effect
    interval = Cell() if low is None else Cell(f"{number(low)} to {number(high)}", [low, high])
    return Cell(number(estimate), estimate), interval


def cell_table(analysis: StudyFactorial) -> FindingTable:
    """Lay out every combination with its errors, from the baseline to the target."""
    found = analysis.found
    columns = [TableColumn(cause.name, cause.settings_text) for cause in found.causes]
    return FindingTable(
        title=CELLS,
        columns=[
            *columns,
            TableColumn("val_mse", "Validation error", is_number=True),
            TableColumn("val_mse_of_seeds", "By seed", is_number=True),
        ],
        rows=[_cell_row(found, cell) for cell in found.cells],
    ).without_empty()


def _cell_row(found: Factorial, cell: FactorialCell) -> Sequence[Cell]:
    values = [
        of.values_text(of.after if of.name in cell.causes else of.before) for of in found.causes
    ]
    errors = cell.errors or ()
    by_seed = Cell(", ".join(map(number, errors)), list(errors)) if len(errors) > 1 else Cell()
    error = Cell("not trained") if cell.error is None else Cell(number(cell.error), cell.error)
    return (*(Cell(text, text) for text in values), error, by_seed)


def factorial_sentences(
    analysis: StudyFactorial, epoch_seconds: EpochSeconds | None = None
) -> list[str]:
    """Say what the analysis tells, what is missing of it, and which command trains that.

    With ``epoch_seconds``, by the clock, also how long that takes.
    """
    found = analysis.found
    said = [
        _whole(analysis),
        not_of_the_best(analysis.ends, analysis.other_best),
        _largest(found),
        _dependent(found),
        interaction_sentence(found.interaction, len(found.causes)) if found.interaction else "",
        _within_chance(found),
        _one_seed(analysis),
        _describe_diverged(found),
        _missing(analysis, epoch_seconds),
    ]
    return [sentence for sentence in said if sentence]


def _whole(analysis: StudyFactorial) -> str:
    whole = analysis.found.whole
    if whole is None:
        return ""
    return whole_sentence(analysis.ends, whole, analysis.n_seeds, "with")


def _largest(found: Factorial) -> str:
    """Name the causes with the largest Shapley values, as far as the seeds separate them."""
    parts = [f"{of.cause.text}, {times(of.shapley)}" for of in found.largest if of.shapley]
    if not parts:
        return ""
    share = sum_of_largest(found)
    together = "together " if len(parts) > 1 else ""
    if share is None:
        of_whole = ""
    elif share > MORE_THAN_ALL:
        of_whole = f" ({together}more than the total: other changes counteract them)"
    else:
        of_whole = f" ({together}{percent(share)} of the total, in logarithms)"
    lead = (
        "The largest effect over all orders (Shapley value) is that of"
        if len(parts) == 1
        else "The largest effects over all orders (Shapley values) do not differ significantly:"
    )
    return f"{lead} {'; '.join(parts)}{of_whole}."


def sum_of_largest(found: Factorial) -> float | None:
    """Return the share of the whole that the largest causes have together; None if unknown."""
    shares = [found.share(of.shapley) for of in found.largest if of.shapley]
    known = [share for share in shares if share is not None]
    return sum(known) if known else None


def _dependent(found: Factorial) -> str:
    """Name the causes that do little alone and more where all others are as in the target."""
    dependent = [
        (of, of.taken_back.estimate)
        for of in sorted(found.effects, key=lambda of: -(of.taken_back or _NO_EFFECT).estimate)
        if of.alone and of.taken_back and of.alone.estimate < LITTLE
        if of.taken_back.estimate > LITTLE and not of.taken_back.may_be_chance
    ]
    if not dependent:
        return ""
    named = "; ".join(f"{of.cause.text} ({number(times)} times)" for of, times in dependent)
    more = "much more" if all(times >= MUCH for _, times in dependent) else "more"
    return (
        f"Alone these lower the error by less than {percent(1 - 1 / LITTLE)}, and taken back from "
        f"the target they raise it by {more}, so they need other changes: {named}."
    )


def interaction_sentence(of: Interaction, n_causes: int) -> str:
    """Say how the effect of one cause depends on another."""
    chance = of.ratio.may_be_chance
    lead = f"The strongest interaction{', not significant' if chance else ''}"
    others = ", on average over the other causes" if n_causes > 2 else ""
    return (
        f"{lead}: {of.of.text} makes {times(of.with_it)} with {of.on.after_text}, and "
        f"{times(of.without)} with {of.on.before_text}{others}."
    )


def _within_chance(found: Factorial) -> str:
    """List the causes whose Shapley values include no change at all."""
    shapley = [(of.cause.text, of.shapley) for of in found.effects if of.shapley]
    unclear = [text for text, effect in shapley if effect.may_be_chance]
    return f"Not significant (Shapley value): {'; '.join(unclear)}." if unclear else ""


def _one_seed(analysis: StudyFactorial) -> str:
    is_one = analysis.n_seeds == 1 and analysis.found.whole is not None
    return "With one seed there are no intervals." if is_one else ""


def _describe_diverged(found: Factorial) -> str:
    if not found.diverged:
        return ""
    named = "; of ".join(cell_words(found, cell) for cell in found.diverged)
    return (
        f"Training of {named} diverged, so there are no Shapley values and no interactions: they "
        "need every combination."
    )


def cell_words(found: Factorial, cell: FactorialCell) -> str:
    """Name a combination, such as "the baseline with epochs 15"."""
    changed = [cause.after_text for cause in found.causes if cause.name in cell.causes]
    if len(changed) == len(found.causes):
        return "the target"
    return f"the baseline{' with ' if changed else ''}{', '.join(changed)}"


def _missing(analysis: StudyFactorial, epoch_seconds: EpochSeconds | None) -> str:
    found, ends, n_seeds = analysis.found, analysis.ends, analysis.n_seeds
    if not found.missing or analysis.child is None:
        return ""
    pace = ""
    if epoch_seconds is not None:
        seconds = n_seeds * sum(config.epochs * epoch_seconds(config) for config in found.missing)
        pace = f" (about {duration(seconds)}, at the pace of study '{ends.study}')"
    return (
        f"Missing: {len(found.missing)} of {count(len(found.cells), 'combination')}, "
        f"{count(n_seeds, 'seed')} each{pace}. {what_trains(ends, n_seeds, analysis.child)}"
    )


def interaction_json(found: Factorial) -> dict[str, Any] | None:
    """Return the strongest interaction as plain values; None if there is none."""
    of = found.interaction
    if of is None:
        return None
    effects = {"without": of.without, "with": of.with_it, "ratio": of.ratio}
    plain = {name: effect._asdict() for name, effect in effects.items()}
    return {"of": of.of.name, "on": of.on.name, **plain}
