"""Lines between a coordinator and its Ray driver."""

import pytest

from sweep.codec import decode, encode
from sweep.launch.frames import NOBODY, Frame, Verb
from sweep.messages import Leave


@pytest.mark.parametrize("body", [b"", b"cpu", b'{"gpus": 2, "why": "a b\\nc"}'])
def test_a_line_comes_back_as_it_was(body: bytes) -> None:
    frame = Frame(Verb.GONE, "w12", body)
    assert Frame.of(frame.line()) == frame
    assert Frame.of(Frame(Verb.JOIN, body=body).line()).worker == NOBODY


def test_a_line_of_wire_goes_through_as_one_line() -> None:
    order = Leave(number=3, attempt=1)
    line = Frame(Verb.ORDER, "w0", encode(order)).line()
    assert line.count(b"\n") == 1
    assert decode(Frame.of(line).body) == order


@pytest.mark.parametrize("line", [b"", b"\n", b"gone w0\n", b"hello w0 x\n"])
def test_what_is_no_line_of_these_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        Frame.of(line)
