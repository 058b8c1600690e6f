"""No kernel overwrites a register that a product in flight reads."""

from contextlib import nullcontext
from typing import Any

import pytest

from tests.support import wgmma_hazards
from tests.support.fused_factories import without_interpreter
from tests.support.wgmma_hazards import BATCH_SIZES, PIPELINED, hazards, parse, written

#: No product of float32 is a wgmma, whatever the batch: one size is compiled, all by the command.
SHAPES = [(size, "tf32") for size in BATCH_SIZES] + [(200, "ieee")]

#: On busy cores compiling takes several times as long.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Every kernel of every shape, and with options those that they change: compiled once."""
    words = [f"{size}-{precision}" for size, precision in SHAPES]
    words = ["pipelined", *words, "128-tf32-options"]
    return without_interpreter("tests.support.wgmma_hazards", *words)


@pytest.mark.parametrize(("batch_size", "precision"), SHAPES)
def test_no_kernel_overwrites_what_a_product_in_flight_reads(
    rows: list[dict[str, Any]], batch_size: int, precision: str
) -> None:
    shape = {"batch_size": batch_size, "precision": precision, "options": False}
    rows = [row for row in rows if shape.items() <= row.items() and row["kernel"] != PIPELINED]
    assert {row["kernel"]: row["hazards"] for row in rows if row["hazards"]} == {}
    assert len(rows) >= 6
    assert any(row["products"] for row in rows) == (precision == "tf32"), "or this looks at nothing"


def test_no_option_of_the_configuration_does_so_either(rows: list[dict[str, Any]]) -> None:
    rows = [row for row in rows if row["options"]]
    assert {row["kernel"]: row["hazards"] for row in rows if row["hazards"]} == {}
    (chain,) = [row for row in rows if row["kernel"] == "train_chain"]
    assert chain["products"], "or this looks at nothing"


def test_the_loop_that_encode_once_had_is_found(rows: list[dict[str, Any]]) -> None:
    """As ptxas 12.8 (Triton 3.6) and 12.9 (3.8) assemble it; a later one may do without hazards."""
    (row,) = [row for row in rows if row["kernel"] == PIPELINED]
    assert "writes what the product at" in row["hazards"][0]


@pytest.mark.parametrize("found", [[], ["a hazard"]])
def test_the_command_fails_if_a_kernel_has_a_hazard(
    monkeypatch: pytest.MonkeyPatch, found: list[str]
) -> None:
    def compile_one(*shape: object, options: bool) -> None:
        report = shape[-1]
        assert callable(report)
        report("encode", b"machine code")

    monkeypatch.setattr(wgmma_hazards, "compile_each", compile_one)
    monkeypatch.setattr(wgmma_hazards, "_examine", lambda cubin: (1, found))
    monkeypatch.setattr(wgmma_hazards, "stop_without_wgmma", lambda: None)
    monkeypatch.setattr(wgmma_hazards, "pretended_h100", nullcontext)
    monkeypatch.setattr("sys.argv", ["wgmma_hazards", "16-tf32"])
    with pytest.raises(SystemExit) as end:
        wgmma_hazards.main()
    assert end.value.code == bool(found)


def listing(*lines: str) -> str:
    """As nvdisasm prints it; a label is a line of its own."""
    return "\n".join(
        line if line.startswith(".L") else f"        /*{16 * i:04x}*/    {line} ;"
        for i, line in enumerate(lines)
    )


PRODUCT = "HGMMA.64x8x8.F32.TF32 R24, R56, gdesc[UR4], R24, gsb0"


def find(*lines: str) -> list[str]:
    return hazards(parse(listing(*lines, "EXIT")))


def test_a_factor_written_before_the_wait_is_a_hazard_and_after_it_is_none() -> None:
    write, wait = "LDS.128 R56, [R2]", "WARPGROUP.DEPBAR.LE gsb0, 0x0"
    (found,) = find(PRODUCT, write, wait)
    assert found == "0x0010 LDS.128 R56, [R2] writes what the product at 0x0000 reads"
    assert find(PRODUCT, wait, write) == []


def test_a_sum_written_before_the_wait_is_a_hazard() -> None:
    assert len(find(PRODUCT, "MOV R27, RZ")) == 1
    assert find(PRODUCT, "MOV R28, RZ") == []


def test_a_wait_that_leaves_one_group_in_flight_protects_the_older_ones() -> None:
    other = PRODUCT.replace("R56", "R64")
    lines = [PRODUCT, other, "WARPGROUP.DEPBAR.LE gsb0, 0x1", "MOV R59, RZ", "MOV R67, RZ"]
    assert [line.partition(" writes")[0] for line in find(*lines)] == ["0x0040 MOV R67, RZ"]


def test_a_group_in_flight_is_followed_around_a_loop() -> None:
    loop = [".L_x_0:", "LDS R57, [R2]", PRODUCT, "@P0 BRA `(.L_x_0)"]
    assert len(find(*loop)) == 1
    assert find(*loop[:3], "WARPGROUP.DEPBAR.LE gsb0, 0x0", loop[3]) == []


def test_either_side_of_a_branch_counts() -> None:
    lines = [
        "@P0 BRA `(.L_x_0)",
        PRODUCT,
        "BRA `(.L_x_1)",
        ".L_x_0:",
        "MOV R56, RZ",
        ".L_x_1:",
        "MOV R57, RZ",
    ]
    assert [line.split()[2] for line in find(*lines)] == ["R57,"]


@pytest.mark.parametrize(
    ("line", "registers"),
    [
        ("IADD3 R8, R9, R10, RZ", {8}),
        ("LDG.E.128 R4, desc[UR4][R2.64]", {4, 5, 6, 7}),
        ("@!P2 LDG.E.64.CONSTANT R4, desc[UR4][R2.64]", {4, 5}),
        ("LDSM.16.M88.4 R8, [R2]", {8, 9, 10, 11}),
        ("HMMA.1688.F32.TF32 R4, R8, R12, R4", {4, 5, 6, 7}),
        ("CS2R R6, SRZ", {6, 7}),
        ("IMAD.WIDE.U32 R2, R3, R4, R6", {2, 3}),
        ("SHFL.BFLY PT, R5, R6, 0x1, 0x1f", {5}),
        ("ISETP.GE.AND P0, PT, R5, R6, PT", set[int]()),
        ("STS.128 [R2], R4", set[int]()),
        ("LDGSTS.E.BYPASS.128 [R2], desc[UR4][R4.64]", set[int]()),
        ("R2UR UR4, R5", set[int]()),
        ("MOV RZ, R5", set[int]()),
    ],
)
def test_what_an_instruction_writes_is_read_from_its_text(line: str, registers: set[int]) -> None:
    (instruction,) = parse(listing(line)).instructions
    assert written(instruction) == registers
