"""Register the data sets known by name: their content, licence and files.

A checksum is of the unpacked file. It is pinned if it is known for certain; otherwise counts and
sizes are checked, and torchvision compares a download with its MD5.

EMNIST's files hold every image transposed (columns first). They are shown and trained on unchanged,
as torchvision does; for an autoencoder of fully connected layers the orientation makes no
difference.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sweep.enums import Dataset

DIGITS = tuple("0123456789")
CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
KANA = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


@dataclass(frozen=True, kw_only=True)
class Files:
    """The four files of a data set; labels are None if it has none."""

    train_images: Path
    train_labels: Path | None
    test_images: Path
    test_labels: Path | None

    def __iter__(self) -> Iterator[Path | None]:
        yield from (self.train_images, self.train_labels, self.test_images, self.test_labels)


@dataclass(frozen=True, kw_only=True)
class FileNames:
    """Names of the four files, without ``.gz``."""

    train_images: str = "train-images-idx3-ubyte"
    train_labels: str = "train-labels-idx1-ubyte"
    test_images: str = "t10k-images-idx3-ubyte"
    test_labels: str = "t10k-labels-idx1-ubyte"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set known by name."""

    description: str
    license: str
    n_train: int
    n_test: int
    classes: tuple[str, ...]
    names: FileNames = field(default_factory=FileNames)
    #: SHA-256 of the unpacked files in the order of ``Files``; empty if unknown.
    sha256: tuple[str, ...] = ()
    #: The class in torchvision.datasets that downloads it, and its arguments.
    torchvision: str | None = None
    torchvision_options: Mapping[str, str] = field(default_factory=dict)
    #: The Debian package that installs it under /usr/share/datasets.
    debian_package: str | None = None


SOURCES: dict[Dataset, Source] = {
    Dataset.FASHION_MNIST_MINI: Source(
        description="first 6,000 + 1,000 images of fashion-mnist, comes with sweep",
        license="MIT, Zalando SE",
        n_train=6_000,
        n_test=1_000,
        classes=CLOTHES,
        sha256=(
            "6dded81672539b5d148c1a85358069d1808c316dc6f6c0abfd12ba3ced5dd394",
            "d7c464914ae4b919728c5c99c3cdde5a0259febf1e99ddc6927a15768731d7dc",
            "7a6d8e07ea021ec5bc73135ebd0a5770799557ec6f8242d8749c4f32a3cf4643",
            "b40abac7ec8228f434940f579deb7cf7b6e3103b5274cb91d1545771f5ef1c8b",
        ),
    ),
    Dataset.FASHION_MNIST: Source(
        description="clothes, 28 x 28",
        license="MIT, Zalando SE",
        n_train=60_000,
        n_test=10_000,
        classes=CLOTHES,
        sha256=(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        torchvision="FashionMNIST",
        debian_package="dataset-fashion-mnist",
    ),
    Dataset.MNIST: Source(
        description="handwritten digits, 28 x 28",
        license="CC BY-SA 3.0, Yann LeCun and Corinna Cortes",
        n_train=60_000,
        n_test=10_000,
        classes=DIGITS,
        sha256=(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        torchvision="MNIST",
    ),
    Dataset.KMNIST: Source(
        description="handwritten Japanese letters (kuzushiji), 28 x 28",
        license="CC BY-SA 4.0, ROIS-DS Center for Open Data in the Humanities",
        n_train=60_000,
        n_test=10_000,
        classes=KANA,
        torchvision="KMNIST",
    ),
    Dataset.EMNIST_DIGITS: Source(
        description="handwritten digits of EMNIST, 28 x 28, transposed as in its files",
        license="public domain, NIST Special Database 19",
        n_train=240_000,
        n_test=40_000,
        classes=DIGITS,
        names=FileNames(
            train_images="emnist-digits-train-images-idx3-ubyte",
            train_labels="emnist-digits-train-labels-idx1-ubyte",
            test_images="emnist-digits-test-images-idx3-ubyte",
            test_labels="emnist-digits-test-labels-idx1-ubyte",
        ),
        torchvision="EMNIST",
        torchvision_options={"split": "digits"},
    ),
}


def owner_of(sha256: str) -> Dataset | None:
    """Return the data set that has a file of this checksum."""
    return next((name for name, source in SOURCES.items() if sha256 in source.sha256), None)
