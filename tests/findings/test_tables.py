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
