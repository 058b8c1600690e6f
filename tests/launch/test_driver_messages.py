"""Lines between a coordinator and its Ray driver."""

import pytest

from sweep.codec import decode, encode
from sweep.enums import StopReason
from sweep.launch.ray import ALL_WORKERS, DriverMessage, MessageType
from sweep.messages import Stop


@pytest.mark.parametrize("body", [b"", b"cpu", b'{"gpus": 2, "why": "a b\\nc"}'])
def test_a_line_comes_back_as_it_was(body: bytes) -> None:
    message = DriverMessage(MessageType.GONE, "w12", body)
    assert DriverMessage.parse(message.line) == message
    join = DriverMessage(MessageType.JOIN, body=body)
    assert DriverMessage.parse(join.line).worker == ALL_WORKERS


def test_an_order_goes_through_as_one_line() -> None:
    order = Stop(number=3, attempt=1, reason=StopReason.PRUNED, last_epoch=4)
    line = DriverMessage(MessageType.ORDER, "w0", encode(order)).line
    assert line.count(b"\n") == 1
    assert decode(DriverMessage.parse(line).body) == order


@pytest.mark.parametrize("line", [b"", b"\n", b"gone w0\n", b"hello w0 x\n"])
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        DriverMessage.parse(line)
