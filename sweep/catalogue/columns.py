"""Define everything that a trial has by name: settings, metrics, and what happened to it."""

from collections.abc import Iterable, Mapping

from sweep.catalogue.metrics import METRICS
from sweep.catalogue.records import Better, Column, Format
from sweep.catalogue.settings import SETTINGS

_OF_TRIAL = (
    Column(name="number", called="trial number", short="Trial", format=Format.ORDINAL),
    Column(name="epoch"),
    Column(name="state"),
    Column(name="value", factor=10, better=Better.LOWER),
    Column(name="outcome"),
    Column(name="worker"),
    Column(name="attempt", format=Format.COUNT),
    Column(
        name="started",
        unit="minutes after the first",
        short="Started (UTC)",
        format=Format.MOMENT,
    ),
    Column(
        name="ended",
        unit="minutes after the first",
        short="Ended (UTC)",
        format=Format.MOMENT,
    ),
    Column(name="invalid"),
)

#: By name; ``hidden_width``, which is also a metric, is the setting.
COLUMNS: Mapping[str, Column] = {
    **{column.name: column for column in _OF_TRIAL},
    **METRICS,
    **SETTINGS,
}

#: Short names that people type for columns.
SHORT_NAMES: Mapping[str, str] = {
    "act": "activation",
    "batch": "batch_size",
    "depth": "hidden_layers",
    "error": "val_mse",
    "hidden": "hidden_width",
    "lr": "learning_rate",
    "mse": "val_mse",
    "opt": "optimizer",
    "output": "output_activation",
    "params": "n_parameters",
    "schedule": "lr_schedule",
    "wd": "weight_decay",
    "width": "hidden_width",
}


def column_options(names: Iterable[str]) -> list[dict[str, str]]:
    """List columns to choose from, by value and label, as pages offer them."""
    return [{"value": name, "label": column_named(name).title} for name in names]


def column_named(name: str) -> Column:
    """Return the record of a column; for an unknown name, a record with only the name.

    A parameter of Optuna has its setting's record with the choice in its title:
    ``sgd.learning_rate`` is "sgd learning rate".
    """
    *choices, last = name.split(".")
    known = COLUMNS.get(last) or Column(name=last)
    if not choices:
        return known
    return Column(
        name=name,
        called=" ".join([*choices, known.title]),
        unit=known.unit,
        factor=known.factor,
        format=known.format,
        better=known.better,
    )
