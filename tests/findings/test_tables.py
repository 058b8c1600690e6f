"""Tables of findings."""

from sweep.findings.tables import Cell, FindingTable, TableColumn


def test_json_has_the_values_and_not_their_texts() -> None:
    table = FindingTable(
        title="Classes",
        columns=(TableColumn("class", ""), TableColumn("mse", "Test error", is_number=True)),
        rows=((Cell("Bag", "Bag"), Cell("0.0123", 0.01234)), (Cell("Coat", "Coat"), Cell())),
    )
    assert table
    assert table.records() == [
        {"class": "Bag", "mse": 0.01234},
        {"class": "Coat", "mse": None},
    ]


def test_a_table_without_rows_is_false() -> None:
    assert not FindingTable(title="", columns=(), rows=())


def test_columns_can_be_left_out_by_name_or_where_nothing_is_known() -> None:
    columns = [TableColumn(name, name) for name in ("a", "b", "c")]
    table = FindingTable(title="", columns=columns, rows=[[Cell("1", 1), Cell(), Cell("2", 2)]])
    assert table.without_empty().records() == [{"a": 1, "c": 2}]
    assert table.without("a", "c").records() == [{"b": None}]
