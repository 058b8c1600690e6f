"""Hostile values in every column of a database, and corrupt files of every kind."""

import contextlib
import gc
import gzip
import io
import json
import os
import random
import re
import sqlite3
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from safetensors.numpy import save
from sqlalchemy import literal_column, make_url, select

import sweep.trainer.weights
from benchmarks import fuzz
from benchmarks.abuse_outcome import Outcome, Task
from sweep.dashboard import Access, create_app
from sweep.datasets.idx import read_idx
from sweep.errors import SweepError
from sweep.figures import atlas, pictures
from sweep.store import annotate, commands, optuna_rows, schema
from sweep.store.artifacts import artifact_folder, read_artifact, remove_artifact
from sweep.store.engine import Engine, connect, write_transaction
from sweep.store.migrate import initialise
from tests.support.idx_files import idx_bytes
from tests.support.page_client import Answer, Dashboard, components_of
from tests.support.synthetic import add_study

#: Two studies: a corrupt value of the first must not affect the second.
BROKEN, WHOLE = "study", "whole"

# --- rows of the database -------------------------------------------------------------------------

DEEP = "[" * 50_000
#: Values of all of SQLite's types that are written into cells.
CELLS: tuple[Any, ...] = (
    *(0, -1, 1, 7, 2**63 - 1, -(2**63), 0.0, -1.5, 1e300, float("inf"), float("-inf"), 5e-324),
    *("", " ", "x", "study", "null", "true", "NaN", "[]", "{}", "[1]", '["x"]', "7", "1e999", DEEP),
    *('{"a": 1}', '{"hidden_width": 0}', '{"hidden_width": "x"}', '{"study": {"repeat": "x"}}'),
    *('{"study": {"objectives": [1]}}', '{"gpus": 7}', '{"resumed": [{}]}', '{"code": {}}'),
    *('{"name": "FloatDistribution", "attributes": {"low": 1, "high": 0}}', "relu", "gone", "new"),
    *("x" * 3_000_000, "\x1b]0;X\x07", "\u202e", "<script>alert(1)</script>", "=1+1", "../../x"),
    *("COMPLETE", "a/b", "2026-01-01 00:00:00.000000", "0001-01-01 00:00:00.000000"),
    *(b"", b"\xff\x00", b"x" * 1000, b"\x89PNG\r\n\x1a\n"),
)  # fmt: skip
#: JSON values that replace others, such as a component that no page may build.
LEAVES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 1e308, 10**30, "", "x", [], {}, [[]], {"a": 1}, ["x", 1]),
    {"namespace": "dash_html_components", "type": "Iframe", "props": {"id": "planted"}},
)
COMMANDS = (
    *("list", "list --json", "status study", "status study --json", "best study", "trials study"),
    *("trials study --json", "show study 0", "show study 7 --json", "limits study"),
    *("analyse study", "ties study", "explain study", "compare study 0 1", "export study"),
    *(
        "report study -o r.html",
        "export study --format json",
        "note study",
        "note study --trial 0 --json",
        "doctor study",
    ),
    *("verify study 0", "reconstruct study 0", "db copy sqlite:///study.db sqlite:///copy.db"),
    *("status whole", "resume study", "top study", "doctor"),
)
PAGES = ("/", *(f"/study/study{p}" for p in ("", "/why", "/trials", "/trials/7", "/workers")))


class Cell(NamedTuple):
    """A cell of the database and the value to write."""

    table: str
    column: str
    #: SQL condition that selects the rows.
    where: str
    value: Any


def rows(task: Task) -> Outcome:
    """Corrupt a cell, then run a command or load a page."""
    outcome = Outcome()
    template = task.folder / "template.db"
    _make_database(template).dispose()
    places = list(_places(template))
    with fuzz.surroundings():
        for number in task:
            # In a separate folder, since connections that commands leave open keep the file.
            with tempfile.TemporaryDirectory(dir=task.folder) as folder, contextlib.chdir(folder):
                Path("study.db").write_bytes(template.read_bytes())
                _try_cell(outcome, number, task.random(number), places)
            if number % 100 == 0:
                gc.collect()
    outcome.most_bytes = _peak_bytes()
    return outcome


def _try_cell(
    outcome: Outcome, number: int, dice: random.Random, places: list[tuple[str, str, list[str]]]
) -> None:
    cell = _break(dice, places)
    started = time.monotonic()
    if dice.random() < 0.25:
        answer, wrong = _load_page(dice)
    else:
        line = dice.choice(COMMANDS)
        answer, wrong = "command", fuzz.try_command_line(line.split())
        wrong = wrong and f"sweep {line}: {wrong}"
    seconds = time.monotonic() - started
    said = f"{cell.table}.{cell.column} {cell.where} = {cell.value!r:.200}"
    outcome.add(number, answer, seconds, wrong and f"{said}: {wrong}")


def _make_database(path: Path) -> Engine:
    """Fill every table of a new database."""
    engine = connect(make_url(f"sqlite:///{path}"))
    initialise(engine)
    study_id = add_study(engine, BROKEN, 12)
    add_study(engine, WHOLE, 1)
    annotate.note(engine, BROKEN, "a note")
    annotate.note(engine, BROKEN, "another", 7)
    annotate.tag(engine, BROKEN, "a tag", 7)
    annotate.put_floors(engine, "key", {"entropy": 0.1})
    commands.post(engine, BROKEN, commands.CommandKind.EXTEND, {"n_trials": 20})
    with write_transaction(engine) as connection:
        event = {"study_id": study_id, "at": 1.0, "kind": "ended", "number": 7, "message": "m"}
        connection.execute(schema.sweep_events.insert().values(worker="w0", **event))
        lease = {"study_id": study_id, "token": "t", "host": "h", "pid": 1, "process": {}}
        times = {"batch": 0, "taken_at": 1.0, "expires_at": 0.0, "held_seconds": 1.0}
        connection.execute(schema.sweep_leases.insert().values(**lease, **times))
        about = {"study_id": study_id, "key": "sweep_retrains"}
        kept = '{"study": "whole", "study_created_at": 1.0, "numbers": [0]}'
        table = schema.study_user_attributes
        connection.execute(table.insert().values(value_json=kept, **about))
    return engine


def _places(database: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Yield tables, columns, and the conditions for one row, or all, of the first study."""
    tables = [*optuna_rows.metadata.sorted_tables, *schema.sweep_metadata.sorted_tables]
    with closing(sqlite3.connect(database)) as connection:
        for table in {of.name: of for of in tables}.values():
            query = str(select(literal_column("rowid")).select_from(table))
            rowids = [row for (row,) in connection.execute(query)]
            wheres = [f"rowid = {row}" for row in rowids[:12]]
            wheres += [f"rowid <= {rowids[-1]}"] if rowids and "trial_id" in table.c else []
            if wheres and table.name not in ("alembic_version", "version_info"):
                for column in table.columns:
                    yield table.name, column.name, wheres


def _break(dice: random.Random, places: list[tuple[str, str, list[str]]]) -> Cell:
    with closing(sqlite3.connect("study.db")) as connection:
        while True:
            table, column, wheres = dice.choice(places)
            where = dice.choice(wheres)
            query = f"SELECT {column} FROM {table} WHERE {where}"
            before = connection.execute(query).fetchone()
            value = _replace_value(dice, before[0] if before else None)
            try:
                statement = f"UPDATE {table} SET {column} = ? WHERE {where}"
                connection.execute(statement, (value,))
                connection.commit()
            except (sqlite3.IntegrityError, OverflowError):
                connection.rollback()  # the column refuses such a value
                continue
            return Cell(table, column, where, value)


def _replace_value(dice: random.Random, value: Any) -> Any:
    """Return another value; in JSON, replace a leaf."""
    if isinstance(value, str) and value[:1] in "{[" and dice.random() < 0.6:
        tree: Any = None
        with contextlib.suppress(ValueError):  # a study file begins like JSON, too
            tree = json.loads(value)
        places = list(fuzz.places(tree or {}))
        if places:
            holder, key = dice.choice(places)
            if dice.random() < 0.15:
                del holder[key]
            else:
                holder[key] = dice.choice(LEAVES)
            return json.dumps(tree)
    return dice.choice(CELLS)


def _load_page(dice: random.Random) -> tuple[str, str | None]:
    """Load a page and run all its callbacks in this process."""
    heard: list[Answer] = []
    engine = connect(make_url("sqlite:///study.db"))
    client = create_app(engine, Access()).server.test_client(use_cookies=False)

    def send(method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        answer = client.open(target, method=method, data=body, headers=dict(headers))
        told = {name.lower(): value for name, value in answer.headers.items()}
        heard.append(Answer(answer.status_code, answer.get_data(), told))
        return heard[-1]

    page = dice.choice(PAGES)
    try:
        Dashboard(send).open(page, rounds=1)
    except Exception as error:
        return "page", f"{page}: {type(error).__name__}: {error}"
    finally:
        engine.dispose()
    for answer in heard:
        if answer.status >= 500 and answer.status != 503:
            return str(answer.status), f"{page}: status {answer.status}: {answer.body[:300]!r}"
        if b"this is a bug" in answer.body:
            return "page", f"{page}: {answer.body[-300:]!r}"
        if answer.headers.get("content-type", "").startswith("application/json") and answer.body:
            found = components_of(answer.json())
            if any(of["props"].get("id") == "planted" for of in found):
                return "page", f"{page}: a planted mapping became a component"
    return "page", None


# --- files ----------------------------------------------------------------------------------------


def files(task: Task) -> Outcome:
    """Corrupt a file; reading it must return a value or raise a SweepError."""
    outcome = Outcome()
    os.chdir(task.folder)
    kinds = list(FILES)
    for number in task:
        dice = task.random(number)
        kind = kinds[number % len(kinds)]
        started = time.monotonic()
        answer, wrong = "read", None
        try:
            FILES[kind](dice, task.folder / "file")
        except SweepError as error:
            answer = type(error).__name__
            if not 8 < len(str(error)) < 5000:
                wrong = f"{kind}: a message of {len(str(error))} characters"
        except Exception as error:
            answer, wrong = type(error).__name__, f"{kind}: {error!r:.500}"
        outcome.add(number, answer, time.monotonic() - started, wrong)
    outcome.most_bytes = _peak_bytes()
    if outcome.most_bytes > LARGEST_MEMORY_BYTES:
        outcome.wrong.append(f"{outcome.most_bytes / 1e6:.0f} MB of memory")
    return outcome


LARGEST_MEMORY_BYTES = 2_000_000_000
#: Dimensions for made-up IDX headers.
LENGTHS = (0, 1, 2, 3, 10, 28, 784, 60_000, 2**16, 2**31, 2**32 - 1)


def _corrupt(dice: random.Random, content: bytes) -> bytes:
    for _ in range(dice.choice((0, 1, 1, 2, 8))):
        at = dice.randrange(len(content) + 1)
        piece = dice.randbytes(dice.choice((1, 4, 100)))
        end = min(len(content), at + dice.choice((0, 1, 4, 100)))
        content = content[:at] + piece + content[end:]
    return content[: dice.randrange(len(content) + 1)] if dice.random() < 0.1 else content


def _idx(dice: random.Random) -> bytes:
    if dice.random() < 0.5:
        shape = tuple(dice.choice((1, 2, 5)) for _ in range(dice.choice((1, 3))))
        return _corrupt(dice, idx_bytes(np.zeros(shape, dtype=np.uint8)))
    n = dice.choice((0, 1, 1, 3, 3, 3, 4, 5, 255))
    header = struct.pack(">BBBB", 0, 0, dice.choice((8, 8, 8, 9, 13)), n)
    lengths = [dice.choice(LENGTHS) for _ in range(min(n, 5))]
    return (
        header + struct.pack(f">{len(lengths)}I", *lengths) + bytes(dice.choice((0, 1, 784, 5000)))
    )


def _read_idx(dice: random.Random, path: Path) -> None:
    path.write_bytes(_idx(dice))
    read_idx(path)


def _read_gzip(dice: random.Random, path: Path) -> None:
    content = _idx(dice)
    if dice.random() < 0.3:
        packer = zlib.compressobj(9, wbits=31)
        path.write_bytes(
            packer.compress(content) + packer.compress(bytes(1 << 22)) + packer.flush()
        )
    else:
        path.write_bytes(_corrupt(dice, gzip.compress(content, compresslevel=1)))
    read_idx(path)


def _read_weights(dice: random.Random, path: Path) -> None:
    shape = (dice.choice((0, 1, 3)), dice.choice((1, 4)))
    names = ("encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias")
    tensors = {name: np.zeros(shape, dtype=np.float32) for name in names[: dice.randrange(5)]}
    metadata = {"sweep": dice.choice(("", "{}", "[" * 2000, '{"format": "sweep autoencoder 1"}'))}
    sweep.trainer.weights.load_model(_corrupt(dice, save(tensors, metadata)))


def _read_picture(dice: random.Random, path: Path) -> None:
    size = dice.choice(((298, 28), (298, 28), (1, 1), (4000, 4000), (299, 28), (28, 298)))
    image = io.BytesIO()
    form = dice.choice(("PNG", "PNG", "PNG", "GIF", "BMP"))
    Image.new(dice.choice(("L", "L", "RGB", "1", "P")), size).save(image, form)
    content = _corrupt(dice, image.getvalue())
    pictures.cut_strip(content, "copy", [str(place) for place in range(10)])
    atlas.apart_png(content, content)


def _read_study_file(dice: random.Random, path: Path) -> None:
    wrong = fuzz.try_study_file(fuzz.study_file(dice, dice.choice(fuzz.LEVELS)))
    if wrong is not None:
        raise AssertionError(wrong)


def _read_artifact(dice: random.Random, path: Path) -> None:
    url = make_url(f"sqlite:///{path.with_name('a.db')}")
    folder = artifact_folder(url)
    folder.mkdir(exist_ok=True)
    name = dice.choice(
        ("w", "w", "..", "../file", "/etc/passwd", "a/b", "", "\0", "x" * 300, "-rf")
    )
    place = folder / "w"
    if place.is_dir() and not place.is_symlink():
        place.rmdir()
    place.unlink(missing_ok=True)
    match dice.randrange(5):
        case 0:
            os.mkfifo(place)
        case 1:
            place.symlink_to(dice.choice(("/dev/zero", "/etc/passwd", "nowhere", ".")))
        case 2:
            place.mkdir()
        case 3:
            place.write_bytes(dice.randbytes(100))
    before = path.exists()
    dice.choice((read_artifact, remove_artifact))(url, name)
    assert path.exists() == before


#: Functions that write a file of each kind and read it as sweep does.
FILES: Mapping[str, Callable[[random.Random, Path], None]] = {
    "idx": _read_idx,
    "gzip": _read_gzip,
    "weights": _read_weights,
    "picture": _read_picture,
    "study file": _read_study_file,
    "artifact": _read_artifact,
}


def _peak_bytes() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found[1]) if found else 0
