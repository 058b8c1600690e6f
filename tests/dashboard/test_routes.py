"""Pulse, pictures, health."""

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image
from safetensors.numpy import save

from sweep.analysis.study_reader import StudyReader
from sweep.config import TrialConfig
from sweep.dashboard.parts.model import model_url
from sweep.figures.registry import gather_figure
from sweep.messages import ImageShape
from sweep.models.header import FORMAT, METADATA_KEY
from sweep.store import annotate, schema
from sweep.store.artifacts import artifact_folder, write_artifact
from sweep.store.engine import Engine, write_transaction
from sweep.store.handle import open_study


def test_the_pulse_changes_when_something_was_written(client: FlaskClient, engine: Engine) -> None:
    def pulse() -> str:
        token = client.get("/api/revision?study=small").get_json()["revision"]
        return token + client.get("/api/revision").get_json()["revision"]

    before = pulse()
    assert pulse() == before
    annotate.note(engine, "small", "seen", 3)
    assert pulse() != before


def test_the_pulse_tells_of_a_study_that_is_gone(client: FlaskClient) -> None:
    answer = client.get("/api/revision?study=smal").get_json()
    assert "Did you mean 'small'?" in answer["problem"]


def test_the_pulse_and_health_tell_of_a_store_that_is_gone(
    client: FlaskClient, engine: Engine, tmp_path: Path
) -> None:
    assert client.get("/healthz").status_code == 200
    engine.dispose()
    (tmp_path / "sweep.db").unlink()
    (tmp_path / "sweep.db").mkdir()
    assert client.get("/healthz").status_code == 503
    assert "sweep.db" in client.get("/api/revision").get_json()["problem"]


@pytest.mark.parametrize("kind", ["originals", "reconstructions", "errors", "apart", "nearer"])
def test_pictures_are_sent_once(client: FlaskClient, kind: str) -> None:
    path = f"/api/picture/{kind}.png?study=small&trial=1&beside=2"
    answer = client.get(path)
    assert answer.mimetype == "image/png"
    assert answer.data.startswith(b"\x89PNG")
    again = client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_the_page_shows_between_the_pictures_of_a_strip(client: FlaskClient) -> None:
    strip = Image.open(io.BytesIO(client.get("/api/picture/originals.png?study=small").data))
    assert strip.mode == "LA"
    assert strip.getchannel("A").getextrema() == (0, 255)


@pytest.mark.parametrize(
    "path",
    [
        "originals.png?study=none",
        "reconstructions.png?study=small",
        "reconstructions.png?study=small&trial=999",
        "reconstructions.png?study=small&trial=x",
        "reconstructions.png?study=small&trial=9999999999999999999",
        "weights.png?study=small&trial=0",
        "nearer.png?study=small&trial=1",
        "nearer.png?study=small&trial=1&beside=999",
    ],
)
def test_a_picture_that_is_not_there_is_404(client: FlaskClient, path: str) -> None:
    assert client.get(f"/api/picture/{path}").status_code == 404


@pytest.mark.parametrize("kind", ["originals", "reconstructions", "errors", "apart", "nearer"])
def test_a_picture_that_is_none_is_told_and_no_error_of_the_server(
    client: FlaskClient, engine: Engine, kind: str
) -> None:
    with write_transaction(engine) as connection:
        connection.execute(schema.sweep_studies.update().values(originals_png=b"junk"))
        pictures = {"reconstructions_png": b"junk", "errors_png": b"junk"}
        connection.execute(schema.sweep_reconstructions.update().values(pictures))
    answer = client.get(f"/api/picture/{kind}.png?study=small&trial=1&beside=2")
    assert (answer.status_code, answer.data) == (503, b"StoreError\n")


@pytest.fixture
def weights(engine: Engine) -> bytes:
    """The weights of trial 1 of ``small``, of a network of 2 pixels and 1 unit."""
    config = asdict(TrialConfig(hidden_width=1))
    about = {"format": FORMAT, "config": config, "shape": asdict(ImageShape(height=1, width=2))}
    content = save(
        {"encoder.weight": np.zeros((1, 2), np.float32)},
        metadata={METADATA_KEY: json.dumps(about)},
    )
    artifact_id = write_artifact(artifact_folder(engine.url), "small", 1, content)
    with write_transaction(engine) as connection:
        connection.execute(
            schema.sweep_trials.update()
            .where(schema.sweep_trials.c.number == 1)
            .values(artifact_id=artifact_id)
        )
    return content


def test_the_data_of_a_chart_are_the_rows_of_its_figure(
    client: FlaskClient, engine: Engine
) -> None:
    address = "/api/figure/history.csv?study=small"
    rows = list(csv.DictReader(io.StringIO(client.get(address).text)))
    found = gather_figure(StudyReader(open_study(engine, "small")), "history")
    assert found is not None and client.get(address).text == found.csv()
    some = list(csv.DictReader(io.StringIO(client.get(f"{address}&where=number:..2").text)))
    assert 0 < len(some) < len(rows) and {row["trial"] for row in some} <= {"0", "1", "2"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("histry.csv?study=small", 400),
        ("slice.csv?study=small&setting=colour", 400),
        ("history.csv?study=small&where=colour:red", 400),
        ("history.csv?study=other", 404),
        ("ablation.csv?study=small", 404),
    ],
)
def test_data_that_are_not_there_are_no_error_of_the_server(
    client: FlaskClient, path: str, status: int
) -> None:
    assert client.get(f"/api/figure/{path}").status_code == status


def test_a_model_is_downloaded_under_a_name_that_a_person_knows(
    client: FlaskClient, weights: bytes
) -> None:
    answer = client.get(model_url("small", 1, "weights"))
    assert (answer.status_code, answer.data) == (200, weights)
    said = answer.headers["Content-Disposition"]
    assert said == 'attachment; filename="small-1.safetensors"'
    program = client.get(model_url("small", 1, "pytorch"))
    assert 'with_name("small-1.safetensors")' in program.text
    assert (
        "small-1-keras.py"
        in client.get(model_url("small", 1, "keras")).headers["Content-Disposition"]
    )


@pytest.mark.parametrize(
    "path", ["small/0/weights", "small/999/weights", "none/1/weights", "small/x/keras", "small/1/x"]
)
def test_a_model_that_is_not_there_is_404(client: FlaskClient, weights: bytes, path: str) -> None:
    assert client.get(f"/api/model/{path}").status_code == 404


def test_a_damaged_model_is_no_error_of_the_server(
    client: FlaskClient, engine: Engine, weights: bytes
) -> None:
    (file,) = artifact_folder(engine.url).iterdir()
    file.write_bytes(b"junk")
    answer = client.get(model_url("small", 1, "pytorch"))
    assert (answer.status_code, answer.data) == (503, b"DataError\n")
