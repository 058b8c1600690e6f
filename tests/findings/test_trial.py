"""What is shown about one trial, and that terminal and page show the same."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sweep.analysis.floors import Floors, pca_equivalent
from sweep.config import TrialConfig
from sweep.findings.tables import FindingTable
from sweep.findings.trial import Rank, TrialFindings, gather_trial
from sweep.findings.trial_tables import measured_table, network_table, settings_table
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.schema import sweep_decompositions, sweep_events, sweep_results
from tests.support.finding_factories import floors
from tests.support.store_factories import (
    DECOMPOSITION,
    EPOCH,
    add_probe,
    add_rows,
    add_study,
    add_trial,
    sqlite_store,
    trial_row,
)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A study with trials 0 to 4, of which 1 is the best and 3 failed."""
    engine = sqlite_store(tmp_path)
    study_id = add_study(engine)
    for number, error in enumerate((0.4, 0.1, 0.2, None, 0.3)):
        state = "FAIL" if error is None else "COMPLETE"
        add_trial(engine, study_id, number, error, state=state, curve=[0.5, error or 0.6])
    return engine


def gather(engine: Engine, number: int, about: Floors | None = None) -> TrialFindings:
    study = open_study(engine, "study")
    return gather_trial(study, number, lambda _: about)


def by_label(table: FindingTable) -> Mapping[Any, tuple[str, ...]]:
    """The texts of each row by the value of its first cell."""
    return {row[0].value: tuple(cell.text for cell in row[1:]) for row in table.rows}


def test_the_diagnosis_begins_with_what_limits_the_trial(engine: Engine) -> None:
    of_best = gather(engine, 1).sentences
    assert of_best[0] == (
        "It has too few epochs: twice the epochs would lower the error by 80 %, estimated "
        "from its last doubling of epochs."
    )
    assert of_best[1].startswith("Another doubling would lower the error: of epochs by 80 %")
    assert of_best[2].startswith("To try: epochs 5 → 10: `sweep ")
    assert not any(said.startswith("It has") for said in gather(engine, 3).sentences)


def test_neighbours_and_the_best_are_known(engine: Engine) -> None:
    here = gather(engine, 2)
    assert (here.previous, here.next) == (1, 3)
    assert here.best is not None
    assert here.best.number == 1
    assert gather(engine, 0).previous is None
    assert gather(engine, 4).next is None


def test_ranks_are_ordinals() -> None:
    numbers = (2, 3, 4, 11, 12, 13, 21, 102, 111)
    said = [str(Rank(place=n, n=111)).removesuffix(" best of 111") for n in numbers]
    assert said == ["2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"]
    assert str(Rank(place=1, n=111)) == "the best of 111"


def test_errors_stand_beside_their_floors() -> None:
    row = trial_row(
        number=0, values=(0.3,), test_mse=0.24, test_bce=0.5, config=TrialConfig(hidden_width=2)
    )
    measured = by_label(measured_table(row, floors(0.9, 0.5, 0.12, 0.0)))
    assert measured["val_mse"][2] == "2.50 times PCA"
    assert measured["test_mse"][1:] == ("0.1200", "2.00 times PCA")
    assert measured["test_bce"][2].startswith("0.300 above")
    assert measured["pca_components"] == ("2", "", "components, with 2 hidden units")


def test_a_ratio_to_a_floor_is_there_for_programs() -> None:
    bounds = floors(0.9, 0.5, 0.12, 0.0)
    row = trial_row(
        number=0, values=(0.3,), test_mse=0.36, test_bce=0.325, config=TrialConfig(hidden_width=2)
    )
    records = {record["name"]: record for record in measured_table(row, bounds).records()}
    assert records["test_mse"]["floor"] == 0.12
    assert records["test_mse"]["beside"] == pytest.approx(3.0)
    assert records["test_bce"]["beside"] == pytest.approx(0.125)
    assert records["pca_components"]["value"] == pca_equivalent(bounds, 0.36)


def test_beyond_as_many_units_as_pixels_there_is_no_multiple_of_nothing() -> None:
    row = trial_row(
        number=0, values=(0.3,), test_mse=0.01, test_bce=None, config=TrialConfig(hidden_width=100)
    )
    records = {record["name"]: record for record in measured_table(row, floors(0.9, 0.0)).records()}
    assert (records["test_mse"]["floor"], records["test_mse"]["beside"]) == (0.0, None)
    assert "test_bce" not in records


def test_without_floors_the_errors_stand_alone() -> None:
    row = trial_row(number=0, values=(0.3,), val_mse_std=0.01)
    measured = by_label(measured_table(row, None))
    assert measured["val_mse"][0] == "0.3000 ± 0.010"
    assert measured["test_mse"][1:] == ("", "")


def test_settings_that_the_optimizer_ignores_are_left_out() -> None:
    row = trial_row(number=0, params={"hidden_width": 784, "sgd.momentum": 0.9})
    settings = by_label(settings_table(row))
    assert settings["hidden_width"] == ("784", "searched")
    assert settings["epochs"] == ("5", "")
    assert "momentum" not in settings  # adam's


@pytest.fixture
def analysed(tmp_path: Path) -> Engine:
    """A study whose trial 0 has two seeds and an analysed network."""
    engine = sqlite_store(tmp_path)
    study_id = add_study(engine)
    add_trial(engine, study_id, 0, 0.1, config=TrialConfig(hidden_width=64), seeds=[5, 6])
    said = {"saturated_share": 0.0, "stuck_share": 0.5, "encoder_norm": 8.5, "decoder_norm": 9.5}
    for index, dead in enumerate((0.25, 0.75)):
        row = {"trial_id": 1, "seed_index": index, "seed": 5 + index}
        add_rows(engine, sweep_results, row | {"diagnostics": said | {"dead_share": dead}})
    decomposition = DECOMPOSITION | {"end_to_end": [1.25, 1.0, 0.125]}
    add_rows(engine, sweep_decompositions, {"trial_id": 1, "decomposition": decomposition})
    add_probe(engine, 1, width=64)
    return engine


def test_what_was_found_in_a_network_is_shown_with_its_meaning(analysed: Engine) -> None:
    network = by_label(gather(analysed, 0).network)
    assert network["dead units"] == ("50.0 %", "no image activates them")  # over both seeds
    assert network["norms of the weights"][0] == "8.500, 9.500"
    assert network["effective rank of the code"] == ("7.500", "directions in use, of 64 units")
    assert network["3 singular values end to end"][0] == "1.25 1.00 0.125"


def test_a_seed_has_its_results_and_its_networks_diagnostics(analysed: Engine) -> None:
    seeds = by_label(gather(analysed, 0).seeds)
    assert seeds[5][-5:] == ("25.0 %", "0.0 %", "50.0 %", "8.500", "9.500")
    assert seeds[6][-5] == "75.0 %"


def test_the_probe_of_a_code_stands_beside_other_codes(analysed: Engine) -> None:
    shown = by_label(gather(analysed, 0).probe)
    assert shown["code"][:3] == ("75.0±1.4", "70.0±1.4", "80.0±1.3")
    assert shown["pca"][:3] == ("65.0±1.5", "60.0±1.5", "70.0±1.4")
    assert shown["random"][:3] == ("50.0±1.6", "55.0±1.6", "60.0±1.5")
    # With few labels, of four draws that spread by 2 %: sqrt(0.675 * 0.325 / 1000 + 0.02^2 / 4).
    assert shown["code"][3] == "67.5±1.8"
    assert shown["pixels"][:3] == ("80.0±1.3", "85.0±1.1", "90.0±0.9")


def test_a_trial_with_weights_names_the_command_that_analyses_it(engine: Engine) -> None:
    assert gather(engine, 0).probe.note == ""
    add_trial(engine, 1, 5, 0.2, artifact_id="weights")
    assert gather(engine, 5).probe.note == ("Not analysed yet: `sweep analyse study 5` does it.")


def test_a_network_without_an_analysis_says_why_there_is_none(engine: Engine) -> None:
    assert network_table(open_study(engine, "study").trial(1)).rows == []
    study_id = open_study(engine, "study").summary().study_id
    event = {"kind": "code not finite", "message": "its code is not finite", "number": 1}
    add_rows(engine, sweep_events, {"study_id": study_id, "at": EPOCH, **event})
    (row,) = network_table(open_study(engine, "study").trial(1)).rows
    assert [cell.text for cell in row] == [
        *("analysis of the network", "none", "its code is not finite")
    ]
