"""The answer in words."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sweep.analysis.diagnosis import Diagnosis, Limit, Remedy
from sweep.analysis.gains import Doubling, Gain
from sweep.analysis.probe_summary import summarise_probes
from sweep.analysis.study_diagnosis import DiagnosedTrial
from sweep.analysis.ties import Candidate, TieSet, tie_set
from sweep.analysis.width_law import WidthErrors, WidthLaw, width_law
from sweep.config import TrialConfig
from sweep.findings.diagnoses import gains_sentence, limit_sentence
from tests.support.finding_factories import findings, make_explanation
from tests.support.store_factories import PROBE, features, make_probed, trial_row


def plateau() -> WidthLaw:
    widths = np.array([8.0, 16, 32, 64, 128, 256])
    best, ones = 0.01 + 1 / widths**2, np.ones(6, dtype=np.int64)
    return width_law(
        WidthErrors(
            widths=widths, n_trials=ones, numbers=ones, best=best, median=best, low=best, high=best
        )
    )


def label_trial(number: int, width: int, error: float, limit: Limit | None) -> DiagnosedTrial:
    row = trial_row(number=number, values=(error,), config=TrialConfig(hidden_width=width))
    return DiagnosedTrial(row, Diagnosis(limit=limit, because="so it is"))


def ties(*factors: float) -> TieSet | None:
    """Configurations whose errors are so many times the first's."""
    return tie_set(
        [
            Candidate(
                number=number,
                errors=tuple(factor * seed for seed in (0.99, 1.0, 1.01)),
                n_parameters=100 - number,
                train_seconds=1.0,
            )
            for number, factor in enumerate(factors)
        ]
    )


def describe(*limits: DiagnosedTrial, of: TieSet | None = None, **parts: Any) -> list[str]:
    return findings(width=plateau(), diagnoses=limits, ties=of, **parts).reasons


def test_the_width_comes_first_then_the_best_trial_then_the_others() -> None:
    found = describe(
        label_trial(0, 8, 0.3, Limit.TOO_NARROW),
        label_trial(1, 64, 0.2, Limit.TOO_FEW_EPOCHS),
        label_trial(2, 1024, 0.1, Limit.TOO_FEW_EPOCHS),
    )
    assert found[0].startswith("The error has stopped falling with the width: twice 256 units")
    assert found[1:] == [
        "The best trial (2, 1,024 units) has too few epochs: so it is.",
        "What limits the best trial of each of 3 widths: too few epochs (2), too narrow (1).",
    ]


def test_the_remedy_of_the_best_stands_with_its_command() -> None:
    config = TrialConfig(hidden_width=8, epochs=5)
    row = trial_row(number=0, values=(0.1,), config=config)
    found = Diagnosis(limit=Limit.TOO_FEW_EPOCHS, because="so", remedy=Remedy.EPOCHS)
    trial = DiagnosedTrial(row, found, to_enqueue={"hidden_width": 8, "epochs": 10})
    command = "sweep enqueue study hidden_width=8 epochs=10"
    assert describe(trial)[2] == f"To try: epochs 5 → 10: `{command}`."
    overrides = {"space.epochs": 10, "enqueue.0.epochs": 10}
    outside = describe(trial._replace(to_enqueue=None, overrides=overrides))[2]
    assert outside.endswith(
        "`sweep start FILE --name OTHER --set space.epochs=10 --set enqueue.0.epochs=10`."
    )
    images = replace(found, limit=Limit.OVERFITS, remedy=Remedy.IMAGES)
    more = describe(
        trial._replace(diagnosis=images, to_enqueue=None, overrides={"data.train_limit": 2_000})
    )[2]
    assert more == (
        "To try: twice the images: `sweep start FILE --name OTHER --set data.train_limit=2000`."
    )


def test_a_best_trial_without_any_error_is_the_best_in_sentences_and_table() -> None:
    found = Diagnosis(limit=Limit.TOO_FEW_EPOCHS, because="so", remedy=Remedy.EPOCHS)
    diagnoses = [
        label_trial(number, width, error, None)._replace(
            diagnosis=found, to_enqueue={"hidden_width": width}
        )
        for number, (width, error) in enumerate(((8, 0.3), (1024, 0.0)))
    ]
    described = findings(width=plateau(), diagnoses=diagnoses)
    assert "The best trial (1, 1,024 units) has too few epochs: so." in described.reasons
    assert described.diagnosis_table.note.startswith("For trial 1, try epochs 5 → 10")


def test_every_label_has_a_sentence_and_unknown_gains_are_called_so() -> None:
    gain = Gain(of=Doubling.WIDTH, estimate=0.25, low=0.2, high=0.3, source="trial 4")
    for limit in Limit:
        found = Diagnosis(limit=limit, because="so it is", gains={gain.of: gain})
        assert limit_sentence("It", found).endswith(": so it is.")
    assert gains_sentence(found) == (
        "Another doubling would lower the error: of epochs by an unknown share, of width by 25 % "
        "(20 % to 30 %) (trial 4), of images by an unknown share."
    )


def test_a_doubling_that_raises_the_error_is_not_said_to_lower_it() -> None:
    gains = {
        Doubling.EPOCHS: Gain(of=Doubling.EPOCHS, estimate=-0.0041, source="its last doubling"),
        Doubling.WIDTH: Gain(
            of=Doubling.WIDTH, estimate=-0.25, low=-0.3, high=0.02, source="trial 4"
        ),
        Doubling.IMAGES: Gain(of=Doubling.IMAGES, estimate=0.1, source="trial 5"),
    }
    assert gains_sentence(Diagnosis(limit=None, because="", gains=gains)) == (
        "Another doubling would lower the error: of images by 10 % (trial 5). "
        "Another doubling of epochs would raise the error by 0.41 % (its last doubling). "
        "Another doubling of width would raise the error by 25 % (-2 % to 30 %) (trial 4)."
    )


def test_what_was_trained_and_probed_is_told_too() -> None:
    one = make_probed(0, 8, 0.02, PROBE | {"code": features(0.8, 0.85, 0.9)})
    useful = summarise_probes([one], [one])
    found = describe(
        label_trial(0, 8, 0.3, Limit.TOO_FEW_EPOCHS), ablation=make_explanation(), probes=useful
    )
    assert found[1].startswith("Trial 7 has 3.20 times less validation error")
    assert found[3].startswith("A narrow code predicts the labels as well as the pixels")


def test_of_causes_nothing_is_told_before_the_first() -> None:
    assert "explain" not in " ".join(
        describe(label_trial(0, 8, 0.3, None), ablation=make_explanation(1))
    )


def test_what_is_not_known_is_not_told() -> None:
    assert describe() == []
    assert describe(label_trial(0, 8, 0.3, None))[1:] == [
        "It is unknown what limits the best trial (0, 8 units): so it is."
    ]


@pytest.mark.parametrize(
    ("factors", "sentence"),
    [
        ((1.0, 1.001, 3.0), "2 of the 3 best configurations are indistinguishable by their seeds; "
         "the smallest within 10 % of the best error is trial 1."),
        ((1.0, 1.001), "The 2 best configurations are indistinguishable by their seeds; "
         "the smallest within 10 % of the best error is trial 1."),
        ((1.0, 3.0), "No other of the best configurations ties with the best over its seeds."),
    ],
)  # fmt: skip
def test_ties_are_told(factors: tuple[float, ...], sentence: str) -> None:
    assert describe(label_trial(0, 8, 0.3, None), of=ties(*factors))[-1] == sentence
