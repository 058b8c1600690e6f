"""What the page of a trial tells of its networks."""

from pathlib import Path

from sweep.config import TrialConfig
from sweep.dashboard import links
from sweep.dashboard.pages import trial as page
from sweep.dashboard.parts.network import found_rows, told_rows
from sweep.dashboard.view import View
from sweep.store.engine import Engine
from sweep.store.handle import open_study
from sweep.store.schema import sweep_decompositions, sweep_probes, sweep_results
from tests.pages import as_json
from tests.store_factories import (
    DECOMPOSITION,
    PROBE,
    add_rows,
    add_study,
    add_trial,
    sqlite_store,
)


def looked_into(folder: Path) -> Engine:
    engine = sqlite_store(folder)
    study_id = add_study(engine)
    config = TrialConfig(hidden_width=64)
    add_trial(engine, study_id, 0, 0.1, config=config)
    said = {"saturated_share": 0.0, "stuck_share": 0.5, "encoder_norm": 8.5, "decoder_norm": 9.5}
    for index, dead in enumerate((0.25, 0.75)):
        row = {"trial_id": 1, "seed_index": index, "seed": index}
        add_rows(engine, sweep_results, row | {"diagnostics": said | {"dead_share": dead}})
    found = DECOMPOSITION | {"end_to_end": [1.25, 1.0, 0.125]}
    add_rows(engine, sweep_decompositions, {"trial_id": 1, "decomposition": found})
    add_rows(engine, sweep_probes, {"trial_id": 1, "probe": PROBE})
    return engine


def test_what_was_found_is_told_with_what_it_means(tmp_path: Path) -> None:
    rows = found_rows(open_study(looked_into(tmp_path), "study").trial(0))
    said = {row.label: (row.value, row.meaning) for row in rows}
    assert said["dead units"] == ("50.0 %", "no image makes them positive")  # over both seeds
    assert said["norms of the weights"][0] == "8.500, 9.500"
    assert said["effective rank of the code"] == ("7.500", "directions in use, of 64 units")
    assert said["singular values end to end"][0] == "1.25 … 0.125"


def test_labels_are_told_beside_other_codes(tmp_path: Path) -> None:
    assert told_rows(open_study(looked_into(tmp_path), "study").trial(0)) == [
        ("this code", "75.0 %", "70.0 %"),
        ("PCA code of that size", "65.0 %", "60.0 %"),
        ("all pixels", "80.0 %", "85.0 %"),
    ]


def test_the_page_shows_both_and_nothing_of_a_trial_not_looked_into(tmp_path: Path) -> None:
    engine = looked_into(tmp_path)
    add_trial(engine, 1, 1, 0.2)
    titles = ("Inside its network", "Labels told right")
    for number, shown in ((0, True), (1, False)):
        place = links.Place(links.TRIAL, "study", number)
        text = as_json(page.layout(View(engine=engine), place))
        assert [title in text for title in titles] == [shown, shown]
