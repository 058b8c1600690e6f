"""Run random study files and command lines; check that each is answered by one clear message.

   pip install -c constraints.txt -e '.[bench]'
   python -m benchmarks.fuzz --inputs 10000 --seed 0

Half of the inputs are shipped study files with bytes, tokens or values changed, or (every eighth
input) a user's images that are damaged or are no images. The other half are command lines of any
command, run in this process on a small study. A wrong answer is a traceback, an exit code that is
not documented (1 is "a bug"), or an error without exactly one message. Nothing is trained or
downloaded, and files are written to a temporary folder only. Input n of a seed is always the same:
``--only n`` runs it alone and prints the result.

   python -m benchmarks.fuzz --sequences 200

runs a coordinator through random sequences of reports, endings, deaths, late results, commands,
kills, takeovers and database failures, and compares it with a model (event_sequences.py in the
tests). The test suite runs ten of them.
"""

import argparse
import contextlib
import gc
import io
import os
import random
import re
import shutil
import sys
import tempfile
import time
import tomllib
import traceback
import webbrowser
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from unittest.mock import patch

import numpy as np
import tomlkit
from PIL import Image
from typer.main import get_command

from docs.generate_cli import commands
from sweep.catalogue.settings import SETTINGS
from sweep.cli.application import EXIT_CODES, app
from sweep.cli.entry import run
from sweep.coordinator.plan import plan
from sweep.enums import Activation, Loss, Optimizer, Pruner, Sampler
from sweep.errors import DataError, StudyFileError, SweepError
from sweep.launch.resources import RunOptions
from sweep.search.samplers import quiet_optuna
from sweep.store.migrate import open_store
from sweep.studyfile import StudyFile, load, loads, to_toml
from tests.support.idx_files import write_idx
from tests.support.synthetic import add_study

SHIPPED = sorted((Path(__file__).parents[1] / "studies").glob("*.toml"))
LEVELS = ("byte", "token", "value")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Answer to one input."""

    #: Kind of the input in a word or two; the summary counts by kind.
    kind: str
    #: The input, and what is wrong with the answer, or None.
    given: str
    wrong: str | None
    seconds: float


# --- study files ----------------------------------------------------------------------------


def study_file(dice: random.Random, level: str) -> bytes:
    """Return a shipped study file with changes in a few places."""
    text = dice.choice(SHIPPED).read_text(encoding="utf-8")
    n_changes = dice.choice((1, 1, 1, 2, 3, 8))
    match level:
        case "byte":
            return _changed_bytes(dice, text.encode(), n_changes)
        case "token":
            return _changed_tokens(dice, text, n_changes).encode(errors="surrogatepass")
    return _changed_values(dice, text, n_changes).encode(errors="surrogatepass")


def _changed_bytes(dice: random.Random, content: bytes, n_changes: int) -> bytes:
    changed = bytearray(content)
    for _ in range(n_changes):
        at = dice.randrange(len(changed) + 1)
        end = min(len(changed), at + dice.choice((1, 1, 1, 7, 100)))
        piece = bytes(dice.randrange(256) for _ in range(dice.choice((1, 1, 4))))
        match dice.randrange(5):
            case 0:
                changed[at:at] = piece
            case 1:
                del changed[at:end]
            case 2:
                changed[at:end] = piece
            case 3:
                changed[at:at] = changed[at:end] * dice.choice((1, 2, 50))
            case 4:
                del changed[at:]
        if not changed:
            return bytes(changed)
    return bytes(changed)


_TOKEN = re.compile(r"\w+|\"[^\"\n]*\"|[^\S\n]+|#[^\n]*|.", re.DOTALL)
_MARKS = ["[", "]", "[[", "]]", "{", "}", "=", ",", ".", '"', "'", '"""', "\n", "#", "\\", "\\u"]
_WORDS = [
    *("true", "false", "inf", "-inf", "nan", "0", "-1", "1e400", "0x1F", "1_000", "9" * 30, ".5"),
    *("9" * 5000, '"\\u0000"', '"\\uD800"', "1979-05-27", "07:32:00", '""', "[]", "{}", "when"),
    *("low", "high", "log", "step", "choices", "enqueue", "space", "\ufeff", "\0", "é", "🙂"),
    *SETTINGS,
    *(f'"{name}"' for names in (Activation, Loss, Optimizer, Sampler, Pruner) for name in names),
]


def _changed_tokens(dice: random.Random, text: str, n_changes: int) -> str:
    tokens = _TOKEN.findall(text)
    for _ in range(n_changes):
        at, other = dice.randrange(len(tokens)), dice.randrange(len(tokens))
        match dice.randrange(6):
            case 0:
                tokens[at] = dice.choice(_WORDS)
            case 1:
                tokens.insert(at, dice.choice((*_MARKS, *_WORDS)))
            case 2:
                tokens[at] = ""
            case 3:
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 4:
                tokens[at] = tokens[other]
            case 5:
                first, last = sorted((at, other))
                tokens[first:first] = tokens[first : min(last, first + 40)]
    return "".join(tokens)


_VALUES: list[Any] = [
    *(0, 1, -1, 2, 3.5, 2**31, 2**63 - 1, 2**70, -(2**63), 10**400, 1e308, -0.0, 5e-324),
    *(float("inf"), float("nan"), True, False, "", " ", "x", "x" * 5000, "\0", "\n", "../../x"),
    *("-rf", "<b>", "=1+1", "é🙂", [], [[]], [1, "a"], {}, {"": 1}, {"when": {}}),
    *({"low": 1}, {"low": 2, "high": 1}, {"low": 1, "high": 10**18}, {"choices": []}),
    *({"low": 1, "high": 2, "step": 0}, {"low": 1, "high": 2, "step": 1e-300}),
    *({"low": 1, "high": 1000000, "step": 1}, {"low": 0, "high": 1, "log": True}),
    *(
        {"low": 1e-300, "high": 1e300, "log": True},
        {"choices": [1, 1]},
        {"choices": [None.__doc__]},
    ),
    *({"choices": list(range(3000))}, {"choices": ["relu", "relu"]}, {"choices": [True, 1, 1.0]}),
    *({"low": 8, "high": 64, "log": True}, {"choices": ["adam", "sgd"], "when": {"adam": {}}}),
    *({"choices": ["adam"], "when": {"sgd": {"momentum": 0.5}}}, {"low": "a", "high": "b"}),
    datetime(2026, 1, 2, tzinfo=UTC),
    datetime(2026, 1, 2).date(),
    *Activation,
    *Sampler,
    *Pruner,
]


def _changed_values(dice: random.Random, text: str, n_changes: int) -> str:
    tree = tomllib.loads(text)
    for _ in range(n_changes):
        _change_one(dice, tree)
    try:
        return tomlkit.dumps(tree)
    except (ValueError, TypeError, tomlkit.exceptions.TOMLKitError):
        return repr(tree)  # not valid TOML, which is an input as good as any


def _change_one(dice: random.Random, tree: dict[str, Any]) -> None:
    holder, key = dice.choice(list(places(tree)) or [(tree, "space")])
    value = _copy(dice.choice(_VALUES))
    match dice.randrange(5):
        case 0 | 1:
            holder[key] = value
        case 2:
            del holder[key]
        case 3 if isinstance(holder, dict):
            holder[dice.choice((*SETTINGS, *_WORDS[:5], f"{key}x", "when"))] = holder.pop(key)
        case 4 if isinstance(holder, dict):
            name = dice.choice((*SETTINGS, "low", "high", "step", "log", "choices", "when"))
            holder[name] = value


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container with each of its keys, outermost first."""
    keys = tree.keys() if isinstance(tree, dict) else range(len(tree))
    for key in list(keys):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from places(tree[key])


def _copy(value: Any) -> Any:
    match value:
        case dict():
            return {k: _copy(v) for k, v in value.items()}
        case list():
            return [_copy(v) for v in value]
    return str(value) if isinstance(value, str) else value


def try_study_file(content: bytes, *, ask: bool = False) -> str | None:
    """Return what is wrong with how a file is read, or None; ``ask`` plans its study, too."""
    path = Path("fuzzed.toml")
    path.write_bytes(content)
    try:
        study = load(path)
    except StudyFileError as error:
        return _bad_problems(error)
    except BaseException:
        return traceback.format_exc()
    try:
        return _bad_study(study, ask)
    except BaseException:
        return traceback.format_exc()


def _bad_problems(error: StudyFileError) -> str | None:
    if not error.problems:
        return "rejected without a problem"
    if empty := [problem for problem in error.problems if len(problem.strip()) < 8]:
        return f"empty problems: {empty}"
    if long := [problem for problem in error.problems if len(problem) > 2000]:
        return f"a problem of {len(long[0])} characters: {long[0][:200]}…"
    return None


def _bad_study(study: StudyFile, ask: bool) -> str | None:
    if loads(to_toml(study), "again") != study:
        return "written and read again, it is another study"
    assert study.n_trials > 0
    if ask:
        with contextlib.suppress(SweepError):  # missing data, for example
            plan(study, RunOptions(gpus="cpu", cpu_workers=1), 2)
    return None


# --- images of one's own --------------------------------------------------------------------


def write_images(dice: random.Random, path: Path) -> Path:
    """Write defective images to a file or folder whose name begins with ``path``."""
    rng = np.random.default_rng(dice.randrange(2**32))
    arrays = {part: rng.integers(0, 256, (9, 4, 5), np.uint8) for part in ("train", "test")}
    kind = dice.choice(("npz", "npz", "npy", "npy", "pictures", "pictures", "idx", "idx", "bomb"))
    if dice.random() < 0.1:
        arrays["test"] = arrays["test"][:0]
    if dice.random() < 0.5:
        arrays["train"] = dice.choice(_NO_IMAGES)(arrays["train"])
    if dice.random() < 0.3:
        arrays["train_labels"] = np.arange(dice.choice((9, 9, 8, 0, 300)))
        arrays["test_labels"] = np.array(list("abcdefghi"))
    match kind:
        case "npz":
            path = path.with_suffix(".npz")
            np.savez_compressed(path, **arrays)
        case "npy":
            path.mkdir()
            for name, array in arrays.items():
                np.save(path / f"{name}.npy", array)
        case "pictures":
            _write_pictures(dice, path, rng)
        case "bomb":
            path = _write_bomb(dice, path)
        case "idx":
            path.mkdir()
            for name in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte"):
                write_idx(path / name, rng.integers(0, 256, (9, 4, 5), np.uint8))
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    if files and dice.random() < 0.6:
        file = dice.choice(files)
        file.write_bytes(_changed_bytes(dice, file.read_bytes(), dice.choice((1, 1, 3))))
    return path


def _write_pictures(dice: random.Random, path: Path, rng: np.random.Generator) -> None:
    mode, folders = dice.choice(("L", "RGB", "RGBA", "P", "1")), dice.choice(_FOLDERS)
    for n in range(dice.choice((1, 2, 9))):
        folder = path / dice.choice(folders)
        folder.mkdir(parents=True, exist_ok=True)
        height = 5 if dice.random() < 0.05 else 4
        image = Image.fromarray(rng.integers(0, 256, (height, 5, 3), np.uint8)).convert(mode)
        image.save(folder / f"{n}.png")
    if dice.random() < 0.1:
        (path / "link.png").symlink_to("/etc/hostname")
    if dice.random() < 0.1:
        (path / "0.jpg").write_bytes(b"\xff\xd8\xff no more")


def _write_bomb(dice: random.Random, path: Path) -> Path:
    """Write a small file that unpacks, or claims to unpack, to more than any memory has."""
    if dice.random() < 0.5:
        path = path.with_suffix(".npz")
        header = {"descr": "|u1", "fortran_order": False, "shape": (10**6, 100, 100)}
        member = io.BytesIO()
        np.lib.format.write_array_header_1_0(member, header)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("train.npy", member.getvalue() + bytes(10**6))
        return path
    content = io.BytesIO()
    Image.new("L", (4, 4)).save(content, "png")
    png = bytearray(content.getvalue())
    png[16:24] = (60_000).to_bytes(4) * 2  # width and height, in IHDR
    png[29:33] = zlib.crc32(bytes(png[12:29])).to_bytes(4)
    path.mkdir()
    (path / "0.png").write_bytes(png)
    return path


_FOLDERS = (("",), ("a", "b"), ("train/a", "test/a"), ("train", "val"), ("", "a"), ("train",))
_NO_IMAGES: list[Callable[[Any], Any]] = [
    lambda x: x / 255,
    lambda x: x / 300,
    lambda x: x.astype(np.float16),
    lambda x: np.where(x > 200, np.nan, 0.0),
    lambda x: x.astype(object),
    lambda x: x.astype(complex),
    lambda x: x.astype(np.int64) - 300,
    lambda x: x.astype("datetime64[s]"),
    lambda x: x.astype(str),
    lambda x: x[:1],
    lambda x: x[:0],
    lambda x: x[..., None, None, None],
    lambda x: x[0, 0],
    lambda x: x[0, 0, 0],
    lambda x: x[:, :3],
    lambda x: np.asfortranarray(x),
    lambda x: x > 100,
    lambda x: np.zeros((3, 0, 5), np.uint8),
]


def try_images(dice: random.Random) -> tuple[str, str | None]:
    """Return the kind of images, and what is wrong with the answer of `sweep data check`."""
    folder = Path(tempfile.mkdtemp(dir="."))
    path = write_images(dice, folder / "images")
    size = dice.choice(((), (), ("--size", "3,3")))
    wrong = try_command_line(["data", "check", f"./{path}", "-o", str(folder / "sheet.png"), *size])
    given = f"{path.name} {sorted(str(file.relative_to(folder)) for file in path.rglob('*'))}"
    left = [file.name for file in folder.iterdir() if file.name not in (path.name, "sheet.png")]
    shutil.rmtree(folder)
    return given, wrong or (f"files were left: {left}" if left else None)


# --- command lines --------------------------------------------------------------------------

_PATHS = ("x.toml", "question.toml", "study.db", "nowhere/x", "/nonexistent/x", "/dev/null", "/")
_STORAGES = (
    *("sqlite:///study.db", "sqlite:///missing.db", "sqlite:///x.toml", "sqlite://", "sqlite:///."),
    *("sqlite:///study.db?mode=ro", "postgresql://u:p@127.0.0.1:1/x", "postgresql://", "mysql://h"),
    *("postgresql://u@127.0.0.1:port/x", "postgresql+x://h/d", "memory", "", "://", "x" * 300),
    *("sqlite:///study.db?timeout=x", "sqlite:///study.db?uri=true", "postgresql://[::1/x"),
    *("sqlite:///study.db?check_same_thread=x", "sqlite:///study.db?x=y", "sqlite+x:///study.db"),
    *("postgresql://127.0.0.1:1/x?sslmode=odd", "postgresql://127.0.0.1:1/x?odd=1"),
    "postgresql://127.0.0.1:99999/x",
)
_NUMBERS = (
    "0",
    "1",
    "7",
    "-1",
    "00",
    "1e3",
    "99999999999",
    "9" * 400,
    "NaN",
    "٣",
    "1_0",
    "0.5",
    "",
)
_OTHERS = (
    *("study", "studi", "other", "hidden_width=64", "activation=gelu", "loss='bce'", "=", "a=b=c"),
    *(
        "hidden_width={low=1}",
        "hidden_width=",
        "hidden_width=1e999",
        "epochs=[1]",
        "seed=1979-05-27",
    ),
    *("budget.trials=5", "study.name='y'", "space.epochs=2", "space.epochs.low=1", "budget={}"),
    *("sampler.name=gp", "sampler.name=cmaes", "a.b.c.d=1", "study=1", "enqueue=[]", "..=1"),
    *("cpu", "all", "0,1", ",", "fused", "reference", "csv", "json", "value", "psnr", "fail"),
    *("fashion-mnist-mini", "mnist", "8,64,784", "8,,64", "a,b", "127.0.0.1", "::", "localhost"),
    *("--", "-", "-o", "-n", "--help", "--version", "-h", "\0", "\n", "🙂", "\udcff", "x" * 2000),
    *("[red]x[/red]", "%s", "{0}", "${HOME}", "$(x)", "'", '"', "\x1b[31m", "\\"),
)
_LITERAL = frozenset((*_PATHS, *_STORAGES, "budget={}"))

#: The words of every command and its parameters.
COMMANDS = [
    (context.command_path.split()[1:], command) for command, context in commands(get_command(app))
]


def command_line(dice: random.Random) -> list[str]:
    """Return words for `sweep`: mostly a command, with options that may not fit it."""
    if dice.random() < 0.1:
        return [_word(dice) for _ in range(dice.randrange(6))]
    path, command = dice.choice(COMMANDS)
    line = list(path)
    for param in command.params:
        is_argument = param.param_type_name == "argument"
        if dice.random() < (0.92 if is_argument else 0.25):
            line += _draw_arguments(dice, param, is_argument)
    if dice.random() < 0.2:
        line.insert(dice.randrange(len(line) + 1), _word(dice))
    if dice.random() < 0.05:
        dice.shuffle(line)
    return line


def _draw_arguments(dice: random.Random, param: Any, is_argument: bool) -> list[str]:
    if is_argument:
        n = dice.choice((1, 2, 3)) if param.nargs == -1 else 1
        return [_value(dice, param) for _ in range(n)]
    option = dice.choice([*param.opts, *param.secondary_opts])
    if getattr(param, "is_flag", False) or dice.random() < 0.02:
        return [option]
    if option.startswith("--") and dice.random() < 0.3:
        return [f"{option}={_value(dice, param)}"]
    return [option, _value(dice, param)]


def _value(dice: random.Random, param: Any) -> str:
    if dice.random() < 0.2:
        return _word(dice)
    pools: dict[str, Sequence[str]] = {
        "storage": _STORAGES,
        "name": ("study", "study", "study", "fashion-mnist-mini", "other", ""),
        "file": _PATHS,
        "output": ("out.csv", "out.html", *_PATHS),
        "source": _PATHS,
        "path": ("fashion-mnist-mini", *_PATHS),
        "overrides": tuple(word for word in _OTHERS if "=" in word),
        "settings": tuple(word for word in _OTHERS if "=" in word),
        "dataset": ("fashion-mnist-mini", "mnist", "./nowhere", "study"),
    }
    if param.name in pools:
        return dice.choice(pools[param.name])
    kind = param.bare_type()
    if isinstance(kind, type) and issubclass(kind, Enum):
        return dice.choice([*(str(choice.value) for choice in kind), "other"])
    return dice.choice(_NUMBERS if kind in (int, float, list[int]) else _OTHERS)


def _word(dice: random.Random) -> str:
    names = [word for path, _ in COMMANDS for word in path]
    word = dice.choice(dice.choice((_NUMBERS, _OTHERS, _PATHS, _STORAGES, names)))
    if dice.random() < 0.3:
        word = _misspell(dice, word)
    return word


def _misspell(dice: random.Random, word: str) -> str:
    """Insert, drop or replace a letter; paths stay inside the known folders."""
    at = dice.randrange(len(word) + 1)
    letter = chr(dice.choice((dice.randrange(1, 128), dice.randrange(1, 0x3000), 0x1F642)))
    before, after = word[:at], word[at + 1 :]
    changed = dice.choice((before + letter + word[at:], before + after, before + letter + after))
    leads_away = "/" in changed or ".." in changed or changed.startswith("~")
    return word if leads_away and changed not in _LITERAL else changed


def try_command_line(line: Sequence[str]) -> str | None:
    """Return what is wrong with a command's answer, or None."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    nobody = io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        patch.object(sys, "stdin", nobody),
    ):
        try:
            code: object = run(line)
        except BaseException:
            return traceback.format_exc()
    said = []
    for stream in (out, err):
        stream.flush()
        said.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
    return _bad_answer(line, code, *said)


def _bad_answer(line: Sequence[str], code: object, out: str, err: str) -> str | None:
    if code not in EXIT_CODES or code == 1:
        return f"exit code {code}: {err[-1500:]}"
    if "Traceback (most recent" in out + err:
        return err[-3000:]
    messages = [said for said in err.splitlines() if said.startswith("sweep: ")]
    if code in (0, 130) or "doctor" in line:  # doctor prints its errors in its table
        return None
    if len(messages) != 1 and not out.startswith(" Usage:") and "Usage: sweep" not in out:
        return f"exit code {code} with {len(messages)} messages: {err[-500:]!r}"
    return None


class _Idle:
    """A worker that never sends a message."""

    def __init__(self, name: str, device: str) -> None:
        self.name, self.device, self.host, self.pid = name, device, "here", 1

    def send(self, order: object) -> None:
        """Ignore the order."""

    def kill(self) -> None:
        """Do nothing: there is no process."""

    def wait(self, timeout_seconds: float) -> bool:
        return True


class _IdleLauncher:
    def __init__(self) -> None:
        self.inbox: SimpleQueue[Any] = SimpleQueue()

    def start(self, name: str, device: str) -> _Idle:
        return _Idle(name, device)

    def start_analysis(self, name: str) -> _Idle:
        return _Idle(name, "cpu")


def _no_network(*args: object) -> Path:
    raise DataError("there is no network here.")


def _nobody_waits(seconds: float) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def surroundings() -> Iterator[Callable[[], None]]:
    """Enter a temporary folder in which nothing trains, downloads or waits; yield its clean-up."""
    with contextlib.ExitStack() as stack:
        original = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engine = open_store(f"sqlite:///{original / 'study.db'}", create=True)
        add_study(engine, "study", 12)
        engine.dispose()
        shutil.copy(SHIPPED[0].with_name("quickstart.toml"), original / "x.toml")
        shutil.copy(SHIPPED[0].with_name("question.toml"), original / "question.toml")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SWEEP_")}
        environment |= {"SWEEP_DATA": str(original / "no-data"), "HOME": str(folder)}
        environment["SWEEP_STORAGE"] = "sqlite:///study.db"
        stack.enter_context(patch.dict(os.environ, environment, clear=True))
        stack.enter_context(contextlib.chdir(folder))
        for target, instead in {
            "sweep.launch.resources.local_launcher": lambda ahead: _IdleLauncher(),
            "sweep.launch.resources.start_processes": lambda devices, **_: [],
            "sweep.coordinator.dispatch.Dispatcher.is_idle": property(lambda self: True),
            "sweep.coordinator.analysis.AnalysisJob._due": lambda self: [],
            "sweep.coordinator.loop.TICK_SECONDS": 0.0,
            "sweep.datasets.library.download": _no_network,
            "sweep.dashboard.serve": lambda app, access, ready: ready("http://x"),
            "sweep.cli.doctor._ask_torch": lambda: "torch",
            "sweep.cli.status.time": type("time", (), {"sleep": _nobody_waits}),
            "sweep.cli.control.PATIENCE_SECONDS": 0.0,
        }.items():
            stack.enter_context(patch(target, instead))
        stack.enter_context(patch.object(webbrowser, "open", lambda url: False))
        quiet_optuna()

        def tidy() -> None:
            for path in folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            shutil.copytree(original, folder, dirs_exist_ok=True)

        tidy()
        yield tidy


# --- all of it ------------------------------------------------------------------------------


def try_one(seed: int, n: int) -> Outcome:
    """Try input n of a seed."""
    dice = random.Random(f"{seed} {n}")
    started = time.perf_counter()
    if n % 2:
        line = command_line(dice)
        wrong, given = try_command_line(line), repr(line)
        kind = "command line"
    elif n % 8 == 6:
        given, wrong = try_images(dice)
        kind = "images"
    else:
        level = LEVELS[n // 2 % len(LEVELS)]
        content = study_file(dice, level)
        wrong, given = try_study_file(content, ask=dice.random() < 0.3), repr(content)
        kind = f"study file, {level}"
    return Outcome(kind=kind, given=given, wrong=wrong, seconds=time.perf_counter() - started)


def outcomes(seed: int, numbers: Sequence[int]) -> Iterator[tuple[int, Outcome]]:
    """Try these inputs, each in a clean folder."""
    with surroundings() as tidy:
        for n in numbers:
            if n % 2:
                tidy()
            yield n, try_one(seed, n)
            if n % 100 == 0:
                gc.collect()  # engines that commands did not close keep files open


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="run and print only this input")
    parser.add_argument(
        "--sequences", type=int, help="run this number of sequences of events instead"
    )
    options = parser.parse_args()
    if options.sequences is not None:
        from tests.support import event_sequences  # loads torch

        event_sequences.run(options.sequences)
        print(f"{options.sequences:>7,}  sequences of 40 events, none of which loses anything")
        return
    numbers = range(options.inputs) if options.only is None else [options.only]
    tally: Counter[str] = Counter()
    slowest = (0.0, 0)
    wrong: list[int] = []
    for n, outcome in outcomes(options.seed, numbers):
        tally[outcome.kind] += 1
        slowest = max(slowest, (outcome.seconds, n))
        if options.only is not None:
            print(outcome.given)
        if outcome.wrong is not None:
            wrong.append(n)
            print(f"--- input {n}: {outcome.given[:1000]}\n{outcome.wrong}", flush=True)
    for kind, count in sorted(tally.items()):
        print(f"{count:>7,}  {kind}")
    print(f"{len(wrong):>7,}  wrong {wrong[:50]}")
    print(f"slowest: input {slowest[1]}, {slowest[0]:.1f} s")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
