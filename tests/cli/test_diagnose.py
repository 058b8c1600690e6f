"""diagnose: labels by width and for chosen trials."""

from sweep.config import TrialConfig
from sweep.store.engine import Engine
from sweep.store.schema import sweep_results
from tests.cli_runner import Cli
from tests.store_factories import add_rows, add_study, add_trial

FLAT = (0.05, 0.0301, 0.03, 0.03, 0.03)
FALLING = (0.09, 0.07, 0.05)


def add(store: Engine) -> None:
    study_id = add_study(store, "x")
    for number, (width, curve) in enumerate([(64, FALLING), (64, FLAT), (512, FALLING)]):
        config = TrialConfig(hidden_width=width)
        add_trial(store, study_id, number, curve[-1], config=config, curve=curve)
    said = {"dead_share": 0.5, "saturated_share": 0.0, "stuck_share": 0.0}
    said |= {"encoder_norm": 1.0, "decoder_norm": 1.0}
    more = {**said, "dead_share": 0.9}
    for index, of in enumerate((said, more)):
        add_rows(
            store,
            sweep_results,
            {"trial_id": 2, "seed_index": index, "seed": index, "diagnostics": of},
        )


def test_the_best_of_each_width_has_a_label(cli: Cli, store: Engine) -> None:
    add(store)
    found = cli("diagnose", "x", "--json").json
    assert [(of["hidden_width"], of["number"], of["limit"]) for of in found] == [
        (64, 1, "saturation"),
        (512, 2, "budget"),
    ]
    assert found[0]["because"] == "70 % of the hidden units are dead"  # the mean of two seeds
    assert "still falling" in cli("diagnose", "x").out


def test_reasons_begin_below_each_other(cli: Cli, store: Engine) -> None:
    add(store)
    lines = [line for line in cli("diagnose", "x").out.splitlines() if line]
    header, *rows = lines[1:-1]  # a title above, a note below
    assert {row[header.index("Because") - 2 : header.index("Because")] for row in rows} == {"  "}


def test_chosen_trials_have_a_label_and_others_are_refused(cli: Cli, store: Engine) -> None:
    add(store)
    assert [of["number"] for of in cli("diagnose", "x", 0, "--json").json] == [0]
    assert cli("diagnose", "x", 9).code != 0
