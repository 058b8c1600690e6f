import pytest

from sweep.figures import words
from sweep.trial import TrialConfig
from tests.store_factories import trial_row


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (0.0031234, "0.00312"),
        (0.5, "0.500"),
        (25.61, "25.6"),
        (784, "784"),
        (12345.6, "12,346"),
        (0.00001, "1.00·10⁻⁵"),
        (-0.25, "-0.250"),
        (2.5e9, "2.50·10⁹"),
        (float("inf"), "∞"),
        (float("nan"), "not a number"),
    ],
)
def test_a_number_is_written_the_way_people_write_it(value: float | None, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.84, "0.8 s"), (12.2, "12 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_a_span_of_time_is_in_the_units_of_its_size(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (0.004, "< 1 %"), (0.42, "42 %"), (1.0, "100 %")]
)
def test_a_small_share_is_not_called_nothing(share: float, text: str) -> None:
    assert words.percent(share) == text


def test_a_setting_is_in_words() -> None:
    assert words.setting("sgd.learning_rate") == "sgd learning rate"
    assert words.setting("adam.beta1") == "adam β₁"


def test_a_trial_has_a_short_name() -> None:
    config = TrialConfig(hidden_width=32, epochs=1)
    assert words.short_name(trial_row(number=0, config=config)) == "32 relu · bce · adam · 1 epoch"


def test_hover_text_names_the_trial_and_its_params_safely() -> None:
    row = trial_row(number=7, values=(0.01,), params={"<b>": "<script>"}, state="PRUNED")
    text = words.hover(row)
    assert "<b>Trial 7</b> (PRUNED)" in text
    assert "&lt;b&gt; &lt;script&gt;" in text
