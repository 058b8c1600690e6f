"""The verdict on codes: what they tell beside the pixels and PCA, from a study's probes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, select, update

from sweep.analysis.probe_summary import CodeVerdict, ProbedTrial, noise, summarise_probes
from sweep.analysis.study_probes import ProbeReader, study_probes
from sweep.config import TrialConfig
from sweep.store import annotate
from sweep.store.engine import writing
from sweep.store.handle import StudyHandle, open_study
from sweep.store.kept_weights import kept_weights, write_analysis
from sweep.store.schema import sweep_probes, sweep_studies, sweep_trials
from tests.support.fake_workers import ANALYSIS
from tests.support.store_factories import (
    EPOCH,
    PROBE,
    add_rows,
    add_study,
    add_trial,
    sqlite_store,
)


def told(best: float) -> dict[str, float]:
    return {"linear": best, "neighbours": best - 0.1}


def probed(
    number: int, width: int, code: float, pca: float = 0.7, mse: float = 0.01
) -> ProbedTrial:
    """The pixels tell 80 % of 10,000 test images: 1.1 % is chance."""
    found = {"code": told(code), "pca": told(pca), "pixels": told(0.8), "n_test": 10_000}
    return ProbedTrial.of(number, width, mse, {**PROBE, **found})


@pytest.mark.parametrize(
    ("narrow", "wide", "worth", "trial"),
    [
        (0.795, 0.8, CodeVerdict.NARROW, 0),
        (0.78, 0.795, CodeVerdict.WIDE, 1),
        (0.6, 0.78, CodeVerdict.NONE, 1),
    ],
)
def test_the_narrowest_code_that_tells_enough_decides(
    narrow: float, wide: float, worth: CodeVerdict, trial: int
) -> None:
    best = [probed(0, 32, narrow), probed(1, 256, wide)]
    found = summarise_probes(best, best)
    assert found.verdict is worth
    assert f"(trial {trial})" in found.because


def test_the_words_tell_pca_and_what_a_smaller_error_is_worth() -> None:
    best = [probed(0, 8, 0.6, pca=0.7, mse=0.03), probed(1, 98, 0.795, pca=0.7, mse=0.01)]
    assert summarise_probes(best, best).because == (
        "The code of 98 units (trial 1) tells 79.5 % of the test labels, the 784 pixels 80.0 %; "
        "a difference of less than 1.1 % may be chance. Beside PCA codes of the same size it is "
        "better at 1 of 2 widths and worse at 1. From 8 to 98 units the error falls 3-fold, and "
        "the labels told go from 60.0 % to 79.5 %."
    )


def test_a_code_as_good_as_pcas_is_told_as_such() -> None:
    best = [probed(0, 8, 0.7, pca=0.7, mse=0.03)]
    assert "it is neither better nor worse than by chance" in summarise_probes(best, best).because


def test_two_shares_of_few_images_may_differ_by_much() -> None:
    assert noise(0.5, 100) == pytest.approx(0.1414, abs=1e-3)
    assert noise(1.0, 100) == 0


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Four trials: two of one width, one of another, and one that is not analysed."""
    engine = sqlite_store(tmp_path)
    study_id = add_study(engine, "x")
    for number, (width, error) in enumerate([(64, 0.02), (64, 0.01), (8, 0.05), (256, 0.001)]):
        config = TrialConfig(hidden_width=width)
        trial_id = add_trial(engine, study_id, number, error, config=config)
        if number < 3:
            add_rows(engine, sweep_probes, {"trial_id": trial_id, "probe": PROBE})
    return engine


def test_the_best_of_each_width_is_told_of_those_looked_into(engine: Engine) -> None:
    found = study_probes(open_study(engine, "x"))
    assert found is not None
    assert [of.number for of in found.best] == [2, 1]
    assert [of.number for of in found.trials] == [2, 0, 1]
    assert (found.best[0].test_mse, found.pixels.best) == (0.05, 0.85)


def test_the_best_of_a_width_that_was_not_looked_into_is_named(engine: Engine) -> None:
    found = study_probes(open_study(engine, "x"))
    assert found is not None and found.unseen == (3,)
    config = TrialConfig(hidden_width=65)
    add_trial(engine, 1, 4, 0.01, config=config)  # as good as trial 1, which was
    add_trial(engine, 1, 5, 0.04, config=replace(config, hidden_width=8))
    found = study_probes(open_study(engine, "x"))
    assert found is not None and found.unseen == (5, 3)


def test_an_invalid_trial_is_not_told(engine: Engine) -> None:
    annotate.invalidate(engine, "x", 1)
    found = study_probes(open_study(engine, "x"))
    assert found is not None and [of.number for of in found.best] == [2, 0]


def test_a_reader_reads_only_what_is_new(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every probe was read again at every news of the study."""
    read_anew: list[list[int]] = []

    read_probes = StudyHandle.probes

    def probes(study: StudyHandle, *, after: int) -> dict[int, dict[str, Any]]:
        found = read_probes(study, after=after)
        read_anew.append(list(found))
        return found

    monkeypatch.setattr(StudyHandle, "probes", probes)
    reader = ProbeReader(open_study(engine, "x"))
    first = reader.look(open_study(engine, "x").table())
    for _ in range(2):
        annotate.note(engine, "x", "about the study")
        assert reader.look(open_study(engine, "x").table()) is first
    with writing(engine) as connection:
        of_trial = sweep_trials.c.number == 3
        connection.execute(update(sweep_trials).where(of_trial).values(artifact_id="a3"))
    (kept,) = kept_weights(engine, "x")
    write_analysis(engine, "x", kept, ANALYSIS)
    later = reader.look(open_study(engine, "x").table())
    assert [of.number for of in later.best] == [2, 1, 3]
    assert read_anew == [[0, 1, 2], [], [], [3]]


def test_a_reader_forgets_what_a_trial_was_before_it_was_trained_again(engine: Engine) -> None:
    reader = ProbeReader(open_study(engine, "x"))
    assert len(reader.look(open_study(engine, "x").table()).trials) == 3
    with writing(engine) as connection:  # as a coordinator does, with the next attempt
        of_trial = sweep_trials.c.number == 0
        connection.execute(update(sweep_trials).where(of_trial).values(attempt=2, revision=99))
        of_probe = sweep_probes.c.trial_id.in_(select(sweep_trials.c.trial_id).where(of_trial))
        connection.execute(delete(sweep_probes).where(of_probe))
        connection.execute(update(sweep_studies).values(revision=99))
    assert [of.number for of in reader.look(open_study(engine, "x").table()).trials] == [2, 1]


def test_a_study_made_anew_has_no_probes_of_the_one_before(engine: Engine) -> None:
    assert study_probes(open_study(engine, "x")) is not None
    annotate.delete_study(engine, "x")
    study_id = add_study(engine, "x", created_at=EPOCH + 1)
    for number in range(3):
        add_trial(engine, study_id, number, 0.1)
    assert study_probes(open_study(engine, "x")) is None


def test_nothing_is_told_before_a_trial_was_looked_into(tmp_path: Path) -> None:
    engine = sqlite_store(tmp_path)
    add_trial(engine, add_study(engine, "x"), 0, 0.1)
    assert study_probes(open_study(engine, "x")) is None
