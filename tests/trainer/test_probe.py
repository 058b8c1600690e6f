"""What codes tell of labels: planted classes are told, each by the classifiers that can."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from sweep.datasets import Images
from sweep.messages import Probe
from sweep.trainer import DeviceData, load_model, probe
from sweep.trainer.model import Autoencoder
from sweep.trainer.probe import (
    CLASSIFIERS,
    Classifier,
    Features,
    Labelled,
    Prober,
    Subsets,
    accuracies,
    choose_neighbours,
    nearest,
    vote,
)
from tests.support.factories import make_images, make_unlabelled
from tests.support.trainer_factories import CPU, SHORT, analyse, make_data, train


def of_classes(n_train: int = 240, n_test: int = 60) -> Images:
    """Grey images whose class shows: the brighter patch tells it, under noise."""
    images = make_images(n_train, n_test, n_classes=3)
    for pixels, labels in (
        (images.train_images, images.train_labels),
        (images.test_images, images.test_labels),
    ):
        for label in range(3):
            rows = np.ix_(labels == label, range(8 * label, 8 * label + 8))
            pixels[rows] = pixels[rows] // 2 + 120
    return images


def probe_trained(data: DeviceData) -> Probe:
    found = analyse(train(SHORT, data).result().weights, data).probe
    assert found is not None
    return found


def test_classes_that_show_are_told_and_labels_at_random_are_not() -> None:
    images = of_classes()
    data = make_data(images)
    found = probe_trained(data)
    assert (found.n_pixels, found.n_test, found.shown) == (36, 60, data.strip_rows)
    assert (found.code.n_train, found.code.n_few, found.code.n_draws) == (192, 192, 1)
    assert found.commonest == pytest.approx(1 / 3)
    (pixels,) = Prober(data).compare(36)
    assert min(vars(pixels.pca.all_labels).values()) > 0.9
    labels = (np.random.default_rng(0).permutation(240) % 3).astype(np.uint8)
    (pixels,) = Prober(make_data(replace(images, train_labels=labels))).compare(36)
    assert max(vars(pixels.pca.all_labels).values()) < 0.6


def rings(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two classes in the plane, one around the other: no line parts them."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.arange(n) % 2
    angle = 2 * torch.pi * torch.rand(n, generator=generator)
    radius = 0.4 + 0.6 * classes + 0.05 * torch.randn(n, generator=generator)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1), classes


def xor(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two classes by the signs of the first two of six features."""
    points = torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))
    points[:, :2] = points[:, :2].sign() + 0.1 * points[:, :2]
    return points, (points[:, 0] * points[:, 1] > 0).long()


def by_line(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two classes by the sign of one of 40 features."""
    points = torch.randn(n, 40, generator=torch.Generator().manual_seed(seed))
    return points, (points[:, 0] > 0).long()


Planted = Callable[[int, int], tuple[Tensor, Tensor]]


def label(planted: Planted, n: int = 2_000) -> Labelled:
    return Labelled(*planted(n, 0), *planted(400, 1), n_classes=2)


@pytest.mark.parametrize(
    ("planted", "right", "wrong"),
    [
        (rings, ("neighbours", "network"), ("linear",)),
        (xor, ("network",), ("linear",)),
        (by_line, ("linear", "network"), ()),
    ],
)
def test_each_classifier_tells_what_it_can(
    planted: Planted, right: Sequence[str], wrong: Sequence[str]
) -> None:
    known, test = label(planted), planted(400, 2)
    made = {name: make(known, Subsets(1, 2_000)) for name, make in CLASSIFIERS.items()}
    shares = {name: float(accuracies(of, *test)[0]) for name, of in made.items()}
    assert all(shares[name] > 0.9 for name in right)
    assert all(shares[name] < 0.7 for name in wrong)
    if planted is by_line:
        assert shares["neighbours"] < shares["linear"] - 0.05


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_each_draw_has_a_classifier_of_its_own_images(name: str) -> None:
    """The labels of the second draw are those of other images: there is nothing to learn."""
    known = label(by_line, 1_000)
    classes = torch.cat([known.train_classes[:500], known.train_classes[500:].flip(0)])
    of_both = CLASSIFIERS[name](known._replace(train_classes=classes), Subsets(2, 500))
    one, other = accuracies(of_both, *by_line(400, 2))
    assert one > other + 0.1 and abs(other - 0.5) < 0.1


def test_as_many_neighbours_vote_as_do_best_on_the_validation_images() -> None:
    """A tenth of the training labels are wrong: one neighbour alone repeats them."""
    known, test = label(rings), rings(400, 2)
    wrong = torch.arange(2_000) % 10 == 3
    noisy = known._replace(
        train_classes=torch.where(wrong, 1 - known.train_classes, known.train_classes)
    )
    told = choose_neighbours(noisy, Subsets(1, 2_000))
    assert float(accuracies(told, *test)[0]) > 0.95
    # Where the validation images are those noisy ones, the nearest alone is right about each.
    itself = noisy._replace(validation=noisy.train, validation_classes=noisy.train_classes)
    told = choose_neighbours(itself, Subsets(1, 2_000))
    assert float(accuracies(told, noisy.train, noisy.train_classes)[0]) == 1.0


def test_a_network_is_taken_from_the_step_that_does_best_on_the_validation_images() -> None:
    """Trained to the end on labels at random, it tells those, and no more of others."""
    known = label(rings, 300)
    shares = []

    def noted(classifier: Classifier, features: Tensor, classes: Tensor) -> Tensor:
        shares.append(accuracies(classifier, features, classes))
        return shares[-1]

    noisy = known._replace(train_classes=known.train_classes[torch.randperm(300)])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(probe, "accuracies", noted)
        made = CLASSIFIERS["network"](noisy, Subsets(1, 300))
    best = accuracies(made, known.validation, known.validation_classes)
    assert best == max(shares) > shares[-1]


def test_nothing_is_chosen_on_the_test_images() -> None:
    """Other test labels change what is measured, and nothing of what was made.

    The labels that a classifier tells are those that the second data set has, so it is right about
    all of them; chosen on the test images, another number of neighbours or another step would be.
    """
    images = make_images(300, 100, n_classes=3)
    told: list[Tensor] = []
    measure = probe.accuracies

    def noted(classifier: Classifier, features: Tensor, classes: Tensor) -> Tensor:
        if len(features) == 100:
            told.append(classifier(features))
        return measure(classifier, features, classes)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(probe, "accuracies", noted)
        Prober(make_data(images)).compare(36)
        n = len(told)
        assert images.test_labels is not None
        other = replace(images, test_labels=2 - images.test_labels)
        Prober(make_data(other)).compare(36)
    assert n == 2 * len(CLASSIFIERS) and len(told) == 2 * n
    assert all(torch.equal(*pair) for pair in zip(told[:n], told[n:], strict=True))


def test_the_nearest_images_are_found_in_their_order() -> None:
    generator = torch.Generator().manual_seed(0)
    images, queries = (torch.randn(n, 5, generator=generator) for n in (300, 130))
    expected = torch.cdist(queries.double(), images.double()).argsort(dim=1)[:, :7]
    assert torch.equal(nearest(images, queries, 7), expected)


def test_of_equal_votes_the_nearer_images_count() -> None:
    classes = torch.tensor([[2, 1, 2, 1], [1, 2, 1, 2], [0, 1, 1, 2]])
    assert vote(classes, 3).tolist() == [2, 1, 1]
    assert vote(classes[:, :1], 3).tolist() == [2, 1, 0]


def test_the_nearest_images_of_those_shown_are_kept() -> None:
    data = make_data(of_classes())
    (found,) = Prober(data).compare(36)
    distances = np.linalg.norm(
        data.test[list(data.strip_rows)].numpy()[:, None].astype(float) - data.train.numpy(), axis=2
    )
    assert found.pca.nearest == tuple(map(tuple, distances.argsort(axis=1)[:, :5].tolist()))


@pytest.mark.parametrize(("n_few", "times"), [(192, 1), (96, 2)])
def test_classifiers_by_few_labels_are_made_where_these_are_not_all(
    n_few: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Subsets] = []

    def make(known: Labelled, draws: Subsets) -> Classifier:
        made.append(draws)
        return choose_neighbours(known, draws)

    monkeypatch.setattr(probe, "CLASSIFIERS", dict.fromkeys(CLASSIFIERS, make))
    monkeypatch.setattr(probe, "N_FEW", n_few)
    Prober(make_data(of_classes())).compare(36)
    assert len(made) == times * len(CLASSIFIERS)


def test_few_labels_are_those_of_draws_that_have_no_image_in_common(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probe, "N_FEW", 50)
    (found,) = Prober(make_data(of_classes())).compare(36)
    assert (found.pca.n_train, found.pca.n_few, found.pca.n_draws) == (192, 50, 3)
    few, spread = vars(found.pca.few_labels), vars(found.pca.few_labels_std)
    assert all(0.5 < few[name] <= 1.0 and 0.0 <= spread[name] < 0.2 for name in CLASSIFIERS)
    assert Subsets(3, 50).slices() == [slice(0, 50), slice(50, 100), slice(100, 150)]


def test_pca_is_probed_as_a_code_of_the_first_components_would_be() -> None:
    data = make_data(of_classes())
    prober = Prober(data)
    small, pixels = prober.compare(5)
    assert (small.width, pixels.width) == (5, 36)
    axes = prober._directions[:, :5]
    code = Features(
        *(part.float() / 255 @ axes for part in (data.train, data.validation, data.test))
    )
    assert small.pca == prober._measure(code)
    assert small.random != small.pca and pixels.random == pixels.pca


def test_what_is_known_is_not_computed_again() -> None:
    data = make_data(of_classes())
    prober = Prober(data)
    small, pixels = prober.compare(5)
    assert prober.compare(5) == () and prober.compare(40) == ()
    assert Prober(data, [small, pixels]).compare(5) == ()
    other = replace(pixels, data_key="other data")
    assert [of.width for of in Prober(data, [small, other]).compare(5)] == [36]


def test_fewer_images_are_learned_from_where_their_features_would_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probe, "MOST_FEATURES", 36 * 100)
    (found,) = Prober(make_data(of_classes())).compare(36)
    assert found.pca.n_train == 100


def test_a_code_that_never_changes_tells_the_commonest_class_at_best() -> None:
    data = make_data(of_classes())
    training = train(SHORT, data)
    content = training.result().weights
    assert content is not None
    weights = load_model(content).weights
    dead = weights._replace(encoder_bias=torch.full_like(weights.encoder_bias, -1e6))
    found = Prober(data).probe(Autoencoder(SHORT, dead.layers, CPU))
    assert found is not None
    assert list(vars(found.code.all_labels).values()) == pytest.approx([1 / 3] * 3)


def test_labels_of_one_class_are_not_probed() -> None:
    data = make_data(make_images(60, 20, n_classes=1))
    assert analyse(train(SHORT, data).result().weights, data).probe is None


def test_without_labels_there_is_a_decomposition_and_no_probe() -> None:
    data = make_data(make_unlabelled())
    found = analyse(train(SHORT, data).result().weights, data)
    assert found.probe is None and found.decomposition is not None


def test_a_code_that_overflows_is_not_probed() -> None:
    data = make_data()
    content = train(SHORT, data).result().weights
    assert content is not None
    weights = load_model(content).weights
    huge = weights._replace(encoder_weight=torch.full_like(weights.encoder_weight, 3e38))
    assert Prober(data).probe(Autoencoder(SHORT, huge.layers, CPU)) is None
