"""Format the report at the end of a first contact from the records of its stages."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.contact.findings import FINDINGS, Evidence, Finding, Sighting, select
from benchmarks.contact.running import Outcome
from benchmarks.contact.stages import BY_NAME, CALLS, STAGES, stages_of
from benchmarks.records import Record, read_records

Row = Sequence[str]


def read_folders(folders: Sequence[Path]) -> list[Record]:
    """Read all stages' records; if a stage is in several folders, the last one counts."""
    files = {
        stage.name: Path(folder, f"{stage.name}.jsonl")
        for folder in folders
        for stage in STAGES
        if Path(folder, f"{stage.name}.jsonl").exists()
    }
    return [
        record | {"stage": name} for name, file in files.items() for record in read_records(file)
    ]


def write_report(records: Sequence[Record]) -> Iterator[str]:
    """Yield the report's lines: how stages ended, figures, findings, the next command."""
    yield from section(
        "Stages", table(("stage", "ended", "seconds", "answers"), stage_rows(records))
    )
    yield from section("Machine", machine_lines(records))
    yield from section(
        "Kernels, each alone in a graph: us, TB/s, share of its bound", kernel_lines(records)
    )
    yield from section("Populations", population_lines(records))
    yield from section("Variants of the kernels, us a step", variant_lines(records))
    evidence = [(finding, finding.rule(records)) for finding in FINDINGS]
    yield from section("Findings", finding_lines(evidence))
    yield from section("Next", next_lines(records, evidence))


def section(title: str, lines: Sequence[str] | Iterator[str]) -> Iterator[str]:
    """Yield a title with lines below it; nothing without lines."""
    if lines := list(lines):
        yield from (f"== {title}", "", *lines, "")


def table(head: Row, rows: Sequence[Row]) -> Iterator[str]:
    """Yield the rows as aligned columns."""
    if not rows:
        return
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join(cells).rstrip()


def number(value: object, digits: int = 3) -> str:
    """Format a number with this many digits, or a dash for None."""
    if not isinstance(value, int | float):
        return "–"
    return f"{value:.{digits}g}" if abs(value) < 1000 else f"{value:,.0f}"


def stage_rows(records: Sequence[Record]) -> list[Row]:
    ended = {record["stage"]: record for record in select(records, "ended")}
    return [
        (name, str(ended[name]["outcome"]), number(ended[name]["seconds"]), stage.answers)
        for name, stage in BY_NAME.items()
        if name in ended
    ]


def machine_lines(records: Sequence[Record]) -> Iterator[str]:
    for record in select(records, "machine"):
        yield (
            f"{record['device']}, torch {record['torch']}, Triton {record['triton']}, driver"
            f" {record['driver'] or 'none'}, Python {record['python']}, copy"
            f" {record['copy_tb_s']:.3g} TB/s"
        )
        if record["interpreter"]:
            yield "Kernels ran in Triton's interpreter: no time below is a GPU's."
    for kind in ("packages", "tools"):
        for record in select(records, kind):
            if missing := record["missing"]:
                wanted = ", ".join(f"{name} (for {why})" for name, why in missing.items())
                yield f"missing {kind}: {wanted}"
    for record in select(records, "missing"):
        yield f"missing: {record['tool']}"


def kernel_lines(records: Sequence[Record]) -> Iterator[str]:
    """Yield a row for each kernel, three columns for each field, and then the step."""
    found = select(records, "kernel")
    fields = list(dict.fromkeys(record["field"] for record in found))
    kernels = list(dict.fromkeys(record["kernel"] for record in found))
    by_place = {(record["kernel"], record["field"]): record for record in found}
    steps = {record["field"]: record for record in select(records, "step")}

    def cells(kernel: str, field: str) -> Row:
        one = by_place.get((kernel, field), {})
        return tuple(number(one.get(name)) for name in ("us", "tb_s", "share_of_bound"))

    rows = [
        (kernel, *(cell for field in fields for cell in cells(kernel, field))) for kernel in kernels
    ]
    for title, name in (
        ("sum of a step's kernels", "kernels_us"),
        ("a step in a graph", "graph_us"),
        ("lower bound by memory", "floor_us"),
    ):
        values = [number(steps.get(field, {}).get(name)) for field in fields]
        rows.append((title, *(cell for value in values for cell in (value, "", ""))))
    head = ("", *(cell for field in fields for cell in (f"H {field}: us", "TB/s", "share")))
    yield from table(head, rows)


def population_lines(records: Sequence[Record]) -> Iterator[str]:
    head = ("field", "contestant", "ms/epoch", "device", "fused is", "of floor", "trials/s")
    rows = []
    for record in select(records, "contestant"):
        if "reason" in record:
            rows.append((record["field"], record["contestant"], record["reason"], "", "", "", ""))
            continue
        device = record["device_seconds"]
        rows.append(
            (
                record["field"],
                record["contestant"],
                number(1000 * record["seconds"]),
                number(None if device is None else 1000 * device),
                number(record["fused_is_faster"]),
                number(record["share_of_floor"]),
                number(record["trials_per_second"]),
            )
        )
    yield from table(head, rows)
    for name in ("worker", "study", "first_epoch"):
        for record in select(records, name):
            hidden = ("what", "stage")
            said = ", ".join(
                f"{key} {_short(value)}" for key, value in record.items() if key not in hidden
            )
            yield f"{name}: {said}"


def _short(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)


def variant_lines(records: Sequence[Record]) -> Iterator[str]:
    """Yield a row for each variant, a column for each field, the default first."""
    found = select(records, "variant")
    fields = list(dict.fromkeys(record["field"] for record in found))
    names = list(dict.fromkeys(record["variant"] for record in found))
    by_place = {(record["variant"], record["field"]): record for record in found}
    rows = [(name, *(_variant(by_place.get((name, field))) for field in fields)) for name in names]
    yield from table(("variant", *(f"H {field}" for field in fields)), rows)


def _variant(record: Record | None) -> str:
    if record is None:
        return "–"
    if "reason" in record:
        return str(record["reason"])
    return number(record["step_us"]) + ("" if record["same"] else " (other bits)")


def finding_lines(evidence: Sequence[tuple[Finding, Evidence]]) -> Iterator[str]:
    """Yield all findings: whether each was seen, by which figures, and what to do."""
    for finding, (sighting, figures) in evidence:
        said = f" ({figures})" if figures else ""
        yield f"[{sighting}] {finding.what}{said}"
        yield f"    then: {finding.then}"


def next_lines(
    records: Sequence[Record], evidence: Sequence[tuple[Finding, Evidence]]
) -> Iterator[str]:
    """Yield the command to run next."""
    ended = {record["stage"]: record["outcome"] for record in select(records, "ended")}
    command = "python -m benchmarks.first_contact"
    if any(finding.stops and found.sighting is Sighting.SEEN for finding, found in evidence):
        yield "Numbers are wrong, so times mean nothing. Find out where, and with which ptxas:"
        yield f"    {command} --stages machine check ptxas race tests"
        return
    unfinished = [name for name, outcome in ended.items() if outcome != Outcome.DONE]
    if unfinished:
        yield "Not finished; run these alone, with more time:"
        yield f"    {command} --stages {' '.join(unfinished)}"
    for call in CALLS:
        if not all(stage.name in ended for stage in stages_of(call)):
            names = ", ".join(stage.name for stage in stages_of(call))
            yield f"The next call ({names}):"
            yield f"    {command} --call {call}"
            return
    yield "Every stage has run. Add the figures to docs/performance.md."
