"""docker-compose.yml and the Dockerfile: what would hurt someone if it changed unseen."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from sqlalchemy import make_url

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
STUDIES = [name for name, service in SERVICES.items() if "start" in service.get("command", [])]


def test_a_study_starts_with_a_profile_only_and_each_has_its_devices() -> None:
    assert STUDIES == ["sweep-cpu", "sweep-gpu"]
    assert [SERVICES[name]["profiles"] for name in STUDIES] == [["cpu"], ["gpu"]]
    assert [SERVICES[name]["command"][-1] for name in STUDIES] == ["cpu", "all"]
    assert "deploy" not in SERVICES["sweep-cpu"]


@pytest.mark.parametrize("name", ["dashboard", "optuna-dashboard", *STUDIES])
def test_a_study_waits_for_the_schema_and_the_schema_for_the_server(name: str) -> None:
    waits_for = {"migrate": {"condition": "service_completed_successfully"}}
    assert SERVICES[name]["depends_on"] == waits_for
    assert SERVICES["migrate"]["command"] == ["db", "init"]
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert "pg_isready" in SERVICES["postgres"]["healthcheck"]["test"][1]


@pytest.mark.parametrize("name", STUDIES)
def test_a_stopped_study_has_time_to_finish_its_epoch(name: str) -> None:
    assert SERVICES[name]["stop_grace_period"] == "60s"


def test_the_gpu_study_reserves_every_nvidia_gpu() -> None:
    devices = SERVICES["sweep-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]


@pytest.mark.parametrize("name", ["migrate", "dashboard", *STUDIES])
def test_the_password_is_in_a_file_and_nowhere_else(name: str) -> None:
    environment = SERVICES[name]["environment"]
    assert make_url(environment["SWEEP_STORAGE"]).password is None
    assert environment["SWEEP_STORAGE_PASSWORD_FILE"] == "/run/secrets/postgres_password"
    assert "postgres_password" in SERVICES[name]["secrets"]


def test_the_server_reads_the_same_password_file_and_is_not_published() -> None:
    postgres = SERVICES["postgres"]
    assert postgres["environment"]["POSTGRES_PASSWORD_FILE"] == "/run/secrets/postgres_password"
    assert postgres["secrets"] == ["postgres_password"]
    assert "ports" not in postgres


def test_the_database_outlives_its_container() -> None:
    assert "postgres:/var/lib/postgresql/data" in SERVICES["postgres"]["volumes"]
    assert "postgres" in COMPOSE["volumes"]


def test_the_study_that_runs_is_shipped() -> None:
    for name in STUDIES:
        assert (ROOT / SERVICES[name]["command"][1]).is_file()


def test_images_are_built_from_here_and_run_as_ordinary_users_with_pinned_packages() -> None:
    optunas, packages, look, train = (ROOT / "Dockerfile").read_text().split("\nFROM ")[1:]
    assert optunas.startswith("python:3.12-slim AS optuna-dashboard\n")
    for stage, user in ((look, "sweep"), (train, "sweep"), (optunas, "optuna")):
        assert f"\nUSER {user}\n" in stage
    for stage in (optunas, packages, look, train):
        assert all("constraints.txt" in line for line in stage.split("\n") if "-c " in line)
        assert "pip install" in stage
    assert {SERVICES[name]["build"] for name in STUDIES} == {"."}


def test_only_studies_have_an_image_with_torch() -> None:
    _, packages, look, train = (ROOT / "Dockerfile").read_text().split("\nFROM ")[1:]
    assert packages.startswith("python:3.12-slim AS packages\n")
    assert look.startswith("packages AS look\n") and "[train]" not in packages + look
    assert train.startswith("packages AS train\n") and "[train]" in train
    for name in ("migrate", "dashboard"):
        assert SERVICES[name]["build"] == {"context": ".", "target": "look"}
        assert SERVICES[name]["image"] == "sweep-look"


def test_optuna_dashboard_has_an_image_of_its_own() -> None:
    built = SERVICES["optuna-dashboard"]["build"]
    assert built == {"context": ".", "target": "optuna-dashboard"}


def test_the_dashboard_is_for_this_machine_and_asks_for_a_password() -> None:
    dashboard = SERVICES["dashboard"]
    assert dashboard["ports"] == ["127.0.0.1:8050:8050"]
    assert dashboard["secrets"] == ["postgres_password", "dashboard_password"]
    password_file = dashboard["environment"]["SWEEP_DASHBOARD_PASSWORD_FILE"]
    assert password_file == "/run/secrets/dashboard_password"
    assert "--allow-edit" not in dashboard["command"]
    assert "/healthz" in dashboard["healthcheck"]["test"][-1]


def test_optuna_dashboard_comes_on_request_for_this_machine_and_reads_the_password_file() -> None:
    service = SERVICES["optuna-dashboard"]
    assert service["profiles"] == ["optuna"]
    assert service["ports"] == ["127.0.0.1:8051:8051"]
    assert service["secrets"] == ["postgres_password"]
    (command,) = service["command"]
    assert 'PGPASSWORD="$$(cat /run/secrets/postgres_password)"' in command
    assert make_url(command.split()[-1]).password is None
    assert ":8051/" in service["healthcheck"]["test"][-1]


class Compose(NamedTuple):
    """Docker Compose as it is installed here: Docker's plugin, or a program of its own."""

    command: tuple[str, ...]
    version: str

    def config(self, folder: Path) -> dict[str, Any]:
        """All profiles, as Docker Compose itself reads them; it needs no engine for that."""
        file = folder / "docker-compose.yml"
        # Debian 12's is version 1, which takes everything but a project's name.
        is_old = self.version.startswith("1.")
        file.write_text(TEXT.replace("\nname: sweep\n", "\n") if is_old else TEXT)
        profiles = ("--profile=cpu", "--profile=gpu", "--profile=optuna")
        answer = run(*self.command, f"--file={file}", *profiles, "config")
        assert answer.returncode == 0, answer.stderr
        found: dict[str, Any] = yaml.safe_load(answer.stdout)
        return found


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def find_compose() -> Compose | None:
    for command in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(command[0]) is None:
            continue
        answer = run(*command, "version", "--short")
        if answer.returncode == 0:
            return Compose(command, answer.stdout.strip().removeprefix("v"))
    return None


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if (compose := find_compose()) is None:
        pytest.skip("needs Docker Compose: Docker's plugin, or apt-get install docker-compose")
    return compose.config(tmp_path_factory.mktemp("compose"))


def test_docker_compose_itself_understands_the_file(parsed: dict[str, Any]) -> None:
    assert parsed["services"].keys() == SERVICES.keys()
    assert parsed["secrets"].keys() == COMPOSE["secrets"].keys()
    assert parsed["volumes"].keys() == COMPOSE["volumes"].keys()
    for name, service in SERVICES.items():
        understood = parsed["services"][name]
        for key in ("command", "environment", "healthcheck", "profiles"):
            assert understood.get(key) == service.get(key), (name, key)
        for key in ("depends_on", "deploy"):
            assert in_short(understood.get(key)) == in_short(service.get(key)), (name, key)


def in_short(part: Any) -> Any:
    """Without what version 2 fills in, and numbers for its words."""
    if isinstance(part, list):
        return [in_short(one) for one in part]
    if not isinstance(part, dict):
        return -1 if part == "all" else part
    filled_in = {"required": True, "placement": {}}
    return {k: in_short(v) for k, v in part.items() if filled_in.get(k) != v}


def test_what_version_2_fills_in_is_no_difference() -> None:
    devices = [{"capabilities": ["gpu"], "count": -1, "driver": "nvidia"}]
    filled_in = {"resources": {"reservations": {"devices": devices}}, "placement": {}}
    assert in_short(filled_in) == in_short(SERVICES["sweep-gpu"]["deploy"])
    waits = {"migrate": {"condition": "service_completed_successfully", "required": True}}
    assert in_short(waits) == SERVICES["sweep-gpu"]["depends_on"]
    devices[0]["count"] = 1
    assert in_short(filled_in) != in_short(SERVICES["sweep-gpu"]["deploy"])


#: Stand-ins for what may be installed.
PROGRAMS = {
    "old": ("docker-compose", '[ "$1" = version ] && echo 1.29.2'),
    "plugin": ("docker", '[ "$1 $2" = "compose version" ] && echo v2.32.4'),
    "engine": ("docker", "exit 1"),  # without the plugin
}


@pytest.mark.parametrize(
    ("installed", "found"),
    [
        ((), None),
        (("engine",), None),
        (("engine", "old"), Compose(("docker-compose",), "1.29.2")),
        (("plugin", "old"), Compose(("docker", "compose"), "2.32.4")),
    ],
)
def test_docker_compose_is_found_as_a_plugin_and_as_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: Sequence[str], found: Compose | None
) -> None:
    for which in installed:
        name, body = PROGRAMS[which]
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_compose() == found


def test_every_secret_is_made_by_one_command() -> None:
    assert {name: secret["file"] for name, secret in COMPOSE["secrets"].items()} == {
        "postgres_password": "./secrets/postgres_password",
        "dashboard_password": "./secrets/dashboard_password",
    }
    made = "secrets: secrets/postgres_password secrets/dashboard_password"
    assert made in (ROOT / "Makefile").read_text()
