"""Format cells that tables of trials share."""

from sweep.analysis.floors import ROUNDING, Floors
from sweep.analysis.verdict import floor_at
from sweep.catalogue import formats
from sweep.catalogue.metrics import METRICS
from sweep.findings.tables import Cell
from sweep.store.records import SeedResult, TrialRow


def text_cell(text: str) -> Cell:
    """Return a cell with a text as its value."""
    return Cell(text, text)


def number_cell(value: float | None) -> Cell:
    """Return a number with four significant digits."""
    return Cell() if value is None else Cell(formats.number(value, 4), value)


def share_cell(share: float | None) -> Cell:
    """Return a share in percent."""
    return Cell() if share is None else Cell(formats.percent(share, 1), share)


def trial_cell(number: int) -> Cell:
    """Return a trial's number with a link to it."""
    return Cell(str(number), number, trial=number)


def count_cell(n: int | None) -> Cell:
    """Return a count with its digits in groups of three."""
    return Cell() if n is None else Cell(f"{n:,}", n)


def metric_cell(row: TrialRow | SeedResult, name: str) -> Cell:
    """Return a metric for a column whose heading has the unit."""
    value = getattr(row, name)
    return Cell() if value is None else Cell(formats.cell(METRICS[name], value), value)


def quantity_cell(row: TrialRow, name: str) -> Cell:
    """Return a metric with its unit and its spread over seeds."""
    value, spread = getattr(row, name), getattr(row, f"{name}_std", None)
    return Cell() if value is None else Cell(formats.quantity(METRICS[name], value, spread), value)


def times_floor_cell(row: TrialRow, floors: Floors | None) -> Cell:
    """Return a trial's test error divided by PCA's error at its width."""
    floor = None if floors is None else floor_at(floors, row.hidden_width)
    if row.test_mse is None or floor is None:
        return Cell()
    if floor <= ROUNDING:  # all components: PCA copies exactly
        return Cell("floor is 0")
    return Cell(f"{formats.number(row.test_mse / floor, 2)}×", row.test_mse / floor)
