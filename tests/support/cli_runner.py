"""Running a command in this process, as `main` would, and what it answered."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from sweep.cli.entry import run
from sweep.coordinator.loop import Coordinator


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its result, refusing the tokens that are no JSON."""
        return json.loads(self.out, parse_constant=_refuse)


def _refuse(token: str) -> None:
    raise AssertionError(f"{token} is no JSON")


#: A command's words, one an argument; its answer.
Cli = Callable[..., Answer]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: object) -> Answer:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Answer(code=code, out=out, err=err)

    return call


@contextmanager
def interrupted_at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Coordinators that begin meanwhile are interrupted before their first tick."""
    real = Coordinator.run

    def interrupted(self: Coordinator) -> str:
        self.interrupt()
        return real(self)

    with monkeypatch.context() as patch:
        patch.setattr(Coordinator, "run", interrupted)
        yield
