"""Record the stall reasons of each kernel of a step, by Nsight Compute's counters.

   python -m benchmarks.contact.counters

Needs ncu, and the permission to read counters. Runs each kernel once, at widths 784 and 32.
"""

import csv
import sys
from collections.abc import Iterator, Mapping

from benchmarks.contact import tools
from benchmarks.contact.options import stage_parser
from benchmarks.records import Record, Records

#: Sections whose metrics are read below, and one metric that no section has.
_SECTIONS = (
    "SpeedOfLight",
    "MemoryWorkloadAnalysis",
    "ComputeWorkloadAnalysis",
    "WarpStateStats",
    "Occupancy",
    "LaunchStats",
)
_SHARED = "l1tex__data_pipe_lsu_wavefronts_mem_shared.avg.pct_of_peak_sustained_elapsed"

#: Our names, and the columns that may have the number; the first that exists counts.
_COLUMNS = {
    "us": ("gpu__time_duration.sum",),
    "dram_percent": (
        "gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed",
        "dram__throughput.avg.pct_of_peak_sustained_elapsed",
    ),
    "l2_percent": ("lts__throughput.avg.pct_of_peak_sustained_elapsed",),
    "shared_percent": (_SHARED,),
    "issue_percent": (
        "sm__inst_issued.avg.pct_of_peak_sustained_active",
        "sm__instruction_throughput.avg.pct_of_peak_sustained_active",
    ),
    "warps_percent": ("sm__warps_active.avg.pct_of_peak_sustained_active",),
    "waves": ("launch__waves_per_multiprocessor",),
    "registers": ("launch__registers_per_thread",),
}
_STALL = "smsp__average_warps_issue_stalled_"
_STALL_END = "_per_issue_active.ratio"
_TO_MICROSECONDS = {"ns": 1e-3, "nsecond": 1e-3, "us": 1.0, "usecond": 1.0, "ms": 1e3}


def main() -> None:
    options = stage_parser(__doc__).parse_args()
    records = Records(options.json)
    try:
        ncu = tools.find(records, "ncu")
    except tools.MissingToolError:
        return
    found = 0
    for metrics in (["--metrics", _SHARED], []):  # ncu stops at a metric that it does not have
        command = [ncu, "--clock-control", "none", "--profile-from-start", "off"]
        command += [part for section in _SECTIONS for part in ("--section", section)]
        command += [
            *metrics,
            "--csv",
            "--page",
            "raw",
            "--kernel-name",
            "regex:decode|update|encode",
        ]
        benchmark = [sys.executable, "-m", "benchmarks.kernels", "784", "32", "--profile"]
        for record in parse(tools.run([*command, *benchmark], limit=35)):
            records.add("counters", **record)
            found += 1
        if found:
            return
    records.add("missing", tool="counters: ncu printed no kernel")


def parse(output: str) -> Iterator[Record]:
    """Yield one record for each kernel of ncu's raw page as CSV; skips all other lines."""
    lines = [line for line in output.splitlines() if line.startswith('"')]
    reader = csv.DictReader(lines)
    units: Mapping[str, str] = {}
    for row in reader:
        if not row.get("ID"):  # the line after the header has the units
            units = row
        elif row.get("Kernel Name"):
            yield _record(row, units)


def _record(row: Mapping[str, str], units: Mapping[str, str]) -> Record:
    numbers = {ours: _number(row, columns) for ours, columns in _COLUMNS.items()}
    if numbers["us"] is not None:
        unit = units.get(_COLUMNS["us"][0], "us")
        numbers["us"] *= _TO_MICROSECONDS.get(unit, 1.0)
    stalls = {
        name.removeprefix(_STALL).removesuffix(_STALL_END): _number(row, (name,)) or 0.0
        for name in row
        if name and name.startswith(_STALL) and name.endswith(_STALL_END)
    }
    waits = {name: value for name, value in stalls.items() if name not in ("selected",)}
    top = max(waits, key=waits.__getitem__) if waits else None
    return {"kernel": row["Kernel Name"], **numbers, "top_stall": top, "stalls": waits}


def _number(row: Mapping[str, str], columns: tuple[str, ...]) -> float | None:
    for column in columns:
        try:
            return float(row[column].replace(",", ""))
        except (KeyError, ValueError, AttributeError):
            continue
    return None


if __name__ == "__main__":
    main()
