"""Convert a study file's space, sampler and pruner to Optuna's objects and our rules."""

from sweep.search.changes import incompatible_changes
from sweep.search.configurations import (
    config_from_params,
    enqueue_params,
    suggest_config,
    trial_seeds,
)
from sweep.search.distributions import distributions
from sweep.search.grid import GridSampler, grid_size
from sweep.search.pruning import PruningRule, make_pruner, most_epochs
from sweep.search.samplers import make_sampler, quiet_optuna, share_fits

__all__ = [
    "GridSampler",
    "PruningRule",
    "config_from_params",
    "distributions",
    "enqueue_params",
    "grid_size",
    "incompatible_changes",
    "make_pruner",
    "make_sampler",
    "most_epochs",
    "quiet_optuna",
    "share_fits",
    "suggest_config",
    "trial_seeds",
]
