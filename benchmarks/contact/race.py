"""Whether threads race in shared memory, by compute-sanitizer's racecheck, on a few small trials.

It covers shared memory only; its memcheck reports faults of wgmma that are none.
"""

import re
import sys

from benchmarks.contact import tools
from benchmarks.contact.options import stage_parser
from benchmarks.records import Records


def main() -> None:
    options = stage_parser(__doc__).parse_args()
    records = Records(options.json)
    try:
        sanitizer = tools.find(records, "compute-sanitizer")
    except tools.MissingToolError:
        return
    command = [sanitizer, "--tool", "racecheck", "--print-limit", "20"]
    benchmark = [sys.executable, "-m", "benchmarks.stress", "--tiny", "--repeats", "1"]
    output = tools.run([*command, *benchmark], limit=70)
    hazards = count_hazards(output)
    if hazards is None:
        records.add("missing", tool="race: compute-sanitizer did not come to its summary")
    else:
        records.add("race", tool="racecheck", hazards=hazards)


def count_hazards(output: str) -> int | None:
    """Hazards that racecheck's summary counts; None where there is no summary."""
    found = re.findall(r"RACECHECK SUMMARY: (\d+) hazard", output)
    return sum(map(int, found)) if found else None


if __name__ == "__main__":
    main()
