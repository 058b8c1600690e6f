"""What a webhook's receiver gets, and that nobody waits for one that does not answer."""

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sweep.coordinator import webhook
from sweep.coordinator.progress import Progress
from sweep.coordinator.webhook import Endpoint, Webhook, observe_with_webhook
from sweep.errors import FailureLimitError, StoreError, UsageError


class Receiver:
    """A server that notes what it is sent, and answers as told: 204 once the script is over."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.got: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def do_GET(self) -> None:
                receiver.got.append(({}, b"a redirect was followed"))

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/t0ken"

    def payloads(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receivers() -> Iterator[Any]:
    made: list[Receiver] = []

    def make(*answers: int) -> Receiver:
        made.append(Receiver(*answers))
        return made[-1]

    yield make
    for receiver in made:
        receiver.server.shutdown()
        receiver.server.server_close()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "RETRY_SECONDS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(webhook, "BEST_SECONDS", 0.0)


def state(best: float | None = None, number: int | None = None) -> Progress:
    return Progress(
        **dict.fromkeys(("n_complete", "n_pruned", "n_failed", "n_diverged", "n_running"), 1),
        name="x",
        phase="running",
        n_trials=9,
        best_value=best,
        best_number=number,
        trials_per_second=None,
        seconds_left=None,
        workers=(),
    )


def test_a_new_best_and_the_end_are_told(receivers: Any) -> None:
    receiver, said = receivers(), []
    with observe_with_webhook(Endpoint(url=receiver.url), "x", said.append) as observe:
        observe(state())
        observe(state(0.5, 3))
        observe(state(0.5, 3))
        observe.phase = "finished"
    new_best, end = receiver.payloads()
    assert new_best["type"] == "study.new_best"
    assert (new_best["data"]["best_value"], new_best["data"]["best_number"]) == (0.5, 3)
    assert (end["type"], end["data"]["phase"], end["data"]["study"]) == (
        *("study.finished", "finished"),
        "x",
    )
    assert said == []


def test_of_many_new_bests_in_a_row_the_latest_is_told(
    receivers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "BEST_SECONDS", 1e6)
    receiver = receivers()
    with observe_with_webhook(Endpoint(url=receiver.url), "x", pytest.fail) as observe:
        observe(state())
        for step in range(100):
            observe(state(1.0 - step / 100, step))
    *_, last, end = receiver.payloads()
    assert len(receiver.got) <= 3
    assert (last["data"]["best_number"], end["type"]) == (99, "study.finished")


def test_the_best_of_a_study_that_is_resumed_is_no_news_nor_one_that_grew(receivers: Any) -> None:
    receiver = receivers()
    with observe_with_webhook(Endpoint(url=receiver.url), "x", pytest.fail) as observe:
        observe(state(0.5, 3))
        observe(state(0.7, 1))  # trial 3 was marked invalid
    assert [payload["type"] for payload in receiver.payloads()] == ["study.finished"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [(FailureLimitError("too many"), "study.failure_limit"), (StoreError("gone"), "study.failed")],
)
def test_an_error_is_told_and_raised(receivers: Any, error: Exception, kind: str) -> None:
    receiver = receivers()
    with (
        pytest.raises(type(error)),
        observe_with_webhook(Endpoint(url=receiver.url), "x", pytest.fail),
    ):
        raise error
    (payload,) = receiver.payloads()
    assert (payload["type"], payload["data"]["message"]) == (kind, str(error))


@pytest.mark.parametrize(
    ("secret", "key"), [("any text", b"any text"), ("whsec_" + "a2V5", b"key")]
)
def test_a_delivery_is_signed_over_id_time_and_body(
    receivers: Any, secret: str, key: bytes
) -> None:
    receiver = receivers()
    with observe_with_webhook(Endpoint(url=receiver.url, secret=secret), "x", pytest.fail):
        pass
    ((headers, body),) = receiver.got
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_the_signature_is_the_one_of_the_standard() -> None:
    # The example of the specification's own reference libraries.
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    given = webhook.signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert given == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_temporary_answer_is_tried_again_under_the_same_id(receivers: Any) -> None:
    receiver = receivers(503, 429)
    with observe_with_webhook(Endpoint(url=receiver.url), "x", pytest.fail):
        pass
    assert len(receiver.got) == 3
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1


@pytest.mark.parametrize(("answers", "n_attempts"), [([400], 1), ([302], 1), ([500] * 9, 4)])
def test_what_cannot_be_delivered_is_told_without_its_token(
    receivers: Any, answers: list[int], n_attempts: int
) -> None:
    receiver, said = receivers(*answers), []
    with observe_with_webhook(Endpoint(url=receiver.url), "x", said.append):
        pass
    assert len(receiver.got) == n_attempts
    (line,) = said
    assert f"127.0.0.1: answered {answers[0]}" in line
    assert "t0ken" not in line


def test_nobody_waits_for_an_endpoint_that_accepts_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The race: the thread is in the middle of a request that never ends, and the loop ticks on.
    monkeypatch.setattr(webhook, "END_SECONDS", 0.2)
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        hook = Webhook(Endpoint(url=url), "x", said.append)
        hook.observe(state())
        for step in range(1000):
            hook.observe(state(1.0 - step / 1000, step))
        hook.close(webhook.DeliveryType.FINISHED, "finished", "")
    assert "did not answer in time" in said[0]


@pytest.mark.parametrize(
    "url",
    [
        # urllib takes the user for a host, and tells the rest as a port that is no number.
        "http://user:t0ken@127.0.0.1/x",
        "http://t0ken@127.0.0.1/x",
        "http://127.0.0.1:t0ken/x",
        # These it refuses with the whole path.
        "http://127.0.0.1:1/x t0ken",
        "http://127.0.0.1:1/x\nt0ken",
        "http://127.0.0.1:1/t0kenü",
    ],
)
def test_a_url_whose_parts_an_error_would_repeat_is_refused_before_it_is_used(url: str) -> None:
    with pytest.raises(UsageError, match="https://host/path") as refused:
        Endpoint(url=url)
    assert "t0ken" not in str(refused.value)


@pytest.mark.parametrize("url", ["ftp://host/", "host/path", "https://", "file:///etc/passwd"])
def test_a_url_that_is_not_http_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(UsageError, match="https://host/path"):
        Endpoint(url=url)
    assert "t0ken" not in repr(Endpoint(url="https://host/t0ken", secret="t0ken"))


def test_a_secret_that_is_no_base64_is_refused() -> None:
    with pytest.raises(UsageError, match="base64"):
        Endpoint(url="https://host/", secret="whsec_!")


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 100 Continue\r\n\r\n", b"X-Header: 1\r\n"], ids=["continue", "header"]
)
def test_an_endpoint_that_never_comes_to_an_end_is_given_up_in_time(
    line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A socket's timeout begins again with each byte, so such an attempt had no end.
    monkeypatch.setattr(webhook, "ATTEMPT_SECONDS", 0.5)
    monkeypatch.setattr(webhook, "RETRY_SECONDS", ())
    said: list[str] = []
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = server.accept()
        with suppress(OSError), connection:
            connection.recv(65536)
            if b"100" not in line:
                connection.sendall(b"HTTP/1.1 204 No Content\r\n")
            while True:
                connection.sendall(line)
                time.sleep(0.05)

    threading.Thread(target=answer, daemon=True).start()
    hook = Webhook(Endpoint(url=f"http://127.0.0.1:{server.getsockname()[1]}/"), "x", said.append)
    started = time.monotonic()
    hook.close("study.finished", "finished", "over")
    assert time.monotonic() - started < 3
    assert said == ["webhook: 127.0.0.1: no answer within 0.5 s. study.finished was not delivered."]
    server.close()
