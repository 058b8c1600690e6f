"""benchmarks/abuse.py: what it counts as wrong, and that it finds nothing in a few inputs."""

import time
from pathlib import Path

import pytest

from benchmarks.abuse import KINDS, _fault
from benchmarks.abuse_outcome import SLOW_SECONDS, Outcome, Task


def answer(status: int, body: bytes, kind: str = "text/html") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n\r\n".encode() + body


PLANTED = b'{"a": [{"namespace": "x", "type": "y", "props": {"id": "planted"}}]}'


@pytest.mark.parametrize(
    ("received", "said"),
    [
        (answer(200, b"fine"), None),
        (answer(404, b"no"), None),
        (b"", None),
        (answer(500, b"oh"), "status 500"),
        (answer(503, b"StoreError"), "status 503"),
        (answer(200, b"Unexpected KeyError: this is a bug."), "a bug"),
        (answer(200, PLANTED, "application/json"), "planted mapping"),
        (answer(200, PLANTED, "text/plain"), None),
        (b"nonsense", "not HTTP"),
    ],
)
def test_what_is_wrong_with_an_answer_is_told(received: bytes, said: str | None) -> None:
    found = _fault(received)
    assert found is None if said is None else found is not None and said in found


def test_a_slow_answer_is_wrong() -> None:
    outcome = Outcome()
    outcome.add(7, "200", SLOW_SECONDS + 1)
    assert outcome.wrong == ["7: 200: took 6.0 s"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_inputs_of_each_kind_find_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # back at the end, where a benchmark's process would end
    run, _ = KINDS[kind]
    outcome = run(Task(range(60), 1, tmp_path, time.monotonic() + 120))
    assert (outcome.inputs, outcome.wrong) == (60, [])
