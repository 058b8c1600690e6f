"""The analysis process: weights files in, analyses out, and its end."""

import os
import signal
import sys
from pathlib import Path
from queue import SimpleQueue

import psutil
import pytest

from sweep.launch.launcher import Gone, Inbox
from sweep.launch.local import start_analysis
from sweep.messages import (
    AnalyseNetwork,
    Event,
    Heartbeat,
    NetworkAnalysed,
    Order,
    Shutdown,
    WorkerFailed,
)
from sweep.worker.analysis import NICENESS, analyse_networks
from tests.support.factories import make_images, write_dataset
from tests.support.trainer_factories import SHORT, analyse, make_data, make_setup, train


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "images", make_images())


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    content = train(SHORT, make_data()).result().weights
    assert content is not None
    path = tmp_path / "weights"
    path.write_bytes(content)
    return path


def order(number: int, path: Path) -> AnalyseNetwork:
    return AnalyseNetwork(number=number, weights=str(path), n_threads=1)


def answers(data: Path, *orders: Order) -> list[Event]:
    inbox: SimpleQueue[Order] = SimpleQueue()
    for one in (make_setup(dataset=str(data)), *orders, Shutdown()):
        inbox.put(one)
    events: list[Event] = []
    analyse_networks(inbox, events.append)
    return events


def test_a_network_is_analysed_on_the_data_of_its_study(data: Path, weights: Path) -> None:
    (answer,) = answers(data, order(3, weights))
    expected = analyse(weights.read_bytes(), make_data())
    assert answer == NetworkAnalysed(number=3, analysis=expected)
    assert expected.probe is not None and expected.decomposition is not None


def test_weights_that_cannot_be_analysed_cost_their_analysis_alone(
    data: Path, weights: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"no weights")
    orders = order(0, broken), order(1, tmp_path / "gone"), order(2, weights)
    failed, gone, done = answers(data, *orders)
    assert isinstance(failed, NetworkAnalysed) and "not the weights" in (failed.failure or "")
    assert isinstance(gone, NetworkAnalysed) and "No such file" in (gone.failure or "")
    assert isinstance(done, NetworkAnalysed) and done.analysis is not None


def hear(inbox: Inbox) -> "Event | Gone":
    while isinstance(event := inbox.get(timeout=60)[1], Heartbeat):
        pass
    return event


def test_the_process_gives_way_to_training_and_answers_until_it_is_killed(
    data: Path, weights: Path
) -> None:
    inbox: Inbox = SimpleQueue()
    process = start_analysis("analysis-0", inbox)
    process.send(make_setup(dataset=str(data)))
    process.send(order(0, weights))
    assert isinstance(hear(inbox), NetworkAnalysed)
    if sys.platform == "linux":
        expected = min(19, psutil.Process().nice() + NICENESS)
        assert psutil.Process(process.pid).nice() == expected
    os.kill(process.pid, signal.SIGKILL)
    assert hear(inbox) == Gone(reason="killed by signal 9")


def test_data_that_are_not_there_are_told(tmp_path: Path) -> None:
    inbox: Inbox = SimpleQueue()
    process = start_analysis("analysis-0", inbox)
    process.send(make_setup(dataset=str(tmp_path / "none")))
    failed = hear(inbox)
    assert isinstance(failed, WorkerFailed) and failed.error == "DataError"
    assert isinstance(hear(inbox), Gone)
