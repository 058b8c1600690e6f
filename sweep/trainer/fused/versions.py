"""Find versions of the kernels' compilers: Triton, and NVIDIA's assembler ptxas, bundled with it.

They are recorded with each run: an assembler has caused wrong numbers more than once.
"""

import re
import subprocess

import torch
import triton

#: From this compute capability on, Triton uses a separate assembler.
_BLACKWELL = (10, 0)


def compiler_versions(device: torch.device) -> tuple[str, str | None]:
    """Return the versions of Triton and of the ptxas that it calls for a device, such as "12.9.86".

    The latter is None without a CUDA device, and if ptxas does not answer.
    """
    return triton.__version__, _ptxas_version(device)


def is_interpreted() -> bool:
    """Tell whether kernels run in Triton's interpreter on the CPU, for tests."""
    return bool(triton.knobs.runtime.interpret)


def _ptxas_version(device: torch.device) -> str | None:
    if device.type != "cuda" or torch.version.cuda is None:
        return None
    is_blackwell = torch.cuda.get_device_capability(device) >= _BLACKWELL
    tools = triton.knobs.nvidia
    try:
        tool = tools.ptxas_blackwell if is_blackwell else tools.ptxas
        answer = subprocess.run(
            [tool.path, "--version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (RuntimeError, AttributeError, OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"\bV(\d+(?:\.\d+)+)", answer.stdout)
    return version[1] if version else None
