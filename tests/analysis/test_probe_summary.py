"""The verdict on codes: what they tell beside the pixels and PCA, from a study's probes."""

from dataclasses import replace
from math import hypot, sqrt
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, select, update

from sweep.analysis.probe_summary import (
    Accuracy,
    Classifier,
    CodeVerdict,
    FeatureKind,
    ProbedTrial,
    Rating,
    compare,
    summarise_probes,
)
from sweep.analysis.study_probes import ProbeReader, study_probes
from sweep.config import TrialConfig
from sweep.messages import Accuracies, FeatureProbe
from sweep.store import annotate
from sweep.store.engine import write_transaction
from sweep.store.handle import StudyHandle, open_study
from sweep.store.kept_weights import kept_weights, write_analysis
from sweep.store.schema import sweep_probes, sweep_studies, sweep_trials
from tests.support.fake_workers import ANALYSIS
from tests.support.store_factories import (
    EPOCH,
    PROBE,
    add_probe,
    add_study,
    add_trial,
    baselines,
    features,
    make_probed,
    sqlite_store,
)

#: Standard error of 80 % of 10,000 images.
ERROR = 0.004


def code_of(share: float, network: float | None = None) -> FeatureProbe:
    """What a code tells: as much by each classifier, but for the network where that is given."""
    return features(share, share, share if network is None else network)


def of_width(
    number: int, width: int, code: FeatureProbe, pca: float = 0.7, mse: float = 0.01
) -> ProbedTrial:
    """The pixels tell 80 % of 10,000 test images by each classifier, and chance 10 %."""
    pixels, other = code_of(0.8), code_of(pca)
    found = make_probed(number, width, mse, {**PROBE, "code": code, "n_test": 10_000})
    return replace(found, pca=other, random=code_of(0.5), pixels=pixels)


@pytest.mark.parametrize(
    ("narrow", "wide", "verdict", "trial"),
    [
        (0.795, 0.8, CodeVerdict.NARROW, 0),
        (0.75, 0.8, CodeVerdict.MOST, 0),
        (0.6, 0.795, CodeVerdict.WIDE, 1),
        (0.6, 0.78, CodeVerdict.NONE, 1),
    ],
)
def test_the_narrowest_code_that_tells_enough_decides(
    narrow: float, wide: float, verdict: CodeVerdict, trial: int
) -> None:
    best = [of_width(0, 32, code_of(narrow)), of_width(1, 256, code_of(wide))]
    found = summarise_probes(best, best)
    assert (found.verdict, found.shown.number) == (verdict, trial)


def test_the_narrowest_as_good_as_the_pixels_is_known_beside_the_one_that_keeps_most() -> None:
    best = [of_width(0, 32, code_of(0.75)), of_width(1, 256, code_of(0.8))]
    found = summarise_probes(best, best)
    assert found.shown.number == 0 and found.as_good is best[1]
    assert found.kept_share(best[0]) == pytest.approx((0.75 - 0.1) / (0.8 - 0.1))


def test_where_the_pixels_tell_no_more_than_the_commonest_class_no_share_is_kept() -> None:
    one = replace(of_width(0, 32, code_of(0.75)), pixels=code_of(0.1))
    assert summarise_probes([one], [one]).kept_share(one) is None


def test_the_classifier_is_chosen_on_the_validation_images_of_the_pixels() -> None:
    """By the test images of code or pixels, each other one would be chosen."""
    validation = Accuracies(linear=0.5, neighbours=0.7, network=0.6)
    one = replace(
        of_width(0, 32, features(0.9, 0.5, 0.6)),
        pixels=features(0.5, 0.6, 0.9, validation=validation),
    )
    found = summarise_probes([one], [one])
    assert (found.classifier, found.readout) == (Classifier.NEIGHBOURS, Classifier.NETWORK)


def test_where_no_code_tells_enough_validation_images_choose_the_one_that_is_shown() -> None:
    best = [
        of_width(0, 8, features(0.3, 0.3, 0.3, validation=code_of(0.6).validation)),
        of_width(1, 16, features(0.4, 0.4, 0.4, validation=code_of(0.5).validation)),
    ]
    assert summarise_probes(best, best).shown.number == 0


def test_a_share_has_the_standard_error_of_a_binomial_one() -> None:
    found = of_width(0, 8, code_of(0.8)).accuracy(FeatureKind.CODE, Classifier.LINEAR)
    assert found == (0.8, pytest.approx(ERROR))


def test_with_few_labels_the_spread_over_the_draws_is_part_of_the_standard_error() -> None:
    found = of_width(0, 8, code_of(0.8)).accuracy(FeatureKind.CODE, Classifier.LINEAR, few=True)
    of_images, of_draws = sqrt(0.72 * 0.28 / 10_000), 0.02 / sqrt(4)
    assert found == (pytest.approx(0.72), pytest.approx(hypot(of_images, of_draws)))


@pytest.mark.parametrize(
    ("share", "standing"),
    [
        (0.81, Rating.EQUAL),
        (0.813, Rating.BETTER),
        (0.787, Rating.WORSE),
    ],
)
def test_shares_differ_by_more_than_two_standard_errors(share: float, standing: Rating) -> None:
    other = Accuracy(0.8, ERROR)
    assert compare(Accuracy(share, ERROR), other) is standing


def test_codes_are_counted_beside_pca_and_random_projections() -> None:
    best = [of_width(0, 8, code_of(0.6)), of_width(1, 98, code_of(0.7))]
    found = summarise_probes(best, best)
    assert found.beside(FeatureKind.PCA) == {Rating.WORSE: 1, Rating.EQUAL: 1}
    assert found.beside(FeatureKind.RANDOM) == {Rating.BETTER: 2}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Four trials: two of one width, one of another, and one that is not analysed."""
    engine = sqlite_store(tmp_path)
    study_id = add_study(engine, "x")
    for number, (width, error) in enumerate([(64, 0.02), (64, 0.01), (8, 0.05), (256, 0.001)]):
        config = TrialConfig(hidden_width=width)
        trial_id = add_trial(engine, study_id, number, error, config=config)
        if number < 3:
            add_probe(engine, trial_id, width=width)
    return engine


def test_the_best_of_each_width_is_told_of_those_looked_into(engine: Engine) -> None:
    found = study_probes(open_study(engine, "x"))
    assert found is not None
    assert [of.number for of in found.best] == [2, 1]
    assert [of.number for of in found.trials] == [2, 0, 1]
    assert (found.best[0].test_mse, found.pixels.all_labels.network) == (0.05, 0.9)


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
    with write_transaction(engine) as connection:
        of_trial = sweep_trials.c.number == 3
        connection.execute(update(sweep_trials).where(of_trial).values(artifact_id="a3"))
    (kept,) = kept_weights(engine, "x")
    assert ANALYSIS.probe is not None
    probe = replace(ANALYSIS.probe, n_pixels=784)
    found = replace(ANALYSIS, probe=probe, baselines=tuple(baselines(256)))
    write_analysis(engine, "x", kept, found)
    later = reader.look(open_study(engine, "x").table())
    assert [of.number for of in later.best] == [2, 1, 3]
    assert read_anew == [[0, 1, 2], [], [], [3]]


def test_a_reader_forgets_what_a_trial_was_before_it_was_trained_again(engine: Engine) -> None:
    reader = ProbeReader(open_study(engine, "x"))
    assert len(reader.look(open_study(engine, "x").table()).trials) == 3
    with write_transaction(engine) as connection:  # as a coordinator does, with the next attempt
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
