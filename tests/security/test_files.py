"""What is written to disk: whose it is, and that no name leads out of its folder."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import save
from sqlalchemy import make_url
from torch import zeros

from sweep.errors import StoreError
from sweep.files import file_name
from sweep.store.artifacts import artifact_folder, artifact_path, read_artifact
from sweep.store.engine import Engine, write_transaction
from sweep.store.migrate import open_store
from tests.support.cli_runner import Cli
from tests.support.store_factories import add_study, add_trial, sqlite_store

NAMES = ["../../x", "/etc/x", "..", ".", "", "a\0b", "x" * 500, "a/b", "a\\b", "-rf", "\n", "ä:*?"]


@pytest.fixture(params=[0o077, 0o022, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """The mode of every file and folder below, by a name without what is random in it."""
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode)
        for path in folder.rglob("*")
        if path.name != "x.toml"
    }


def test_everything_that_is_written_follows_the_umask(umask: int, cli: Cli, tmp_path: Path) -> None:
    assert cli("start", "x.toml", "--workers", "1").code == 0
    for line in ("report x", "export x -o x.csv", "export x --format json -o x.json"):
        assert cli(*line.split()).code == 0
    assert cli("schema", "-o", "schema.json").code == 0
    reader = open_store()
    with write_transaction(reader), reader.connect():  # while in use, SQLite keeps two files more
        found = modes(tmp_path)
    folders = {name for name in found if (tmp_path / name).is_dir()}
    assert folders == {"sweep.db.artifacts"}
    artifacts = {name for name in found if name.startswith("sweep.db.artifacts/")}
    others = {"sweep.db", "sweep.db-wal", "sweep.db-shm", "x.html", "x.csv", "x.json"}
    assert found.keys() - folders - artifacts == {*others, "schema.json"}
    assert artifacts
    assert {found[name] for name in folders} == {0o777 & ~umask}
    assert {name: found[name] for name in found.keys() - folders} == dict.fromkeys(
        found.keys() - folders, 0o666 & ~umask
    )


def test_a_file_that_was_kept_from_others_stays_so(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "schema.json").touch(mode=0o600)
    assert cli("schema", "-o", "schema.json").code == 0
    assert modes(tmp_path) == {"schema.json": 0o600}


@pytest.mark.parametrize("name", NAMES)
def test_a_studys_name_makes_a_file_in_this_folder(name: str) -> None:
    made = file_name(name)
    assert Path(f"{made}.html").name == f"{made}.html"
    assert made.isascii() and 0 < len(made) <= 200 and made[0] not in ".-"


@pytest.mark.parametrize("name", ["../../escaped", "/escaped", "a/b"])
def test_a_report_of_a_study_named_so_is_written_here(name: str, cli: Cli, tmp_path: Path) -> None:
    # A study of ours cannot be called so; in a database that others write to, it can.
    here = tmp_path / "deep" / "er"
    here.mkdir(parents=True)
    engine = sqlite_store(here)
    os.chdir(here)
    add_trial(engine, add_study(engine, name), 0, 0.5)
    answer = cli("report", name)
    assert answer.code == 0
    assert Path(answer.out.strip()).parent == here
    assert {path.name for path in tmp_path.iterdir()} == {"deep", "x.toml"}


@pytest.mark.parametrize("name", ["..", "../x", "/etc/passwd", "a\\b", "a\0b", ""])
def test_an_artifact_leads_out_of_its_folder_nowhere(name: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no file is touched"):
        artifact_path(make_url(f"sqlite:///{tmp_path}/x.db"), name)


def test_deleting_a_study_deletes_nothing_beside_its_artifacts(cli: Cli, tmp_path: Path) -> None:
    engine = sqlite_store(tmp_path)
    mine = tmp_path / "mine"
    mine.write_text("precious")
    study_id = add_study(engine)
    add_trial(engine, study_id, 0, 0.5, artifact_id="../mine")
    add_trial(engine, study_id, 1, 0.5, artifact_id="kept")
    kept = artifact_folder(engine.url) / "kept"
    kept.parent.mkdir()
    kept.touch()
    answer = cli("delete", "study", "--yes")
    assert answer.code == 0 and "not deleted" in answer.err
    assert mine.read_text() == "precious"
    assert not kept.exists()


def with_weights(tmp_path: Path, content: bytes) -> Engine:
    engine = sqlite_store(tmp_path)
    add_trial(engine, add_study(engine), 0, 0.5, artifact_id="w")
    artifact_folder(engine.url).mkdir()
    (artifact_folder(engine.url) / "w").write_bytes(content)
    return engine


#: What torch.load would run: touches the file ``run`` in the present folder.
PICKLE = b"cposix\nsystem\n(S'touch run'\ntR."


@pytest.mark.parametrize(
    "content",
    [
        PICKLE,
        b"\xff" * 8 + b"{}",
        save({"encoder.weight": zeros(2)}, metadata={"sweep": "[" * 100_000}),
        save({"encoder.weight": zeros(2)}, metadata={"sweep": '{"format":"sweep autoencoder 1"}'}),
    ],
    ids=["pickle", "endless header", "endless nesting", "half of it"],
)
def test_a_weights_file_that_somebody_replaced_is_refused(
    content: bytes, cli: Cli, tmp_path: Path
) -> None:
    engine = with_weights(tmp_path, content)
    assert read_artifact(engine.url, "w") == content
    answer = cli("reconstruct", "study", "0")
    assert answer.code == 9
    assert "not the weights of a trial" in answer.err
    assert not (tmp_path / "run").exists()


def test_deleting_goes_on_past_an_id_that_is_a_folder(cli: Cli, tmp_path: Path) -> None:
    engine = sqlite_store(tmp_path)
    study_id = add_study(engine)
    folder = artifact_folder(engine.url)
    (folder / "unreferenced").mkdir(parents=True)
    (folder / "kept").touch()
    add_trial(engine, study_id, 0, 0.5, artifact_id="unreferenced")
    add_trial(engine, study_id, 1, 0.5, artifact_id="kept")
    answer = cli("delete", "study", "--yes")
    assert answer.code == 0 and "not deleted" in answer.err and "1 file of weights" in answer.err
    assert (folder / "unreferenced").is_dir() and not (folder / "kept").exists()
    assert cli("status", "study").code == 3


@pytest.mark.parametrize("artifact_id", ["../sweep.db", "unreferenced", "link", "pipe"])
def test_doctor_finds_an_id_that_is_no_file_of_the_folder(
    artifact_id: str, cli: Cli, tmp_path: Path
) -> None:
    engine = sqlite_store(tmp_path)
    add_trial(engine, add_study(engine), 0, artifact_id=artifact_id, state="WAITING")
    folder = artifact_folder(engine.url)
    (folder / "unreferenced").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path / "sweep.db")
    os.mkfifo(folder / "pipe")
    answer = cli("doctor", "study", "--json")
    assert answer.code == 12
    assert "weights" in {finding["check"] for finding in answer.json}


@pytest.mark.parametrize("make", ["pipe", "link", "folder", "zeros"])
def test_what_is_no_file_of_weights_is_not_read(make: str, cli: Cli, tmp_path: Path) -> None:
    engine = with_weights(tmp_path, b"")
    path = artifact_folder(engine.url) / "w"
    path.unlink()
    match make:
        case "pipe":
            os.mkfifo(path)
        case "link":
            path.symlink_to(tmp_path / "sweep.db")
        case "folder":
            path.mkdir()
        case "zeros":
            path.symlink_to("/dev/zero")
    answer = cli("reconstruct", "study", "0")
    assert answer.code in (3, 9) and "sweep.db.artifacts/w: " in answer.err
    assert "Traceback" not in answer.err and len(answer.err.splitlines()) == 1
