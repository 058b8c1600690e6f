"""A table of as many trials as a test wants, made as columns."""

from dataclasses import asdict

import numpy as np

from sweep.config import TrialConfig
from sweep.enums import Activation
from sweep.store.records import METRICS, STATES
from sweep.store.table import Choices, Column, TrialTable
from tests.support.store_factories import column_of


def many_trials(n: int) -> TrialTable:
    """Nine in ten COMPLETE, the others PRUNED; width, activation and learning rate are searched."""
    rng = np.random.default_rng(0)
    error = 10 ** rng.uniform(-3, -1, n)
    pruned = np.arange(n) % 10 == 9
    nothing = np.full(n, np.nan)
    settings: dict[str, Column] = {
        name: column_of([value] * n) for name, value in asdict(TrialConfig()).items()
    }
    activations = rng.integers(0, len(Activation), n).astype(np.int16)
    settings |= {
        "hidden_width": np.round(2 ** rng.uniform(3, 10, n)),
        "learning_rate": 10 ** rng.uniform(-5, -1, n),
        "activation": Choices(activations, tuple(Activation)),
    }
    return TrialTable(
        revision=1,
        objectives=("val_mse",),
        numbers=np.arange(n),
        states=Choices(np.where(pruned, 3, 2).astype(np.int16), STATES),
        values=error[:, None],
        outcomes=Choices(pruned.astype(np.int16), ("complete", "pruned")),
        workers=Choices(np.zeros(n, dtype=np.int16), ("w0",)),
        attempts=np.ones(n, dtype=np.int64),
        invalid=np.zeros(n, dtype=bool),
        started=np.arange(n) / 50,
        ended=np.arange(n) / 50 + 1,
        metrics={**dict.fromkeys(METRICS, nothing), "val_mse": np.where(pruned, np.nan, error)},
        settings=settings,
        searched=("hidden_width", "activation", "learning_rate"),
    )
