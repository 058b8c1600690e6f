"""Ray's driver, in a process of its own that passes on what a coordinator and its workers say.

When the head of a cluster is lost, or the Ray of the driver's own host, Ray ends its driver within
seconds, without a word to Python. A coordinator that were the driver could tell nobody why.

    coordinator ── RayLauncher ──pipes── driver ── Actor ── Ray ── Keeper ── LocalWorker
"""

import json
import signal
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict
from queue import SimpleQueue
from typing import BinaryIO

import ray

from sweep.codec import encode, own_pipes
from sweep.errors import SweepError
from sweep.launch.actors import Actor, Actors, Tell
from sweep.launch.cluster import capacity
from sweep.launch.frames import Frame, Verb
from sweep.messages import WorkerFailed


def main() -> None:
    """Read lines until the input ends: the coordinator is done, or gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the coordinator's to interpret
    lines, told = own_pipes()
    answers: SimpleQueue[Frame] = SimpleQueue()
    threading.Thread(target=_write, args=(answers, told), daemon=True).start()
    try:
        actors = Actors(answers.put, **json.loads(Frame.of(lines.readline()).body))
        # One for all processes of a service or a job, which Ray obeys since it has joined: the
        # coordinator ends its study first, then our input.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        answers.put(Frame(Verb.JOINED, body=json.dumps(asdict(capacity())).encode()))
    except SweepError as error:
        refusal = {"error": type(error).__name__, "message": str(error)}
        _write_one(Frame(Verb.REFUSED, body=json.dumps(refusal).encode()), told)
        return
    _obey(map(Frame.of, lines), actors.start, answers.put)
    ray.shutdown()


def _obey(frames: Iterable[Frame], start: Callable[[str, str], Actor], tell: Tell) -> None:
    actors: dict[str, Actor] = {}
    for verb, name, body in frames:
        match verb:
            case Verb.START:
                try:
                    actors[name] = start(name, body.decode())
                except SweepError as error:
                    failed = WorkerFailed(error=type(error).__name__, message=str(error))
                    tell(Frame(Verb.EVENT, name, encode(failed)))
                    tell(Frame(Verb.GONE, name, b"it could not be started"))
            case Verb.ORDER if name in actors:
                actors[name].send(body)
            case Verb.KILL if name in actors:
                actors[name].kill()


def _write(answers: SimpleQueue[Frame], told: BinaryIO) -> None:
    while True:
        _write_one(answers.get(), told)


def _write_one(frame: Frame, told: BinaryIO) -> None:
    told.write(frame.line())
    told.flush()


if __name__ == "__main__":
    main()
