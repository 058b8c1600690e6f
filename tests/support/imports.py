"""Pretend, in a Python of its own, that packages are not installed."""

from collections.abc import Collection

#: Of sweep's packages, those that a machine need not have to train and to be measured.
MISSING_WHERE_ONLY_TRAINED = (
    "alembic",
    "dash",
    "filelock",
    "jax",
    "optuna",
    "platformdirs",
    "plotly",
    "psycopg",
    "pydantic",
    "pynvml",
    "ray",
    "rich",
    "sqlalchemy",
    "tomlkit",
    "torchvision",
    "typer",
)


_CODE = """
import importlib.util, sys
missing, find_spec = {names!r}, importlib.util.find_spec
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Finder())
importlib.util.find_spec = lambda name, *rest: None if name in missing else find_spec(name, *rest)
"""


def without_modules(names: Collection[str]) -> str:
    """Code after which importing any of these fails, and ``find_spec`` does not find it."""
    return _CODE.format(names=set(names))
