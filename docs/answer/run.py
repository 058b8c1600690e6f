"""The studies that the answer rests on, run by the commands that anyone would type.

What was interrupted goes on where it was; what is finished is not run again.
"""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docs.answer.facts import CLOTHES, CORNERS, DENOISE, DEPTH, DIGITS, LONG, LONGEST
from sweep.analysis.study_floors import study_floors
from sweep.errors import SweepError
from sweep.launch.devices import n_cores, visible_gpus
from sweep.store.copy import copy_study, studies_to_copy
from sweep.store.handle import DatabaseHandle, open_study
from sweep.store.migrate import open_store

ROOT = Path(__file__).parents[2]
#: Where the studies run, with the weights that they keep.
STORAGE = f"sqlite:///{ROOT / 'demo' / 'answer.db'}"
#: What the pages are written from; in the repository, without the weights.
RESULTS = Path(__file__).with_name("results.db")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One study of the answer."""

    #: Its name in the database.
    name: str
    #: In ``studies/``.
    file: str
    settings: tuple[str, ...] = ()
    #: Changes beside those, where there is no GPU.
    reduced: tuple[str, ...] = ()
    #: Its data may be out of reach; the answer does without it then, and says so.
    optional: bool = False


PARTS = (
    Part(name=CORNERS, file="corners.toml"),
    Part(
        name=LONG,
        file="corners.toml",
        settings=("space.epochs=[5, 100]",),
        reduced=("study.repeat=1",),
    ),
    Part(
        name=LONGEST,
        file="corners.toml",
        settings=(
            "space.epochs=300",
            "space.activation=relu",
            "space.lr_schedule=constant",
        ),
        reduced=("study.repeat=1", "space.output_activation=sigmoid", "space.loss=bce"),
    ),
    Part(name="width", file="width.toml"),
    Part(name=CLOTHES, file="mnist-vs-fashion.toml"),
    Part(
        name=DIGITS,
        file="mnist-vs-fashion.toml",
        settings=("data.name=mnist",),
        optional=True,
    ),
    Part(name="features", file="features.toml"),
    Part(name=DEPTH, file="depth.toml"),
    Part(name=DENOISE, file="denoise.toml"),
)


#: Studies whose copies of test images a figure shows.
PICTURED = (CORNERS, LONG, LONGEST, DIGITS)


class StepFailedError(SweepError):
    """A command of the answer ended badly; it has said why."""


def run(storage: str) -> None:
    """Run every study, and compute the bound of linear codes with sigmoid outputs."""
    Path(storage.removeprefix("sqlite:///")).parent.mkdir(exist_ok=True)
    has_gpu = bool(visible_gpus())
    for part in PARTS:
        _start(part, storage, has_gpu=has_gpu)
    _sweep("diagnose", CORNERS, "--sigmoid-bound", storage=storage)


def _workers(*, has_gpu: bool) -> list[str]:
    """On a CPU a worker for each core: trials that share none get more done."""
    return [] if has_gpu else ["--workers", str(n_cores())]


def _start(part: Part, storage: str, *, has_gpu: bool) -> None:
    settings = part.settings if has_gpu else (*part.settings, *part.reduced)
    changes = [word for setting in settings for word in ("--set", setting)]
    file = str(ROOT / "studies" / part.file)
    try:
        begin = ("start", file, "--name", part.name, "--resume", *changes)
        _sweep(*begin, *_workers(has_gpu=has_gpu), storage=storage)
    except StepFailedError:
        if not part.optional:
            raise
        print(f"answer: goes on without {part.name}", file=sys.stderr)


def _sweep(*words: str, storage: str) -> None:
    command = [sys.executable, "-m", "sweep", *words, "--storage", storage]
    print("$ sweep", *words, file=sys.stderr)
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if code != 0:
        raise StepFailedError(f"`sweep {' '.join(words)}` ended with exit code {code}.")


def export(storage: str) -> None:
    """Copy the studies to ``RESULTS``: trials, curves, pictures and floors, but no weights."""
    source = open_store(storage)
    beside = RESULTS.with_name(f"{RESULTS.name}.artifacts")
    RESULTS.unlink(missing_ok=True)
    target = open_store(f"sqlite:///{RESULTS}", create=True)
    for name in studies_to_copy(
        source, target, [of.name for of in DatabaseHandle(source).studies()]
    ):
        study_floors(
            open_study(source, name)
        )  # kept in the store: the pages are written without the data
        copy_study(source, target, name)
    target.dispose()
    shutil.rmtree(beside, ignore_errors=True)
    _tidy(RESULTS)


def _tidy(path: Path) -> None:
    """Nothing of weights that are not there, of pictures that no figure shows, of the machine."""
    with closing(sqlite3.connect(path)) as connection, connection:
        trials = connection.execute(
            "SELECT trial_id, study_name FROM trials JOIN studies USING (study_id)"
        ).fetchall()
        connection.executemany(
            "DELETE FROM sweep_reconstructions WHERE trial_id = ?",
            [(trial_id,) for trial_id, study in trials if study not in PICTURED],
        )
        connection.execute("UPDATE sweep_trials SET artifact_id = NULL")
        connection.execute("DELETE FROM trial_system_attributes WHERE key LIKE 'artifacts:%'")
        connection.execute("DELETE FROM sweep_leases")
        connection.execute("UPDATE sweep_workers SET host = '', pid = 0")
        rows = connection.execute("SELECT study_id, provenance FROM sweep_studies").fetchall()
        for study_id, provenance in rows:
            connection.execute(
                "UPDATE sweep_studies SET provenance = ? WHERE study_id = ?",
                (json.dumps(_without_machine(json.loads(provenance))), study_id),
            )
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")  # one file, no log beside it
        connection.execute("VACUUM")


def _without_machine(record: Any) -> Any:
    """At any depth: a study that was resumed keeps the record of each of its runs."""
    if isinstance(record, list):
        return [_without_machine(of) for of in record]
    if not isinstance(record, dict):
        return record
    return {
        name: _without_machine(of)
        for name, of in record.items()
        if name not in ("platform", "git_commit")
    }
