"""Copy metrics to trials that reuse the results of a trial with the same configuration."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, case, or_, select, update

from sweep.catalogue.metrics import STORED
from sweep.store.schema import sweep_trials

#: Metrics that are copied. The training time is not: this trial took none.
COPIED = (*(name for name in STORED if name != "train_seconds"), "per_class_mse")


def copy_metrics(
    connection: Connection, rows: Mapping[int, Mapping[str, Any]], ids: Mapping[int, int]
) -> None:
    """Copy each twin's metrics, after its own row is written; ``rows`` are by trial number.

    A twin's invalid mark is copied too: a coordinator notices a mark half a second late, and may
    have reused a result that no longer counts. A mark of the trial itself stays.
    """
    pairs = [
        {"id": ids[number], "twin_id": ids[row["reused_from"]]}
        for number, row in rows.items()
        if row.get("reused_from") is not None
    ]
    if not pairs:
        return
    twin = sweep_trials.alias()
    of_twin: dict[str, ColumnElement[Any]] = {
        name: select(twin.c[name]).where(twin.c.trial_id == bindparam("twin_id")).scalar_subquery()
        for name in (*COPIED, "invalid", "invalid_reason")
    }
    own = sweep_trials.c
    of_twin["invalid"] = or_(own.invalid, of_twin["invalid"])
    of_twin["invalid_reason"] = case(
        (own.invalid, own.invalid_reason), else_=of_twin["invalid_reason"]
    )
    statement = update(sweep_trials).where(sweep_trials.c.trial_id == bindparam("id"))
    connection.execute(statement.values(of_twin), pairs)
