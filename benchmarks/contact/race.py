"""Check for data races in shared memory with compute-sanitizer's racecheck, on a few small trials.

Racecheck covers shared memory only. compute-sanitizer's memcheck reports false faults for wgmma.
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
        records.add("missing", tool="race: compute-sanitizer printed no summary")
    else:
        records.add("race", tool="racecheck", hazards=hazards)


def count_hazards(output: str) -> int | None:
    """Return the number of hazards in racecheck's summary, or None without a summary."""
    found = re.findall(r"RACECHECK SUMMARY: (\d+) hazard", output)
    return sum(map(int, found)) if found else None


if __name__ == "__main__":
    main()
