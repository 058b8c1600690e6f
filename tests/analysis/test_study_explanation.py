"""Which study tells what another one's error comes from."""

from pathlib import Path

from sweep.analysis.study_explanation import explained_in
from sweep.trial import TrialConfig
from tests.store_factories import EPOCH, add_explanation, add_study, sqlite_store

ENDS = (TrialConfig(), TrialConfig(epochs=50, hidden_width=1024))
BOTH = {ENDS[0]: (0.09, 0.08), ENDS[1]: (0.01, 0.02)}
SINGLE = {TrialConfig(epochs=50): (0.03, 0.04), TrialConfig(hidden_width=1024): (0.05, 0.06)}


def test_a_study_explains_once_it_tells_a_first_change(tmp_path: Path) -> None:
    engine = sqlite_store(tmp_path)
    for name in ("begun", "told"):
        add_study(engine, name, created_at=EPOCH - 1)
    assert explained_in(engine, "told") is None
    add_explanation(engine, "begun", *ENDS, BOTH)
    add_explanation(engine, "told", *ENDS, BOTH | SINGLE)
    assert explained_in(engine, "begun") is None
    assert explained_in(engine, "told") == "told-explain"
