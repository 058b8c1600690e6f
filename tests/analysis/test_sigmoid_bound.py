"""The lower bound of linear codes with sigmoid outputs."""

from sweep.analysis.floors import pixel_entropy
from sweep.analysis.sigmoid_bound import sigmoid_bound
from tests.support.factories import make_images

IMAGES = make_images(n_train=300, n_test=100)


def test_more_steps_hardly_lower_it_and_it_stays_above_the_entropy() -> None:
    few, many = (sigmoid_bound(IMAGES.train_images, IMAGES.test_images, n) for n in (30, 200))
    entropy = pixel_entropy(IMAGES.train_images)
    assert entropy < many.train_bce <= few.train_bce
    assert few.train_bce - entropy < 1.3 * (many.train_bce - entropy)
    assert many.test_mse > 0
