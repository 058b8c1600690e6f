"""ties: the best configurations beside the best."""

from sweep.store.engine import Engine
from sweep.store.schema import sweep_results
from sweep.trial import TrialConfig
from tests.cli_runner import Cli
from tests.store_factories import add_rows, add_study, add_trial


def add(store: Engine) -> None:
    """Widths 64 and 32 that tie, and 8 that is worse; trial 3 is trial 0 again."""
    study_id = add_study(store, "x")
    means = [(64, 0.0100), (32, 0.0101), (8, 0.0500), (64, 0.0100)]
    for number, (width, mean) in enumerate(means):
        config = TrialConfig(hidden_width=width)
        costs = {"n_parameters": 1_569 * width + 784, "train_seconds": float(width)}
        trial_id = add_trial(store, study_id, number, mean, config=config, **costs)
        for index, part in enumerate((0.97, 1.0, 1.03)):
            row = {"trial_id": trial_id, "seed_index": index, "seed": index}
            add_rows(store, sweep_results, row | {"val_mse": mean * part})


def test_those_that_tie_are_told_with_the_smallest_of_them(cli: Cli, store: Engine) -> None:
    add(store)
    found = cli("ties", "x", "--json").json
    assert [(of["number"], of["n_seeds"], of["tied"]) for of in found["compared"]] == [
        (0, 3, True),  # a seed counts once, though two trials have it
        (1, 3, True),
        (2, 3, False),
    ]
    assert (found["smallest"], found["cheapest"]) == (1, 1)
    assert "ties, smallest, cheapest" in cli("ties", "x").out


def test_a_study_of_single_seeds_is_told_what_would_do(cli: Cli, study: int) -> None:
    assert "study.repeat = 3" in cli("ties", "study").out
