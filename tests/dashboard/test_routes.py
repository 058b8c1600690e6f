"""Pulse, pictures, health."""

import io
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from PIL import Image

from sweep.store import annotate, schema
from sweep.store.engine import Engine, writing


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
    with writing(engine) as connection:
        connection.execute(schema.sweep_studies.update().values(originals_png=b"junk"))
        pictures = {"reconstructions_png": b"junk", "errors_png": b"junk"}
        connection.execute(schema.sweep_reconstructions.update().values(pictures))
    answer = client.get(f"/api/picture/{kind}.png?study=small&trial=1&beside=2")
    assert (answer.status_code, answer.data) == (503, b"StoreError\n")
