import numpy as np
import pytest

from sweep.store.pareto import unbeaten


def plainly(points: np.ndarray) -> list[bool]:
    return [
        not any((other <= point).all() and (other < point).any() for other in points)
        for point in points
    ]


@pytest.mark.parametrize("n_objectives", [1, 2, 3])
def test_the_pareto_set_is_what_comparing_every_pair_gives(n_objectives: int) -> None:
    # Few different values, so that there are equals in one objective and in all of them.
    points = np.random.default_rng(n_objectives).integers(0, 12, (200, n_objectives)).astype(float)
    assert unbeaten(points).tolist() == plainly(points)


def test_of_nothing_nothing_is_unbeaten() -> None:
    assert unbeaten(np.empty((0, 2))).tolist() == []
