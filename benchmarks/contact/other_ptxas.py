"""Check and time each kernel, assembled by another ptxas, against its torch twin.

ptxas 12.8 and 12.9 are known to reuse registers that a product still reads.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.contact.machine import ptxas_versions
from benchmarks.contact.options import stage_parser
from benchmarks.records import Records, read_records


def main() -> None:
    options = stage_parser(__doc__).parse_args()
    records = Records(options.json)
    others = other_assemblers()
    if not others:
        records.add("missing", tool="ptxas: none except Triton's")
        return
    path = others[0]
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results")
        results.touch()
        environment = {"TRITON_PTXAS_PATH": path, "TRITON_CACHE_DIR": str(Path(folder, "cache"))}
        chosen = ["mix", "--only", "encode", "--smoke"] if options.smoke else ["32", "784"]
        command = [sys.executable, "-m", "benchmarks.kernels", *chosen, "--json", str(results)]
        ended = subprocess.run(command, env=os.environ | environment)
        for record in read_records(results):
            records.add(f"other_{record.pop('what')}", ptxas=path, **record)
    sys.exit(ended.returncode)


def other_assemblers() -> list[str]:
    """Return CUDA's assemblers, then the others that came with Triton, the newest version last."""
    known = ptxas_versions()
    own = shutil.which("ptxas")
    with_triton = [path for path in known if path != own and not path.endswith("/ptxas")]
    return [*([own] if own else []), *with_triton]


if __name__ == "__main__":
    main()
