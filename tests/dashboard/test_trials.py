"""The grid of trials: rows, order, filter box, groups, CSV."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from sweep.analysis.filters import Filter
from sweep.config import TrialConfig
from sweep.dashboard.links import Place
from sweep.dashboard.pages import trials
from sweep.dashboard.parts import grid_columns, grid_rows, states
from sweep.dashboard.parts.grouping import group_by, groupable
from sweep.dashboard.parts.trial_filter import PLACEHOLDER, add_condition, chips, value_choices
from sweep.dashboard.parts.trial_grid import chosen_columns
from sweep.dashboard.view import View
from sweep.enums import Activation, Loss, Optimizer
from sweep.errors import UsageError
from sweep.findings.conditions import add_typed
from sweep.store import annotate
from sweep.store.engine import Engine
from sweep.store.remarks import Remarks
from tests.support.store_factories import add_study, add_trial, trial_row, trial_table

TABLE = trial_table(
    trial_row(number=0, values=(0.3,), config=TrialConfig(hidden_width=32, loss=Loss.L1)),
    trial_row(number=1, state="PRUNED", values=(), outcome="pruned"),
    trial_row(number=2, values=(0.1,), config=TrialConfig(activation=Activation.TANH)),
    trial_row(number=3, values=(0.2,), config=TrialConfig(hidden_width=64, nesterov=True)),
)


def order(sort: str, where: str = "") -> list[int]:
    return TABLE.numbers[grid_rows.shown_rows(TABLE, where, sort)].tolist()


def type_filter(text: str, before: Filter | None = None) -> str:
    return str(add_typed(before or Filter(), text, TABLE))


def block(*columns: str, **remarks: Remarks) -> list[dict[str, Any]]:
    written = {int(key.removeprefix("of_")): value for key, value in remarks.items()}
    rows = grid_rows.shown_rows(TABLE)
    return grid_rows.block(TABLE, rows, columns, lambda numbers: written)


@pytest.mark.parametrize(
    ("sort", "numbers"),
    [
        ("", [0, 1, 2, 3]),
        ("val_mse", [2, 3, 0, 1]),
        ("-val_mse", [0, 3, 2, 1]),
        ("activation,-number", [3, 1, 0, 2]),
        ("state,value", [2, 3, 0, 1]),
    ],
)
def test_trials_without_the_value_come_last_either_way(sort: str, numbers: list[int]) -> None:
    assert order(sort) == numbers


def test_the_filter_and_the_order_go_together() -> None:
    assert order("-value", "value:0.15..") == [0, 3]


def test_an_order_by_nothing_known_is_told() -> None:
    with pytest.raises(UsageError, match="unknown column 'colour'"):
        order("colour")


def test_an_order_is_worked_out_once_for_a_table() -> None:
    first = grid_rows.shown_rows(TABLE, "", "value")
    assert grid_rows.shown_rows(TABLE, "", "value") is first


def test_cells_are_texts_as_people_write_them() -> None:
    rows = block("number", "val_mse", "hidden_width", "nesterov", "note", of_2=Remarks(note="odd"))
    assert [row["val_mse"] for row in rows] == ["0.3000", "", "0.1000", "0.2000"]
    assert [row["hidden_width"] for row in rows] == ["32", "784", "784", "64"]
    assert [row["note"] for row in rows] == ["", "", "odd", ""]


def test_a_setting_that_the_trial_does_not_use_has_an_empty_cell() -> None:
    table = trial_table(
        trial_row(number=0, values=(0.1,), config=TrialConfig(momentum=0.9)),
        trial_row(number=1, config=TrialConfig(momentum=0.9, optimizer=Optimizer.SGD)),
    )
    assert grid_columns.texts(table, "momentum", {}) == ["", "0.9"]


def test_a_state_is_told_by_more_than_its_colour() -> None:
    assert states.text("COMPLETE", "complete", False) == "✓ complete"
    assert states.text("FAIL", "diverged", False) == "∞ diverged"
    assert states.text("COMPLETE", "complete", True) == "✓ complete, invalid"


def test_columns_of_an_address_that_are_not_there_are_left_out() -> None:
    assert chosen_columns(TABLE, "number,colour,loss,loss") == ["number", "loss"]
    assert chosen_columns(TABLE, "colour") == grid_columns.default_columns(TABLE)


def test_the_filter_takes_its_own_placeholder() -> None:
    example = PLACEHOLDER.removeprefix("Filter: ")
    assert type_filter(example) == "hidden_width:32..64;value:..0.01;activation:relu"


def test_the_form_adds_a_condition_or_nothing() -> None:
    assert str(add_condition(Filter(), "value", "", 0.5, [])) == "value:..0.5"
    assert str(add_condition(Filter(), "loss", "", "", ["bce", "l1"])) == "loss:bce,l1"
    assert not add_condition(Filter(), "value", "", "", [])
    assert not add_condition(Filter(), None, 1, 2, [])


def test_the_form_offers_values_of_words_only() -> None:
    assert value_choices(TABLE, "hidden_width") is None
    assert [choice.label for choice in value_choices(TABLE, "loss") or []] == ["l1", "bce"]


def test_each_condition_has_a_way_out() -> None:
    shown = chips(Filter.parse("value:..0.5;loss:l1"))
    assert [chip.id["name"] for chip in shown] == ["value", "loss", ""]


def test_groups_tell_the_best_and_the_rest() -> None:
    l1, bce = sorted(group_by(TABLE, "loss", Filter()), key=lambda group: group.n_trials)
    assert (l1.text, l1.n_trials, l1.best, l1.best_number) == ("l1", 1, 0.3, 0)
    assert (bce.n_trials, bce.n_counting, bce.best_number) == (3, 2, 2)
    assert bce.median == pytest.approx(0.15)


def test_a_group_without_a_result_is_there_too() -> None:
    (pruned,) = group_by(TABLE, "loss", Filter.parse("state:PRUNED"))
    assert (pruned.n_trials, pruned.n_counting, pruned.best_number) == (1, 0, -1)


def test_every_trial_is_in_the_filter_of_exactly_one_group() -> None:
    widths = range(5, 105)
    table = trial_table(
        *(
            trial_row(number=width, values=(1 / width,), config=TrialConfig(hidden_width=width))
            for width in widths
        )
    )
    for name in ("hidden_width", "activation"):
        found = group_by(table, name, Filter())
        shown = [Filter.parse(group.where).apply(table) for group in found]
        assert [len(part) for part in shown] == [group.n_trials for group in found]
        assert sum(map(len, shown)) == len(widths)


def test_only_what_differs_is_worth_grouping_by() -> None:
    assert set(groupable(TABLE)) == {"hidden_width", "activation", "loss", "nesterov", "state"}


def test_the_page_shows_what_its_address_says(view: View) -> None:
    query = {"where": "loss:bce", "sort": "-psnr", "selected": "3,x,5", "group": "activation"}
    page = trials.layout(view, Place("trials", "small", query=query))
    assert page["trials-where"].data == "loss:bce"
    assert page["trials-selected"].data == [3, 5]
    assert page["trials-group"].value == "activation"
    sorted_by = [of["colId"] for of in page["trials-grid"].columnDefs if "initialSort" in of]
    assert sorted_by == ["psnr"]


def test_an_address_with_an_unknown_column_is_told(view: View) -> None:
    with pytest.raises(UsageError, match="unknown column 'colour'"):
        trials.layout(view, Place("trials", "small", query={"where": "colour:red"}))


def test_a_study_without_trials_has_a_page(engine: Engine) -> None:
    add_study(engine, "new")
    page = trials.layout(View(engine=engine), Place("trials", "new"))
    assert page["trials-grid"].columnDefs[0]["colId"] == "number"


def test_the_grid_gets_a_block_of_rows_and_both_counts(client: FlaskClient) -> None:
    told = client.get("/api/trials?study=small&where=state:COMPLETE&sort=val_mse&rows=5").json
    assert told["n_all"] == 60 and 5 < told["n"] < 60
    assert [row["kind"] for row in told["rows"]] == ["complete"] * 5
    errors = [float(row["val_mse"]) for row in told["rows"]]
    assert errors == sorted(errors)


@pytest.mark.parametrize("query", ["study=none", "study=small&where=colour:red"])
def test_the_grid_is_told_what_is_wrong(client: FlaskClient, query: str) -> None:
    assert client.get(f"/api/trials?{query}").json["problem"]


def test_the_csv_has_the_filtered_trials_in_order(client: FlaskClient) -> None:
    query = "study=small&where=number:3..5&sort=-number&columns=number,hidden_width,started"
    header, *lines = client.get(f"/api/trials.csv?{query}").text.splitlines()
    assert header == "number,hidden_width,started"
    assert [line.split(",")[0] for line in lines] == ["5", "4", "3"]
    assert lines[0].endswith("+00:00")


def test_a_spreadsheet_does_not_run_a_note(engine: Engine, client: FlaskClient) -> None:
    annotate.note(engine, "small", '=HYPERLINK("evil")', 3)
    text = client.get("/api/trials.csv?study=small&where=number:3&columns=number,note").text
    assert text.splitlines()[1] == """3,"'=HYPERLINK(""evil"")\""""


@pytest.mark.parametrize(("query", "status"), [("none", 404), ("small&sort=colour", 400)])
def test_a_csv_that_cannot_be_says_so(client: FlaskClient, query: str, status: int) -> None:
    assert client.get(f"/api/trials.csv?study={query}").status_code == status


def test_remarks_come_with_the_rows_they_are_about(engine: Engine, client: FlaskClient) -> None:
    study_id = add_study(engine, "told")
    add_trial(engine, study_id, 0, state="FAIL", reason="out of memory")
    add_trial(engine, study_id, 1, 0.5)
    annotate.tag(engine, "told", "odd", 1)
    rows = client.get("/api/trials?study=told&columns=number,tags,reason").json["rows"]
    assert [(row["tags"], row["reason"]) for row in rows] == [("", "out of memory"), ("odd", "")]
