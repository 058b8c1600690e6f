"""What is shown about trials side by side."""

from dataclasses import replace

from sweep.config import TrialConfig
from sweep.enums import Activation, Loss, Optimizer
from sweep.findings.comparison import ComparedRow, compare_metrics, compare_settings, headline
from sweep.store.records import TrialRow
from tests.support.store_factories import trial_row

ASKED = TrialConfig()
TANH = TrialConfig(activation=Activation.TANH)
ROWS = (
    trial_row(number=0, values=(0.3,), config=ASKED, psnr=5.2, train_seconds=1.0),
    trial_row(number=1, values=(0.1,), config=TANH, psnr=10.0, train_seconds=3.0),
    trial_row(number=2, values=(0.2,), config=TrialConfig(loss=Loss.L1), invalid=True),
    trial_row(number=3, state="RUNNING", outcome=None),
    *(trial_row(number=number, values=(0.1 * number,), config=TANH) for number in range(4, 14)),
)


def describe(*rows: TrialRow) -> str:
    return headline(["study"] * len(rows), rows, "val_mse")


def texts(row: ComparedRow) -> tuple[str, ...]:
    return tuple(cell.text for cell in row.cells)


def test_settings_that_differ_come_first_and_are_marked() -> None:
    first, second, *others = compare_settings([ROWS[2], ROWS[1]])
    assert {first.label, second.label} == {"Activation", "Loss"}
    assert texts(first) == ("relu", "tanh")  # in the order of the wish
    assert first.differs and not any(line.differs for line in others)


def test_a_setting_that_no_trial_uses_is_left_out() -> None:
    adam = trial_row(number=0, config=TrialConfig(momentum=0.9))
    sgd = trial_row(number=1, config=TrialConfig(momentum=0.9, optimizer=Optimizer.SGD))
    labels = [line.label for line in compare_settings([adam])]
    assert "Momentum" not in labels
    both = {line.label: line for line in compare_settings([adam, sgd])}
    assert texts(both["Momentum"]) == ("–", "0.9") and both["Momentum"].differs


def test_the_best_of_each_measurement_is_marked() -> None:
    lines = {line.label: line for line in compare_metrics(ROWS[:2])}
    assert lines["Validation error"].best == {1}
    assert lines["PSNR (dB)"].best == {1}  # the highest
    assert lines["Training (s)"].best == {0}
    assert lines["Training (s)"].beside == ["", "× 3.0"]


def test_a_small_difference_is_a_share_and_a_large_one_a_ratio() -> None:
    rows = [trial_row(number=n, values=(value,)) for n, value in enumerate((1, 1.004, 1.2, 3))]
    lines = {line.label: line for line in compare_metrics(rows)}
    assert lines["Validation error"].beside == ["", "< +1 %", "+20 %", "× 3.0"]


def test_an_invalid_trial_is_no_ones_best() -> None:
    lines = {line.label: line for line in compare_metrics([ROWS[0], ROWS[2], ROWS[12]])}
    assert lines["Validation error"].cells[1].text == "0.2000"
    assert lines["Validation error"].best == {0}


def test_one_trial_alone_is_not_the_best_of_anything() -> None:
    assert not any(line.best for line in compare_metrics([ROWS[0], ROWS[3]]))


def test_the_headline_says_by_how_much_and_why() -> None:
    assert describe(*ROWS[:2]) == (
        "Of these, trial 1 has the lowest validation error: 3.0 times lower than that of trial 0. "
        "The two differ in activation."
    )
    assert describe(*ROWS[2:4]) == ""


def test_trials_that_differ_in_nothing_differ_in_their_seeds() -> None:
    one, other = ROWS[1], replace(ROWS[5], seeds=(99,))
    assert describe(one, other).endswith(", with the same settings; only their seeds differ.")
    assert describe(one, replace(one, number=99)) == (
        "Of these, trial 1 and trial 99 have the same validation error, the lowest, with the same "
        "settings and seeds."
    )
    of_two_studies = headline(["one", "other"], [one, other], "val_mse")
    assert of_two_studies.endswith(", with the same settings and other seeds.")
