"""What is used of Optuna beside its public API: private names, which any new version may change."""

import ast
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import optuna
import pytest
from optuna.storages import InMemoryStorage

SWEEP = Path(__file__).parents[1] / "sweep"

#: By the module of ours that uses them.
PRIVATE_NAMES = {
    "coordinator/study_state.py": {"study._tell": ["_tell_with_warning"]},
    "search/cmaes.py": {"_transform": ["_SearchSpaceTransform"]},
    "search/tpe/axes.py": {
        "samplers._tpe.probability_distributions": [
            "_BatchedCategoricalDistributions",
            "_BatchedDiscreteTruncLogNormDistributions",
            "_BatchedDiscreteTruncNormDistributions",
            "_BatchedDistributions",
            "_BatchedTruncLogNormDistributions",
            "_BatchedTruncNormDistributions",
            "_unique_inverse_2d",
        ]
    },
    "search/tpe/density.py": {
        "samplers._tpe.parzen_estimator": ["_ParzenEstimator", "_ParzenEstimatorParameters"],
        "samplers._tpe.probability_distributions": [
            "_BatchedCategoricalDistributions",
            "_BatchedDistributions",
        ],
        "samplers._tpe.sampler": ["default_weights"],
    },
    "search/tpe/history.py": {"samplers._tpe.sampler": ["_split_trials"]},
    "search/tpe/proposals.py": {
        "samplers._tpe.probability_distributions": [
            "_BatchedCategoricalDistributions",
            "_BatchedDistributions",
        ]
    },
    "search/tpe/sampler.py": {
        "samplers._tpe.sampler": ["default_gamma", "default_gamma_multiobjective"]
    },
    "store/optuna_rows.py": {"storages._rdb": ["models"]},
}
NAMES = [
    (place, module, name)
    for place, modules in PRIVATE_NAMES.items()
    for module, names in modules.items()
    for name in names
]
#: Of optuna.storages.InMemoryStorage, which store/recording.py derives from.
OF_STORAGE = ["_studies", "_max_trial_id", "_trial_id_to_study_id_and_number", "_update_cache"]


def gone(place: str, name: str) -> str:
    """Say what is to be done about a private name that a version of Optuna does not have."""
    return (
        f"Optuna {optuna.__version__} has no {name}, which sweep/{place} uses: bring that module "
        "up to this version, or lower the bound of optuna in pyproject.toml"
    )


@pytest.mark.parametrize(("place", "module", "name"), NAMES)
def test_a_private_name_of_optuna_is_still_there(place: str, module: str, name: str) -> None:
    try:
        attrgetter(name)(import_module(f"optuna.{module}"))
    except (ImportError, AttributeError):
        pytest.fail(gone(place, f"{module}.{name}"))


@pytest.mark.parametrize("name", OF_STORAGE)
def test_a_private_name_of_its_storage_is_still_there(name: str) -> None:
    assert hasattr(InMemoryStorage(), name), gone("store/recording.py", f"InMemoryStorage.{name}")


def test_no_other_private_name_of_optuna_is_imported() -> None:
    imported = {
        (str(path.relative_to(SWEEP)), (node.module or "").removeprefix("optuna."), alias.name)
        for path in SWEEP.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("optuna")
        for alias in node.names
        if "._" in f"{node.module}.{alias.name}"
    }
    assert imported == set(NAMES)
