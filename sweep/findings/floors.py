"""Tabulate the lower bounds of errors on a data set."""

from collections.abc import Sequence
from typing import Any

from sweep.analysis.floors import Floors
from sweep.findings.tables import Cell, FindingTable, TableColumn

_ERRORS = ("test_mse", "val_mse", "train_mse")
_CLIPPED = tuple(f"clipped_{name}" for name in _ERRORS)
_COLUMNS = (
    TableColumn("hidden_width", "width", is_number=True),
    *(TableColumn(name, name, is_number=True) for name in _ERRORS),
    *(TableColumn(name, name.replace("_", " ", 1), is_number=True) for name in _CLIPPED),
)


def pca_table(floors: Floors, widths: Sequence[int]) -> FindingTable:
    """Tabulate PCA's errors at these widths; width 0 is the mean image, never clipped."""
    clipped = floors.clipped
    errors = zip(clipped.test_mse, clipped.val_mse, clipped.train_mse, strict=True)
    cut = dict(zip(clipped.widths, errors, strict=True))
    rows = []
    for width in widths:
        whole = tuple(of[width] for of in _curves(floors))
        cells = (Cell(f"{error:.6f}", error) for error in (*whole, *cut.get(width, whole)))
        rows.append([Cell(str(width), width), *cells])
    title = "PCA error; clipped: its copies clipped to [0, 1]"
    return FindingTable(title=title, columns=_COLUMNS, rows=rows)


def _curves(floors: Floors) -> tuple[Sequence[float], ...]:
    return floors.test_pca_mse, floors.val_pca_mse, floors.train_pca_mse


def bounds_in_words(floors: Floors) -> dict[str, str]:
    """Say what bounds errors at every width, by its name."""
    return {
        "entropy of the pixels": f"{floors.test_entropy:.5f} nats on test, "
        f"{floors.val_entropy:.5f} on validation, {floors.train_entropy:.5f} on training images: "
        "the floor of bce",
        "error of the mean image": f"{floors.test_mean_mse:.6f} on test, "
        f"{floors.val_mean_mse:.6f} on validation, {floors.train_pca_mse[0]:.6f} on training "
        "images",
    }


def floors_json(floors: Floors, table: FindingTable) -> dict[str, Any]:
    """Convert the lower bounds to plain values."""
    names = ("data_key", *(f"{of}_entropy" for of in ("test", "val", "train")))
    return {
        **{name: getattr(floors, name) for name in (*names, "test_mean_mse", "val_mean_mse")},
        "train_mean_mse": floors.train_pca_mse[0],
        "pca": table.records(),
    }
