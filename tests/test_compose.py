"""docker-compose.yml and the Dockerfile: what would hurt someone if it changed unseen."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url

ROOT = Path(__file__).parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
STUDIES = [name for name, service in SERVICES.items() if "start" in service.get("command", [])]


def test_a_cpu_study_starts_by_default_and_a_gpu_one_on_request() -> None:
    assert STUDIES == ["sweep", "sweep-gpu"]
    assert "profiles" not in SERVICES["sweep"]
    assert SERVICES["sweep-gpu"]["profiles"] == ["gpu"]


@pytest.mark.parametrize("name", ["dashboard", *STUDIES])
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


def test_the_image_runs_as_an_ordinary_user_with_pinned_packages() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "\nUSER sweep\n" in dockerfile
    assert "-c constraints.txt" in dockerfile


def test_the_dashboard_is_for_this_machine_and_asks_for_a_password() -> None:
    dashboard = SERVICES["dashboard"]
    assert dashboard["ports"] == ["127.0.0.1:8050:8050"]
    assert dashboard["secrets"] == ["postgres_password", "dashboard_password"]
    password_file = dashboard["environment"]["SWEEP_DASHBOARD_PASSWORD_FILE"]
    assert password_file == "/run/secrets/dashboard_password"
    assert "--allow-edit" not in dashboard["command"]
    assert "/healthz" in dashboard["healthcheck"]["test"][-1]


def test_every_secret_is_made_by_one_command() -> None:
    assert {name: secret["file"] for name, secret in COMPOSE["secrets"].items()} == {
        "postgres_password": "./secrets/postgres_password",
        "dashboard_password": "./secrets/dashboard_password",
    }
    made = "secrets: secrets/postgres_password secrets/dashboard_password"
    assert made in (ROOT / "Makefile").read_text()
