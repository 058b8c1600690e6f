"""Map names that other tools use to our names for the same things in a study file."""

from collections.abc import Collection, Mapping

from sweep.catalogue.columns import SHORT_NAMES

#: Names in Optuna, Weights & Biases, Ray Tune, Keras, PyTorch and papers, in lower case with
#: underscores, by ours. A name of ours may be a section, a key, a setting or a choice.
_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    # settings
    "batch_size": ("bs", "batchsize", "minibatch_size"),
    "epochs": ("n_epochs", "num_epochs", "max_epochs"),
    "hidden_width": (
        *("bottleneck", "code_size", "hidden_dim", "hidden_size", "latent_dim", "latent_size"),
        *("n_hidden", "n_units", "num_units", "units"),
    ),
    "hidden_layers": ("depth", "layers", "n_layers", "num_layers"),
    "learning_rate": ("eta", "step_size"),
    "lr_schedule": ("lr_scheduler", "scheduler"),
    "optimizer": ("optim", "optimiser"),
    "weight_decay": ("l2_penalty",),
    "weight_init": ("init", "initializer", "kernel_initializer"),
    # choices
    "linear": ("identity",),
    "silu": ("swish",),
    "bce": ("binary_cross_entropy", "binary_crossentropy", "cross_entropy", "crossentropy"),
    "mse": ("l2", "mean_squared_error"),
    "l1": ("mae", "mean_absolute_error"),
    "huber": ("smooth_l1",),
    "cosine": ("cosine_annealing", "cosine_decay"),
    "linear_warmup": ("warmup",),
    "glorot_uniform": ("xavier", "xavier_uniform"),
    "glorot_normal": ("xavier_normal",),
    "he_uniform": ("kaiming", "kaiming_uniform"),
    "he_normal": ("kaiming_normal",),
    # sections and their keys
    "space": ("parameters", "search_space"),
    "data": ("dataset",),
    "sampler": ("algorithm", "search_alg"),
    "pruner": ("early_stopping", "early_terminate", "stopper"),
    "name": ("method", "study_name", "type"),
    "objectives": ("direction", "directions", "metric", "metrics", "objective"),
    "repeat": ("n_seeds", "seeds"),
    "trials": ("max_trials", "n_trials", "num_samples", "num_trials", "run_cap"),
    "max_seconds": ("max_time", "time_budget_s", "time_limit", "timeout"),
    "plateau_trials": ("patience",),
    "plateau_improvement": ("min_delta",),
    "choices": ("categorical", "options", "values"),
    "low": ("lower", "min", "minimum"),
    "high": ("max", "maximum", "upper"),
    "step": ("q", "stride"),
    # samplers and pruners
    "tpe": ("bayes", "bayesian", "hyperopt"),
    "random": ("random_search",),
    "grid": ("grid_search", "gridsearch"),
    "qmc": ("halton", "quasi_random", "sobol"),
    "cmaes": ("cma", "cma_es"),
    "gp": ("botorch", "gaussian_process"),
    "nsga2": ("genetic", "nsga_ii", "nsgaii"),
    "successive_halving": ("asha", "sha"),
    "median": ("median_stopping",),
}

#: Our names by their synonyms.
SYNONYMS: Mapping[str, str] = {
    **{other: ours for ours, others in _OTHER_NAMES.items() for other in others},
    **SHORT_NAMES,
}


def find_synonym(word: str, known: Collection[str]) -> str | None:
    """Return the name among ``known`` that another tool calls ``word``; None if there is none."""
    plain = word.lower().replace("-", "_")
    for kind in ("sampler", "pruner"):  # Optuna's classes: TPESampler
        plain = plain.removesuffix(kind).rstrip("_") or kind
    ours = SYNONYMS.get(plain, plain)
    return ours if ours in known else None
