"""export --format mlflow, against a small client at MLflow's boundary.

The package is large and not installed for the tests; by hand the export was tried with its own.
"""

import importlib.machinery
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import pytest

from tests.support.cli_runner import Cli


class Metric(NamedTuple):
    key: str
    value: float
    timestamp: int
    step: int


class Param(NamedTuple):
    key: str
    value: str


class Runs(list[Any]):
    token = None


class Client:
    """Runs in memory; as strict as MLflow about what it is given."""

    def __init__(self) -> None:
        self.uris: list[str] = []
        self.experiments: dict[str, Any] = {}
        self.runs: dict[str, Any] = {}
        self.fails_at: int | None = None

    def __call__(self, uri: str) -> "Client":
        self.uris.append(uri)
        return self

    def get_experiment_by_name(self, name: str) -> Any:
        return self.experiments.get(name)

    def create_experiment(self, name: str, artifact_location: str | None) -> str:
        self.experiments[name] = SimpleNamespace(experiment_id=name, location=artifact_location)
        return name

    def search_runs(self, experiment_ids: list[str], *, max_results: int, page_token: Any) -> Runs:
        return Runs(run for run in self.runs.values() if run.experiment in experiment_ids)

    def create_run(
        self, experiment: str, *, start_time: int, run_name: str, tags: dict[str, str]
    ) -> Any:
        if len(self.runs) == self.fails_at:
            raise OSError("cannot reach http://user:secret@host")
        assert all(isinstance(value, str) for value in tags.values())
        run = SimpleNamespace(
            experiment=experiment,
            name=run_name,
            data=SimpleNamespace(tags=tags),
            info=SimpleNamespace(run_id=f"id-{run_name}", status="RUNNING", start=start_time),
            params={},
            metrics=[],
            artifacts=[],
        )
        self.runs[run.info.run_id] = run
        return run

    def log_batch(
        self, run_id: str, metrics: tuple[Metric, ...] = (), params: tuple[Param, ...] = ()
    ) -> None:
        assert len(metrics) <= 1000
        self.runs[run_id].metrics += metrics
        self.runs[run_id].params.update(params)

    def log_artifact(self, run_id: str, path: str, folder: str) -> None:
        assert Path(path).read_bytes().startswith(b"\x89PNG")
        self.runs[run_id].artifacts.append(f"{folder}/{Path(path).name}")

    def set_terminated(self, run_id: str, *, status: str, end_time: int) -> None:
        self.runs[run_id].info.status = status

    def delete_run(self, run_id: str) -> None:
        del self.runs[run_id]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    client = Client()
    for name, members in {
        "mlflow": {"MlflowClient": client},
        "mlflow.entities": {"Metric": Metric, "Param": Param},
        "mlflow.exceptions": {"MlflowException": RuntimeError},
    }.items():
        module = ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@host")
    return client


def export(cli: Cli, *more: Any) -> Any:
    return cli("export", "study", "--format", "mlflow", *more)


def test_each_finished_trial_is_a_run_with_params_and_curves(
    cli: Cli, study: int, client: Client
) -> None:
    answer = export(cli)
    assert (answer.code, answer.out) == (0, "")
    n_finished = len(client.runs)
    assert f"{n_finished} runs in MLflow's experiment 'study'" in answer.err
    run = client.runs["id-study-1"]
    assert run.info.status == "FINISHED"
    assert run.params["hidden_width"] == "512"
    curve = [(of.step, of.value) for of in run.metrics if of.key == "val_mse"]
    assert curve == [(1, 0.04), (2, 0.01)]
    assert {run.info.status for run in client.runs.values()} == {"FINISHED", "KILLED", "FAILED"}


def test_a_second_export_adds_only_what_is_new_and_redoes_what_was_half_written(
    cli: Cli, study: int, client: Client
) -> None:
    export(cli)
    n_runs = len(client.runs)
    client.runs["id-study-1"].info.status = "RUNNING"
    assert f"1 run in MLflow's experiment 'study'; {n_runs - 1} were there" in export(cli).err
    assert len(client.runs) == n_runs
    assert client.runs["id-study-1"].info.status == "FINISHED"


def test_a_folder_gets_a_database_and_artifacts(
    cli: Cli, study: int, client: Client, tmp_path: Path
) -> None:
    assert export(cli, "-o", tmp_path / "runs").code == 0
    assert client.uris == [f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}"]
    assert client.experiments["study"].location == (tmp_path / "runs" / "artifacts").as_uri()


def test_an_error_of_the_server_is_a_message_without_its_password(
    cli: Cli, study: int, client: Client
) -> None:
    client.fails_at = 1
    answer = export(cli)
    assert answer.code == 1
    assert "MLflow: cannot reach the server. Runs written so far stay." in answer.err
    assert "secret" not in answer.err


def test_without_a_destination_or_the_package_it_says_what_to_do(
    cli: Cli, study: int, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sweep.cli.mlflow_runs.find_spec", lambda name: None)
    answer = export(cli)
    assert answer.code == 1 and "sweep-autoencoder[mlflow]" in answer.err
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    answer = export(cli)
    assert answer.code == 2 and "set MLFLOW_TRACKING_URI" in answer.err
    assert export(cli, "-o", "nowhere/runs").code == 2
    assert list(tmp_path.glob("**/mlflow.db")) == []
