"""diagnose: labels by width and for chosen trials."""

from math import log2

import pytest

from sweep.config import TrialConfig
from sweep.store.engine import Engine
from sweep.store.schema import sweep_results
from sweep.studyfile import loads
from tests.support.cli_runner import Cli
from tests.support.store_factories import add_rows, add_study, add_trial

FLAT = (0.05, 0.0301, 0.03, 0.03, 0.03)
FALLING = (0.09, 0.07, 0.05)


def add(store: Engine) -> None:
    study_id = add_study(store, "x")
    for number, (width, curve) in enumerate([(64, FALLING), (64, FLAT), (512, FALLING)]):
        config = TrialConfig(hidden_width=width, epochs=len(curve))
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
        (64, 1, "dead units"),
        (512, 2, "too few epochs"),
    ]
    assert found[0]["because"] == "70 % of the hidden units are dead"  # the mean of two seeds
    assert found[1]["gain_epochs"] == pytest.approx(1 - 0.05 / 0.09 * (0.09 / 0.07) ** log2(1.5))
    assert found[1]["gain_images"] is None and found[1]["try"] == "epochs 3 → 6"
    shown = cli("diagnose", "x").out
    assert "36 %" in shown and "not known" in shown


def test_the_remedy_of_the_best_trial_stands_below_as_a_command(cli: Cli, store: Engine) -> None:
    """A study that searches epochs can have it enqueued; another has to set it."""
    for name, epochs in {"x": "{ low = 1, high = 9 }", "y": "3"}.items():
        space = f"hidden_width = {{ low = 8, high = 64 }}\nepochs = {epochs}"
        file = f'[study]\nname = "{name}"\n[space]\n{space}\n[budget]\ntrials = 9'
        study_id = add_study(store, name, study_file=file)
        config, params = TrialConfig(epochs=3, hidden_width=64), {"hidden_width": 64}
        add_trial(store, study_id, 0, 0.05, config=config, params=params, curve=FALLING)
    enqueue = "try epochs 3 → 6: `sweep enqueue x hidden_width=64 epochs=6"
    assert enqueue in cli("diagnose", "x").out.replace("->", "→")
    other = "`sweep start FILE --name OTHER --set space.epochs=6`"
    assert other in cli("diagnose", "y").out


def test_the_command_of_another_study_changes_what_its_file_queues_too(
    cli: Cli, store: Engine
) -> None:
    file = """
        study.name = "z"
        budget.trials = 9
        space = {hidden_width = {low = 8, high = 64}, epochs = 3}
        enqueue = [{hidden_width = 8}, {hidden_width = 9, epochs = 3}]
    """
    config, params = TrialConfig(epochs=3, hidden_width=64), {"hidden_width": 64}
    study_id = add_study(store, "z", study_file=file)
    add_trial(store, study_id, 0, 0.05, config=config, params=params, curve=FALLING)
    told = cli("diagnose", "z").out
    overrides = ["space.epochs=6", "enqueue.1.epochs=6"]
    assert f"OTHER --set {' --set '.join(overrides)}`" in told
    assert loads(file, "z.toml", overrides).space.nodes


def test_reasons_begin_below_each_other(cli: Cli, store: Engine) -> None:
    add(store)
    lines = [line for line in cli("diagnose", "x").out.splitlines() if line]
    header, *rows = lines[1:4]  # a title above, a note below
    assert {row[header.index("Because") - 2 : header.index("Because")] for row in rows} == {"  "}


def test_chosen_trials_have_a_label_and_others_are_refused(cli: Cli, store: Engine) -> None:
    add(store)
    assert [of["number"] for of in cli("diagnose", "x", 0, "--json").json] == [0]
    assert cli("diagnose", "x", 9).code != 0
