"""Values that nothing of ours writes: each command says what is wrong, and others are read."""

import json
import sqlite3
from pathlib import Path

import pytest

from sweep.dashboard.links import STUDIES, Place
from sweep.dashboard.pages import studies
from sweep.dashboard.view import View
from sweep.errors import CorruptValueError
from sweep.store.handle import open_study
from sweep.store.migrate import open_store
from tests.support.cli_runner import Cli
from tests.support.pages import as_json
from tests.support.store_factories import add_study as add_empty_study
from tests.support.store_factories import add_trial, sqlite_store
from tests.support.synthetic import add_study

DEEP = "[" * 100_000

#: What somebody wrote into the database of two studies, whose first one is ``broken``.
BROKEN = {
    "a time beyond the calendar": "update sweep_studies set updated_at = 1e300",
    "a time that is infinite": "update sweep_studies set created_at = 9e999",
    "a time that is a text": "update sweep_studies set created_at = 'yesterday'",
    "a study file whose study is a list": "update sweep_studies set study_file = 'study = [1]'",
    "a study file that is no TOML": "update sweep_studies set study_file = '{'",
    "a study file that is deep": f"update sweep_studies set study_file = 'study = {DEEP}'",
    "a description that is an object":
        """update sweep_studies set study_file = 'study.description = {type = "AgGrid"}'""",
    "objectives that are no list": "update sweep_studies set study_file = 'study.objectives = 1'",
    "a repeat that is a text": """update sweep_studies set study_file =
        replace(study_file, 'description', 'repeat = "x"' || char(10) || 'description')""",
    "provenance that is a number": "update sweep_studies set provenance = 7",
    "provenance with odd cards": """update sweep_studies set provenance = '{"gpus": 7}'""",
    "bytes in a text": "update sweep_studies set ended_because = x'ff00'",
    "a long study file": "update sweep_studies set study_file = printf('%.*c', 3000000, 'x')",
    "a picture that is a number": "update sweep_studies set originals_png = 5",
    "a state that Optuna does not know": "update trials set state = 'ODD'",
    "a start that is no time": "update trials set datetime_start = 'soon'",
    "an end that is a text": "update sweep_trials set finished_at = 'x'",
    "a time held that is a text":
        "insert into sweep_leases values (1, 't', 'h', 1, '{}', 0, 0.0, 0.0, 'x', 0.0)",
    "a number that is a text": "update sweep_trials set attempt = 'three'",
    "an infinite error": "update sweep_trials set val_mse = 9e999",
    "a text for an error": "update sweep_trials set test_mse = 'low'",
    "a negative error": "update sweep_trials set val_mse = -1.0",
    "an outcome of another kind": "update sweep_trials set outcome = 'odd'",
    "a width of 0": "update sweep_trials set config = json_set(config, '$.hidden_width', 0)",
    "a negative width": "update sweep_trials set config = json_set(config, '$.hidden_width', -3)",
    "a width that is a text":
        "update sweep_trials set config = json_set(config, '$.hidden_width', 'x')",
    "an unknown activation":
        "update sweep_trials set config = json_set(config, '$.activation', 'odd')",
    "an activation that is a list":
        "update sweep_trials set config = json_set(config, '$.activation', json('[1]'))",
    "a configuration that is deep": f"update sweep_trials set config = '{DEEP}'",
    "a configuration with NaN": """update sweep_trials set config = '{"learning_rate": NaN}'""",
    "seeds that are texts": """update sweep_trials set seeds = '["x"]'""",
    "classes that are an object": """update sweep_trials set per_class_mse = '{"0": 1}'""",
    "an artifact's id that is a number": "update sweep_trials set artifact_id = x'00'",
    "a value that is a text": "update trial_values set value = 'x'",
    "a value of an unknown kind": "update trial_values set value_type = 'ODD'",
    "another distribution":
        """update trial_params set distribution_json = '{"name": "os.system", "attributes": {}}'""",
    "a distribution that is no JSON": "update trial_params set distribution_json = '{'",
    "a distribution that is a number": "update trial_params set distribution_json = '0.0'",
    "parameters of other names": "update trial_params set param_name = 'x' || param_id",
    "a choice that is not there": "update trial_params set param_value = 99.0",
    "a parameter that is a text": "update trial_params set param_value = 'x'",
    "an epoch's error that is a text": "update sweep_epochs set val_mse = 'x'",
    "an epoch's error that is infinite": "update sweep_epochs set val_mse = 9e999",
    "an epoch's error that is bytes": "update sweep_epochs set val_mse = x'00'",
    "a spectrum of a few bytes": "update sweep_epochs set spectrum = x'00'",
    "a spectrum that is no number": f"update sweep_epochs set spectrum = x'{'ff' * 64}'",
    "bands that are too few": """update sweep_studies set spectrum_bands =
        '{"n_directions": [1], "variances": [1.0], "mean_image_errors": [1.0], "n_images": 1}'""",
    "shares of pixels beyond all": """update sweep_results set pixel_errors =
        '{"black_pixels": 2.0, "white_pixels": 0.0, "black_error": 0.0, "white_error": 0.0}'""",
    "a seed's error that is bytes": "update sweep_results set test_mse = x'00'",
    "diagnostics that lack numbers": """update sweep_results set diagnostics = '{"dead": 1}'""",
    "a decomposition that is a list": "update sweep_decompositions set decomposition = '[]'",
    "a probe of texts": (
        "update sweep_probes set probe = json_set(probe, '$.code.all_labels.linear', 'x')"
    ),
    "a picture that is a text": "update sweep_reconstructions set errors_png = 'x'",
    "a worker's time that is a text": "update sweep_workers set seen_at = 'x'",
    "a worker's process that is a text": "update sweep_workers set pid = 'x'",
    "a tag that is bytes": "insert into sweep_tags values (1, 1, null, x'00')",
    "a note that is bytes": "insert into sweep_notes values (1, 1, null, x'00', 0.0)",
    "an event of no time": "insert into sweep_events values (1, 1, 9e999, 'x', 0, 'x', 'x')",
    "a command that asks for a list":
        "insert into sweep_commands values (1, 1, 'enqueue', '[]', 0.0, null, null)",
    "a lease of a text":
        "insert into sweep_leases values (1, 't', 'h', 1, '[]', 0, 0.0, 0.0, 0.0, 0.0)",
}  # fmt: skip

COMMANDS = (
    "list", "list --json", "status broken", "best broken", "trials broken", "trials broken --json",
    "show broken 0", "diagnose broken", "analyse broken", "ties broken", "explain broken",
    "compare broken 0 1", "report broken", "export broken", "export broken --format json",
    "note broken", "note broken --trial 0", "doctor broken", "verify broken 0",
    "reconstruct broken 0", "resume broken", "db copy sqlite:///sweep.db sqlite:///copy.db",
)  # fmt: skip


N_PARTS = 6


@pytest.fixture(scope="module")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``broken``, of 12 trials, and ``whole``, of one."""
    folder = tmp_path_factory.mktemp("template")
    engine = sqlite_store(folder)
    add_study(engine, "broken", 12)
    add_trial(engine, add_empty_study(engine, "whole"), 0, 0.5)
    engine.dispose()
    return folder / "sweep.db"


@pytest.fixture
def database(_template: Path, tmp_path: Path) -> Path:
    return Path(tmp_path / "sweep.db").write_bytes(_template.read_bytes()) and tmp_path / "sweep.db"


def break_it(database: Path, how: str) -> None:
    connection = sqlite3.connect(database)
    statement = BROKEN[how]
    if "update sweep_studies" in statement:
        statement += " where study_id = 1"
    elif statement.startswith("update") and "sweep_workers" not in statement:
        statement += " where trial_id <= 12"
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize("how", BROKEN)
def test_no_command_takes_a_broken_value_for_a_bug_of_its_own(
    how: str, cli: Cli, database: Path
) -> None:
    # Each value meets some commands, and each command some values: benchmarks.abuse tries them all.
    break_it(database, how)
    part = COMMANDS[[*BROKEN].index(how) % N_PARTS :: N_PARTS]
    answers = {command: cli(*command.split()) for command in (*part, "doctor broken")}
    wrong = {
        command: (answer.code, answer.err)
        for command, answer in answers.items()
        if answer.code == 1 or "this is a bug" in answer.err or "Traceback" in answer.err
    }
    assert wrong == {}
    told = [answer.err for answer in answers.values() if "cannot be used" in answer.err]
    assert all("study 'broken'" in said and "sweep doctor broken" in said for said in told)
    assert answers["doctor broken"].code == 12
    assert cli("delete", "broken", "--yes").code == 0
    assert cli("status", "whole").code == 0


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_study_leaves_the_others_on_the_list_and_the_page(
    how: str, cli: Cli, database: Path
) -> None:
    break_it(database, how)
    listed = cli("list", "--json")
    assert listed.code == 0
    assert {study["study_name"] for study in listed.json} == {"broken", "whole"}
    assert "whole" in cli("list").out
    view = View(engine=open_store())
    assert [of.study.name for of in studies.gather(view, "", "name").studies][-1] == "whole"
    assert "whole" in as_json(studies.layout(view, Place(STUDIES)))


def test_a_study_that_cannot_be_read_is_listed_with_its_reason(cli: Cli, database: Path) -> None:
    break_it(database, "a description that is an object")
    answer = cli("list")
    assert answer.code == 0 and "unreadable" in answer.out
    assert "study 'broken': sweep_studies.study_file" in answer.err
    assert "study.description" in answer.err and "sweep doctor broken" in answer.err
    whole, broken = cli("list", "--json").json
    assert (whole["study_name"], broken["study_name"]) == ("whole", "broken")
    assert "study.description" in broken["unreadable"]
    page = as_json(studies.layout(View(engine=open_store()), Place(STUDIES)))
    assert "study.description" in page and "AgGrid" not in page


def test_what_cannot_be_read_is_named_by_table_column_and_trial(cli: Cli, database: Path) -> None:
    break_it(database, "a negative width")
    answer = cli("trials", "broken")
    assert answer.code == 5
    assert "sweep_trials.config of trial 0" in answer.err
    assert "hidden_width" in answer.err and "-3" in answer.err


def test_doctor_lists_every_value_that_cannot_be_read(cli: Cli, database: Path) -> None:
    break_it(database, "an unknown activation")
    answer = cli("doctor", "broken", "--json")
    assert answer.code == 12
    assert len(answer.json) == 12
    assert all("sweep_trials.config of trial" in finding["what"] for finding in answer.json)
    assert cli("doctor", "broken", "--repair").code == 12


def test_a_table_of_trials_names_the_row_that_it_cannot_be_made_of(database: Path) -> None:
    break_it(database, "an activation that is a list")
    with pytest.raises(CorruptValueError, match=r"sweep_trials\.config of trial 0"):
        open_study(open_store(f"sqlite:///{database}"), "broken").table()


def test_a_number_that_is_not_finite_is_never_written(tmp_path: Path) -> None:
    engine = sqlite_store(tmp_path)
    add_trial(engine, add_empty_study(engine), 0, 0.5, test_mse=float("inf"), psnr=float("nan"),
              per_class_mse=[0.5, float("inf")])  # fmt: skip
    trial = open_study(engine, "study").trial(0)
    assert (trial.test_mse, trial.psnr, trial.per_class_mse) == (None, None, (0.5, None))
    assert json.dumps(trial.config, allow_nan=False)
