"""What a factorial analysis tells, in words and tables."""

import math
from dataclasses import replace

import pytest

from sweep.analysis.factorial import Factorial, factorial
from sweep.catalogue.settings import Cause
from sweep.enums import Activation
from sweep.findings.explanation import gather_analysis
from sweep.findings.factorial import (
    cause_table,
    cell_table,
    factorial_sentences,
)
from tests.support.factorial_factories import (
    BASELINE,
    PLANTED,
    TARGET,
    counteract,
    plant_factorial,
    product,
    study_analysis,
    with_interaction,
)


def test_the_largest_cause_and_the_strongest_interaction_are_told_with_their_numbers() -> None:
    said = factorial_sentences(study_analysis(plant_factorial(with_interaction)))
    assert said[0].startswith("Trial 15 has 19.8 times less validation error")
    assert "trial 0 (the baseline), with 3 seeds; ranges are 90 % intervals over them." in said[0]
    assert said[1] == (
        "The largest effect over all orders (Shapley value) is that of epochs 5 → 15, batch size "
        "128 → 64, 3.00 times less error (3.00 to 3.00) (37 % of the total, in logarithms)."
    )
    assert said[2] == (
        "Alone these lower the error by less than 9 %, and taken back from the target they raise "
        "it by much more, so they need other changes: output activation sigmoid → linear, loss "
        "bce → mse (4.00 times)."
    )
    assert said[3] == (
        "The strongest interaction: lr schedule constant → cosine makes 5.50 times less error "
        "(5.50 to 5.50) with output activation linear, loss mse, and 1.10 times less error "
        "(1.10 to 1.10) with output activation sigmoid, loss bce, on average over the other causes."
    )
    assert len(said) == 4


def test_a_cause_that_raises_the_error_by_half_only_is_not_said_to_raise_it_by_much() -> None:
    def both(causes: frozenset[str]) -> float:
        return -math.log(1.5) if causes >= {Cause.UPDATES, Cause.OUTPUT} else 0.0

    said = " ".join(factorial_sentences(study_analysis(plant_factorial(both))))
    assert "taken back from the target they raise it by more, so they need other changes: " in said
    assert "(1.50 times)" in said


def test_effects_and_interactions_within_chance_are_told_to_be() -> None:
    said = " ".join(factorial_sentences(study_analysis(plant_factorial(product, noise=0.3))))
    assert "The strongest interaction, not significant: " in said
    assert "Not significant (Shapley value): " in said and "lr schedule constant → cosine" in said


def test_causes_whose_shapley_values_the_seeds_do_not_separate_are_named_together() -> None:
    analysis = study_analysis(plant_factorial(all_three, noise=0.1))
    said = " ".join(factorial_sentences(analysis))
    assert {of.cause.name for of in analysis.found.largest} == THREE
    assert (
        "The largest effects over all orders (Shapley values) do not differ significantly:" in said
    )
    assert "(together " in said and "of the total, in logarithms" in said
    assert "so they need other changes" in said


def test_causes_that_others_counteract_are_more_than_the_total() -> None:
    said = " ".join(factorial_sentences(study_analysis(plant_factorial(counteract))))
    assert "(together more than the total: other changes counteract them)" in said


#: Causes that divide the error by 20, all three together alone.
THREE = {Cause.UPDATES, Cause.OUTPUT, Cause.ACTIVATION}


def all_three(causes: frozenset[str]) -> float:
    return -math.log(20.0) if causes >= THREE else 0.0


def test_one_seed_has_no_ranges_and_says_that_it_tells_nothing_of_chance() -> None:
    analysis = study_analysis(plant_factorial(product, n_seeds=1), n_seeds=1)
    said = factorial_sentences(analysis)
    assert said[-1] == "With one seed there are no intervals."
    assert "90 %" not in said[0]
    names = [column.name for column in cause_table(analysis).columns]
    assert names == ["cause", "change", "alone", "shapley", "taken_back", "share"]


def with_errors(found: Factorial, cause: Cause, errors: tuple[float, ...] | None) -> Factorial:
    """Change the errors of the cell in which only that cause is as in the target."""
    known = {
        cell.config: errors if cell.causes == (cause,) else cell.errors for cell in found.cells
    }
    kept = {config: of for config, of in known.items() if of is not None}
    return factorial(BASELINE, TARGET, kept)


def test_a_combination_that_diverged_is_named_and_leaves_out_shapley_values() -> None:
    found = with_errors(plant_factorial(product), Cause.ACTIVATION, (math.inf,) * 3)
    analysis = study_analysis(found)
    assert "Training of the baseline with activation linear diverged, so there are no Shapley" in (
        " ".join(factorial_sentences(analysis))
    )
    table = cause_table(analysis)
    assert "shapley" not in [column.name for column in table.columns]
    assert [of["taken_back"] is None for of in table.records()] == [False] * 4
    (error,) = [of["val_mse"] for of in cell_table(analysis).records() if of["val_mse"] == math.inf]
    assert error == math.inf


def test_what_lacks_is_counted_with_the_time_that_it_takes_and_the_command() -> None:
    found = with_errors(plant_factorial(product), Cause.ACTIVATION, None)
    analysis = study_analysis(found, child="x-explain")
    command = "`sweep explain x --factorial --from 0 --to 15 --seeds 3 --run`"
    assert factorial_sentences(analysis)[-1] == (
        f"Missing: 1 of 16 combinations, 3 seeds each. {command} trains them, in study 'x-explain'."
    )
    timed = factorial_sentences(analysis, lambda config: 2.0)[-1]
    assert "(about 30 s, at the pace of study 'x')" in timed  # 5 epochs of 2 s, 3 seeds
    assert cause_table(analysis)  # what is known so far


def test_causes_stand_in_the_order_of_their_shapley_values() -> None:
    table = cause_table(study_analysis(plant_factorial(product)))
    assert [of["cause"] for of in table.records()] == [
        Cause.UPDATES,
        Cause.ACTIVATION,
        Cause.LEARNING_RATE,
        Cause.OUTPUT,
    ]
    assert sum(of["share"] for of in table.records()) == pytest.approx(1.0)


def test_every_combination_has_a_row_with_its_settings_and_errors() -> None:
    table = cell_table(study_analysis(plant_factorial(product)))
    titles = {column.name: column.title for column in table.columns}
    assert titles[Cause.ACTIVATION] == "activation"
    assert titles[Cause.UPDATES] == "epochs, batch size"
    rows = table.records()
    assert len(rows) == 16
    assert rows[4][Cause.ACTIVATION] == Activation.LINEAR
    assert rows[4][Cause.UPDATES] == "5, 128"
    assert len(rows[4]["val_mse_of_seeds"]) == 3


def test_json_has_causes_cells_and_interaction_as_plain_values() -> None:
    found = gather_analysis(study_analysis(plant_factorial(with_interaction)), None).to_json()
    assert {of["cause"] for of in found["tables"]["causes"]} == {*PLANTED}
    assert {*found["interaction"]} == {"of", "on", "without", "with", "ratio"}
    assert (len(found["tables"]["cells"]), found["n_missing"]) == (16, 0)
    assert not any("diverged" in sentence for sentence in found["sentences"])


def test_a_better_trial_than_the_target_is_named() -> None:
    analysis = replace(study_analysis(plant_factorial(product)), other_best=20)
    said = factorial_sentences(analysis)[1]
    assert "`sweep explain x --factorial --to 20 --run`" in said
