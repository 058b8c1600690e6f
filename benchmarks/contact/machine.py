"""Check a machine for the tools and packages that the other stages need."""

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from benchmarks.contact.options import stage_parser
from benchmarks.records import Records

#: Packages that every stage needs.
NEEDED = ("torch", "triton", "numpy", "psutil", "safetensors", "PIL", "scipy")
#: Packages that some stages need, and which stages.
OPTIONAL = {
    "jax": "peers",
    "torchvision": "the tutorial's loop",
    "platformdirs": "a study",
    "optuna": "a study",
    "sqlalchemy": "a study",
    "alembic": "a study",
    "pydantic": "a study, some tests",
    "typer": "a study",
    "rich": "a study",
    "pynvml": "the GPU's utilization",
    "pytest": "tests",
    "hypothesis": "tests",
    "psycopg": "nothing here: tests run without it",
}
TOOLS = {
    "ncu": "counters",
    "compute-sanitizer": "race",
    "nvcc": "another ptxas",
    "nvidia-smi": "the driver's version",
}

_DISTRIBUTIONS = {"PIL": "pillow", "pynvml": "nvidia-ml-py"}


def main() -> None:
    options = stage_parser(__doc__).parse_args()
    records = Records(options.json)
    records.add(
        "packages",
        installed={name: version_of(name) for name in (*NEEDED, *OPTIONAL) if is_there(name)},
        missing={name: OPTIONAL.get(name, "everything") for name in missing_packages()},
    )
    records.add(
        "tools",
        found={name: shutil.which(name) for name in TOOLS if shutil.which(name)},
        missing={name: stage for name, stage in TOOLS.items() if shutil.which(name) is None},
        ptxas=ptxas_versions(),
    )
    import torch
    import triton

    from benchmarks.fields import FULL, SMOKE, copy_bytes_per_second, open_device

    device = open_device(smoke=options.smoke)
    on_gpu = device.type == "cuda"
    size = (SMOKE if options.smoke else FULL).copy_bytes
    driver = Path("/proc/driver/nvidia/version")
    records.add(
        "machine",
        device=torch.cuda.get_device_name(device) if on_gpu else "cpu",
        capability=torch.cuda.get_device_capability(device) if on_gpu else None,
        driver=_first_line(driver.read_text()) if driver.exists() else None,
        torch=torch.__version__,
        cuda=torch.version.cuda,
        triton=triton.__version__,
        interpreter=triton.knobs.runtime.interpret,
        python=platform.python_version(),
        processors=os.cpu_count(),
        copy_tb_s=copy_bytes_per_second(size, device) / 1e12,
    )


def is_there(name: str) -> bool:
    """Return whether a package can be imported."""
    return importlib.util.find_spec(name) is not None


def missing_packages() -> list[str]:
    """Return the missing packages that some stage needs."""
    return [name for name in (*NEEDED, *OPTIONAL) if not is_there(name)]


def version_of(name: str) -> str | None:
    """Return the version of an installed package, or None if its metadata do not have one."""
    try:
        return importlib.metadata.version(_DISTRIBUTIONS.get(name, name))
    except importlib.metadata.PackageNotFoundError:
        return None


def ptxas_versions() -> dict[str, str]:
    """Return the versions of Triton's ptxas, and of CUDA's if installed, by path."""
    paths = []
    if (triton := importlib.util.find_spec("triton")) is not None and triton.origin is not None:
        paths += sorted(Path(triton.origin).parent.glob("backends/nvidia/bin/ptxas*"))
    if (found := shutil.which("ptxas")) is not None:
        paths.append(Path(found))
    return {str(path): _version(path) for path in paths}


def _version(ptxas: Path) -> str:
    try:
        said = subprocess.run([ptxas, "--version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not run: {error}"
    found = re.search(r"V([\d.]+)", said.stdout)
    return found[1] if found else _first_line(said.stdout)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


if __name__ == "__main__":
    main()
