"""Hyperparameter sweeps of small autoencoders, and why their error stops where it stops.

    db = sweep.open("sqlite:///sweep.db")
    study = db.study("quickstart")
    study.best(5)

The public API is ``open``, ``run``, ``load_model``, ``Database``, ``Study``, ``Reconstructions``
and ``SweepError``. Names are loaded on first use, so that ``import sweep`` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweep.api.database import Database
    from sweep.api.database import open_database as open
    from sweep.api.models import load_model
    from sweep.api.runs import run
    from sweep.api.study import Reconstructions, Study
    from sweep.errors import SweepError

__version__ = "0.2.0"

__all__ = [
    "Database",
    "Reconstructions",
    "Study",
    "SweepError",
    "__version__",
    "load_model",
    "open",
    "run",
]

_WHERE = {
    "Database": ("sweep.api.database", "Database"),
    "Reconstructions": ("sweep.api.study", "Reconstructions"),
    "Study": ("sweep.api.study", "Study"),
    "SweepError": ("sweep.errors", "SweepError"),
    "load_model": ("sweep.api.models", "load_model"),
    "open": ("sweep.api.database", "open_database"),
    "run": ("sweep.api.runs", "run"),
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'sweep' has no attribute {name!r}")
    module, attribute = _WHERE[name]
    found = globals()[name] = getattr(import_module(module), attribute)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
