"""Records survive the way between processes, whatever they hold."""

import math

import pytest

from sweep.codec import EVENTS, ORDERS, Codec
from sweep.config import TrialConfig
from sweep.enums import Trainer
from sweep.messages import (
    DatasetInfo,
    EpochDone,
    EpochMetrics,
    EpochsDone,
    ImageShape,
    Ready,
    Shutdown,
    Train,
    TrialDone,
    TrialSpec,
)


def test_a_spec_comes_back_equal_with_its_infinite_threshold() -> None:
    spec = TrialSpec(number=3, attempt=2, config=TrialConfig(hidden_width=8), seeds=(1, 2))
    assert ORDERS.decode(ORDERS.encode(Train(specs=(spec,)))) == Train(specs=(spec,))


def test_weights_come_back_equal() -> None:
    event = TrialDone(
        number=3,
        attempt=1,
        results=(),
        train_seconds=0.5,
        reconstructions_png=None,
        errors_png=None,
        weights=b"weights",
    )
    assert EVENTS.decode(EVENTS.encode(event)) == event


def test_floats_come_back_bit_for_bit() -> None:
    metrics = EpochMetrics(train_loss=0.1 + 0.2, val_mse=5e-324, val_bce=None, seconds=1 / 3)
    done = EpochDone(number=0, attempt=1, epoch=1, metrics=(metrics,))
    event = EpochsDone(epochs=(done,))
    assert EVENTS.decode(EVENTS.encode(event)) == event


def test_a_loss_that_is_no_number_is_told() -> None:
    metrics = EpochMetrics(train_loss=math.nan, val_mse=math.inf, val_bce=None, seconds=0.0)
    done = EpochDone(number=0, attempt=1, epoch=1, metrics=(metrics,))
    event = EpochsDone(epochs=(done,))
    back = EVENTS.decode(EVENTS.encode(event)).epochs[0].metrics[0]
    assert math.isnan(back.train_loss) and back.val_mse == math.inf


def test_bytes_and_newlines_stay_within_their_line() -> None:
    event = Ready(
        device="cpu",
        device_name="a\nb",
        torch_version="2",
        data=DatasetInfo(sha256="", shape=ImageShape(height=2, width=3), n_train=5, n_test=4),
        originals_png=b"\n\xff",
        trainer=Trainer.REFERENCE,
    )
    assert EVENTS.encode(event).count(b"\n") == 1
    assert EVENTS.decode(EVENTS.encode(event)) == event


@pytest.mark.parametrize("codec", [EVENTS, ORDERS])
@pytest.mark.parametrize(
    "line", [b"", b"Nonsense [{}]", b"Train [", b"EpochsDone [{}]", b"\xff [{}]"]
)
def test_a_line_cut_off_by_its_senders_death_is_refused(codec: Codec, line: bytes) -> None:
    with pytest.raises(ValueError):
        codec.decode(line)


def test_a_record_of_the_other_direction_is_refused() -> None:
    with pytest.raises(ValueError, match="no record of this direction: b'Shutdown"):
        EVENTS.decode(ORDERS.encode(Shutdown()))
