"""The filter of the grid, the brushed charts and the addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.analysis.filters import Filter
from sweep.config import TrialConfig
from sweep.enums import Activation
from sweep.errors import UsageError
from tests.support.store_factories import trial_row, trial_table

TABLE = trial_table(
    trial_row(number=0, values=(0.3,), config=TrialConfig(hidden_width=32)),
    trial_row(number=1, values=(0.2,), config=TrialConfig(activation=Activation.TANH)),
    trial_row(number=2, state="RUNNING", outcome=None),
)


def select(text: str) -> list[int]:
    return list(Filter.parse(text).apply(TABLE).numbers)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", [0, 1, 2]),
        ("hidden_width:..32", [0]),
        ("hidden_width:33..", [1, 2]),
        ("value:0.1..0.25", [1]),
        ("activation:tanh", [1]),
        ("activation:tanh,relu", [0, 1, 2]),
        ("state:RUNNING", [2]),
        ("number:0,2", [0, 2]),
        ("state:COMPLETE;activation:relu", [0]),
        ("nesterov:False", [0, 1, 2]),
        ("activation:nothing", []),
    ],
)
def test_a_filter_lets_trials_through(text: str, numbers: list[int]) -> None:
    assert select(text) == numbers


def test_a_range_leaves_out_trials_without_the_value() -> None:
    assert select("value:..100") == [0, 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hidden_width", "is not a condition"),
        (":3..4", "is not a condition"),
        ("value:", "is not a condition"),
        ("value:a..b", "are numbers"),
        ("colour:red", "unknown column 'colour'"),
        ("activation:1..2", "has no range"),
        ("value:red", "holds numbers"),
    ],
)
def test_a_filter_that_cannot_be_is_told(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        select(text)


NAMES = st.sampled_from(["hidden_width", "value", "activation"])
ENDS = st.floats(allow_nan=False, allow_infinity=False)
LOW, HIGH = ENDS | st.just(-float("inf")), ENDS | st.just(float("inf"))


@given(
    ranges=st.dictionaries(NAMES, st.tuples(LOW, HIGH), max_size=3),
    choices=st.dictionaries(
        st.sampled_from(["loss", "worker"]), st.lists(st.text(min_size=1), min_size=1), max_size=2
    ),
)
def test_a_filter_is_the_same_after_a_round_trip(
    ranges: dict[str, tuple[float, float]], choices: dict[str, list[str]]
) -> None:
    made = Filter()
    for name, span in ranges.items():
        made = made.between(name, *span)
    for name, values in choices.items():
        made = made.among(name, tuple(values))
    again = Filter.parse(str(made))
    assert again == made


def test_a_moment_beyond_the_calendar_is_said_as_a_number() -> None:
    assert Filter.parse("started:1e20..").in_words() == {"started": "started ≥ 1.00·10²⁰"}


def test_conditions_can_be_changed_and_taken_away() -> None:
    made = Filter().between("value", high=0.5).among("loss", ("bce",))
    assert made.in_words() == {"value": "value ≤ 0.500", "loss": "loss bce"}
    assert str(made.without("value")) == "loss:bce"
    assert not made.without("value").among("loss", ())
