"""A linear autoencoder that is trained until it learns no more sits on PCA's line, and not below.

At 256 units that takes a minute and a half: ``python -m benchmarks.labels --linear``.
"""

import pytest

from benchmarks.labels import LinearRun, times_the_floor


@pytest.mark.parametrize(
    "run",
    [
        LinearRun(hidden_width=16, train_limit=1_000, epochs=40, learning_rate=0.005),
        LinearRun(hidden_width=64, train_limit=1_000, epochs=60, learning_rate=0.01),
    ],
)
def test_a_linear_autoencoder_ends_on_the_line_of_pca(run: LinearRun) -> None:
    assert 1 - 1e-5 <= times_the_floor(run) <= 1.05
