"""Which weights files a study needs, and how analyses are stored that no coordinator computed."""

from dataclasses import replace

import pytest

from sweep.config import TrialConfig
from sweep.enums import EventKind
from sweep.messages import NetworkAnalysis
from sweep.store import lease
from sweep.store.artifacts import artifact_path
from sweep.store.engine import Engine, write_transaction
from sweep.store.handle import DatabaseHandle, open_study
from sweep.store.kept_weights import (
    NOT_FINITE,
    KeptWeights,
    drop_superseded,
    due,
    kept_weights,
    superseded_weights,
    write_analysis,
)
from tests.support.fake_workers import ANALYSIS
from tests.support.store_factories import add_study, add_trial, sqlite_store


def make_weights(number: int, width: int, val_mse: float, **marks: bool) -> KeptWeights:
    return KeptWeights(
        number=number, artifact_id=f"a{number}", hidden_width=width, val_mse=val_mse, **marks
    )


def numbers(found: list[KeptWeights]) -> list[int]:
    return [one.number for one in found]


#: Trials 0, 1 and 3 are of one width class, 2 of another.
KEPT = [
    make_weights(0, 64, 0.3),
    make_weights(1, 65, 0.1),
    make_weights(2, 8, 0.5),
    make_weights(3, 64, 0.2),
]


def test_the_best_of_each_width_are_analysed_first_the_narrowest_before_the_others() -> None:
    assert numbers(due(KEPT)) == [2, 1, 0, 3]


def test_what_is_analysed_or_marked_invalid_is_not_due() -> None:
    marked = [replace(KEPT[0], is_analysed=True), replace(KEPT[1], is_invalid=True), *KEPT[2:]]
    assert numbers(due(marked)) == [2, 3]


def test_all_but_the_best_of_each_width_are_superseded() -> None:
    assert numbers(superseded_weights(KEPT, until_analysed=False)) == [0, 3]
    assert numbers(superseded_weights(KEPT, until_analysed=True)) == []
    seen = [replace(KEPT[0], is_analysed=True), *KEPT[1:]]
    assert numbers(superseded_weights(seen, until_analysed=True)) == [0]


def test_a_trial_that_is_marked_invalid_neither_supersedes_nor_is_superseded() -> None:
    marked = [KEPT[0], replace(KEPT[1], is_invalid=True), *KEPT[2:]]
    assert numbers(superseded_weights(marked, until_analysed=False)) == [0]


def test_of_equal_errors_the_first_is_kept() -> None:
    assert numbers(
        superseded_weights(
            [make_weights(0, 64, 0.1), make_weights(1, 64, 0.1)], until_analysed=False
        )
    ) == [1]


@pytest.fixture
def engine(tmp_path) -> Engine:
    """Trial 0 is the best of its width, trial 1 is not; both have their weights."""
    engine = sqlite_store(tmp_path)
    study_id = add_study(engine, "x")
    for number in (0, 1):
        path = artifact_path(engine.url, f"a{number}")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"weights")
        config = TrialConfig(hidden_width=64)
        add_trial(engine, study_id, number, 0.1 + number, config=config, artifact_id=f"a{number}")
    add_trial(engine, study_id, 2, 0.1)
    return engine


def test_weights_are_read_with_what_decides_over_them(engine: Engine) -> None:
    assert kept_weights(engine, "x") == [make_weights(0, 64, 0.1), make_weights(1, 64, 1.1)]
    write_analysis(engine, "x", make_weights(0, 64, 0.1), ANALYSIS)
    assert kept_weights(engine, "x")[0].is_analysed


def test_an_analysis_is_stored_once_and_seen_by_readers(engine: Engine) -> None:
    (first, _) = kept_weights(engine, "x")
    before = open_study(engine, "x").table().revision
    write_analysis(engine, "x", first, ANALYSIS)
    found = open_study(engine, "x").probes(after=before)
    assert set(found) == {0}
    assert ANALYSIS.probe is not None
    other = replace(ANALYSIS, probe=replace(ANALYSIS.probe, n_test=99))
    write_analysis(engine, "x", first, other)
    assert open_study(engine, "x").probes() == found


def test_an_analysis_of_other_weights_than_the_trial_has_now_is_dropped(engine: Engine) -> None:
    # The trial was trained again between the reading of its file and the end of the analysis.
    (first, _) = kept_weights(engine, "x")
    write_analysis(engine, "x", replace(first, artifact_id="older"), ANALYSIS)
    assert open_study(engine, "x").probes() == {}
    # What it was compared with holds for every network of these data.
    assert DatabaseHandle(engine).probe_baselines() == list(ANALYSIS.baselines)


def test_a_network_whose_code_is_not_finite_counts_as_analysed(engine: Engine) -> None:
    write_analysis(
        engine, "x", make_weights(0, 64, 0.1), NetworkAnalysis(decomposition=None, probe=None)
    )
    assert [one.is_analysed for one in kept_weights(engine, "x")] == [True, False]
    (event,) = open_study(engine, "x").trial(0).events
    assert (event.kind, event.message) == (EventKind.CODE_NOT_FINITE, NOT_FINITE)


def test_superseded_weights_are_dropped_once_they_are_analysed(engine: Engine) -> None:
    drop_superseded(engine, "x")
    assert len(kept_weights(engine, "x")) == 2
    write_analysis(engine, "x", make_weights(1, 64, 1.1), ANALYSIS)
    drop_superseded(engine, "x")
    assert kept_weights(engine, "x") == [make_weights(0, 64, 0.1)]
    assert not artifact_path(engine.url, "a1").exists()
    assert artifact_path(engine.url, "a0").exists()


def test_a_study_that_runs_keeps_its_files_for_its_coordinator_to_drop(engine: Engine) -> None:
    write_analysis(engine, "x", make_weights(1, 64, 1.1), ANALYSIS)
    with write_transaction(engine) as connection:
        lease.take(
            connection, open_study(engine, "x").summary().study_id, lease.Holder.this_process()
        )
    drop_superseded(engine, "x")
    assert len(kept_weights(engine, "x")) == 2 and artifact_path(engine.url, "a1").exists()
