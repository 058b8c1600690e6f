"""Which study tells what another one's error comes from."""

from pathlib import Path

import pytest

from sweep.analysis.study_explanation import find_explaining_study, study_explanation
from sweep.config import TrialConfig
from sweep.store.handle import open_study
from tests.support.store_factories import EPOCH, add_explanation, add_study, add_trial, sqlite_store

ENDS = (TrialConfig(), TrialConfig(epochs=50, hidden_width=1024))
BOTH = {ENDS[0]: (0.09, 0.08), ENDS[1]: (0.01, 0.02)}
SINGLE = {TrialConfig(epochs=50): (0.03, 0.04), TrialConfig(hidden_width=1024): (0.05, 0.06)}


def test_a_study_explains_once_it_tells_a_first_change(tmp_path: Path) -> None:
    engine = sqlite_store(tmp_path)
    for name in ("begun", "told"):
        add_study(engine, name, created_at=EPOCH - 1)
    assert find_explaining_study(study_explanation(open_study(engine, "told"))) is None
    add_explanation(engine, "begun", *ENDS, BOTH)
    add_explanation(engine, "told", *ENDS, BOTH | SINGLE)
    assert find_explaining_study(study_explanation(open_study(engine, "begun"))) is None
    assert find_explaining_study(study_explanation(open_study(engine, "told"))) == "told-explain"


@pytest.mark.parametrize(
    ("study", "best", "other"),
    [
        ("x", None, None),  # nobody asked
        ("x", 1, None),  # the one that is explained
        ("x", 2, None),  # its settings once more
        ("x", 3, 3),
        ("x-explain", 3, None),  # its numbers are not those of the study that it explains
    ],
)
def test_an_explanation_of_another_trial_than_the_best_says_so(
    tmp_path: Path, study: str, best: int | None, other: int | None
) -> None:
    engine = sqlite_store(tmp_path)
    study_id = add_study(engine, "x", created_at=EPOCH - 1)
    for number, config in enumerate([*ENDS, ENDS[1], TrialConfig(epochs=90)]):
        add_trial(engine, study_id, number, 0.1, config=config)
    add_explanation(engine, "x", *ENDS, BOTH | SINGLE)
    explained = study_explanation(open_study(engine, study), best)
    assert explained is not None and explained.other_best == other
