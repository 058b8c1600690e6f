"""Define the messages between coordinator and workers, and the records that they carry.

Notation: a trial trains its configuration once per seed; a list with "one per seed" is in the order
of ``TrialSpec.seeds``. Errors are mean squared errors per pixel on the [0, 1] scale.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sweep.config import TrialConfig
from sweep.enums import StopReason, Trainer

#: Trials queued in a worker, as a share of those that its slots hold.
QUEUED_SHARE = 0.25

#: Bands of principal directions in an error spectrum.
N_BANDS = 16
_SPECTRUM = struct.Struct(f"<{N_BANDS}f")


class Attempt(NamedTuple):
    """A single attempt of a trial."""

    number: int
    #: How often the trial was dispatched, including this time.
    attempt: int


#: Limit on each side of an image.
LARGEST_SIDE = 512


@dataclass(frozen=True, kw_only=True)
class ImageShape:
    """Size of the images of a data set; a flattened image consists of its rows in order."""

    height: int
    width: int
    #: 1 for grey, 3 for red, green and blue, which are adjacent in a flattened image.
    channels: int = 1

    @property
    def n_inputs(self) -> int:
        """D, the numbers per flattened image."""
        return self.height * self.width * self.channels

    @property
    def array_shape(self) -> tuple[int, ...]:
        """Shape of an image that is not flattened: (height, width), or (height, width, 3)."""
        size = (self.height, self.width)
        return size if self.channels == 1 else (*size, self.channels)

    def __str__(self) -> str:
        return f"{self.height} x {self.width}" + (" x 3 (RGB)" if self.channels == 3 else "")


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """What pages and commands need to know about a data set without reading its images."""

    #: SHA-256 over the pixels and labels, hexadecimal: see ``Images.sha256``.
    sha256: str
    shape: ImageShape
    #: Numbers of images; validation images are counted as training images.
    n_train: int
    n_test: int
    #: Names of the classes that occur among the test images, in the order of their labels; empty if
    #: the data set has no labels, or no names for them.
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """What a worker needs to train one trial."""

    #: Sequential within the study; the number that users see.
    number: int
    #: How often this trial was dispatched, from 1; results of an older attempt are rejected.
    attempt: int
    config: TrialConfig
    #: One training run per seed; each seeds its weights and data order, so that the run has the
    #: same result alone or among others.
    seeds: tuple[int, ...]
    #: Send weights and pictures if the mean validation error ends below this: the lowest so far of
    #: this width's class. Trainers of single trials always send pictures.
    keep_below: float = float("inf")
    #: Send weights and pictures whatever the error.
    keep_always: bool = False


@dataclass(frozen=True, kw_only=True)
class WorkloadEstimate:
    """Estimate of a study's trials, which determines the memory of populations."""

    mean_hidden_width: int
    max_hidden_width: int
    n_seeds: int
    max_batch_size: int
    #: Number of distinct batch sizes: each has its own population, with a share of the memory.
    n_batch_sizes: int


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What a worker trains at the same time, of one batch size; a slot holds one seed's network.

    The defaults are those of trainers of single trials: one trial, whatever its width and seeds.
    """

    #: None if trials are counted instead of seeds: one at a time.
    slots: int | None = None
    #: Hidden units of all slots together; each slot occupies whole tiles of them.
    hidden_units: int = 0
    tile_units: int = 1
    #: The device memory reserved for one such population.
    bytes: int = 0
    #: Number of populations, each with its own batch size, that fit side by side.
    n_populations: int = 1
    #: Seeds of a trial, each of which takes a slot.
    n_seeds: int = 1

    def units_of(self, hidden_width: int) -> int:
        """Return the hidden units that one network occupies, in whole tiles."""
        return -(-hidden_width // self.tile_units) * self.tile_units

    @property
    def n_trials(self) -> int:
        """Number of trials of one batch size that the slots hold."""
        return max(1, (self.slots or 1) // self.n_seeds)

    @property
    def n_queued(self) -> int:
        """Number of trials to keep queued in the worker, so that free slots are filled at once.

        More would keep samplers from learning: a queued trial was asked for before it can begin.
        """
        return max(1, int(QUEUED_SHARE * self.n_trials))


@dataclass(frozen=True, kw_only=True)
class WorkerSetup:
    """The first order: data, trainer and limits of the study."""

    #: A name of ``enums.Dataset``, or the path of a user's own images.
    dataset: str
    validation_fraction: float
    split_seed: int
    #: Wait until the pruner has judged epoch e before starting epoch e + 2.
    pruning: bool
    #: CPU threads for torch; None lets torch choose.
    n_threads: int | None = None
    #: Use at most this many training images; None uses all of them.
    train_limit: int | None = None
    #: With ``AUTO`` the worker chooses; Ready has its choice.
    trainer: Trainer = Trainer.CPU
    #: Required by the fused trainer.
    expected: WorkloadEstimate | None = None
    #: Maximum slots of a population; None lets the memory decide.
    max_slots: int | None = None
    #: Workers that share a device's memory, including this one.
    n_workers_on_device: int = 1
    #: A worker ends if its coordinator sends nothing for this long; None disables the check.
    silence_seconds: float | None = None
    #: Measure the error spectrum after each epoch; None: if the images are small.
    spectrum: bool | None = None
    #: For the analysis process: what is known already, of any data.
    baselines: tuple["ProbeBaseline", ...] = ()


@dataclass(frozen=True, kw_only=True)
class SpectrumBands:
    """The bands of principal directions in which errors are measured, the widest first.

    See ``trainer.spectrum``. Each tuple has a number for each band; a band may have no direction.
    """

    n_directions: tuple[int, ...]
    #: Geometric mean of the variances of the training images along a band's directions; 0 without a
    #: direction.
    variances: tuple[float, ...]
    #: Error in a band, per number, if every image is answered with the mean training image.
    mean_image_errors: tuple[float, ...]
    #: Number of measured validation images.
    n_images: int


def pack_spectrum(errors: Sequence[float]) -> bytes | None:
    """Encode the errors in all bands as float32; None if one is not finite or too large."""
    try:
        packed = _SPECTRUM.pack(*errors)
    except OverflowError:
        return None
    return packed if all(map(math.isfinite, errors)) else None


def unpack_spectrum(packed: bytes) -> tuple[float, ...]:
    """Decode the errors in all bands. Raises ValueError for bytes that are not a spectrum."""
    try:
        errors = _SPECTRUM.unpack(packed)
    except struct.error as error:
        raise ValueError(f"{len(packed)} bytes, a spectrum has {_SPECTRUM.size}") from error
    if not all(0.0 <= of < math.inf for of in errors):
        raise ValueError("an error that is negative or not finite")
    return errors


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """One epoch of one seed: mean training loss, validation errors and wall time."""

    #: Mean of the training loss over the epoch's batches, in that loss's own unit.
    train_loss: float
    val_mse: float
    #: Mean binary cross-entropy per pixel in nats; None if the output is not in (0, 1).
    val_bce: float | None
    #: Wall time of the epoch, including validation.
    seconds: float
    #: Validation error in each band of principal directions: see ``pack_spectrum``. None if it is
    #: not measured.
    spectrum: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """State of one seed's network after its last epoch, measured on the validation images."""

    #: Share of the code's units that no image makes positive; 0 for linear, tanh and sigmoid.
    dead_share: float
    #: Share of (unit, image) pairs in the saturated range of a bounded activation; 0 for unbounded
    #: ones.
    saturated_share: float
    #: Share of the squared error from saturated sigmoid outputs that are far from their pixel; 0
    #: for linear outputs.
    stuck_share: float
    #: Frobenius norms of the weights, without biases.
    encoder_norm: float
    decoder_norm: float


@dataclass(frozen=True, kw_only=True)
class Decomposition:
    """Decomposition of the first seed's network after its last epoch: see trainer.decomposition."""

    #: Effective rank of the code's covariance over the validation images: how many units the code
    #: uses; 0 if the code never changes.
    code_rank: float
    #: Effective ranks of the weights adjacent to the code, without biases.
    encoder_rank: float
    decoder_rank: float
    #: Singular values of the linear map from image to copy, the largest first, as many as hidden
    #: units or pixels, whichever are fewer. None if activation or output is not linear.
    end_to_end: tuple[float, ...] | None


@dataclass(frozen=True, kw_only=True)
class Accuracies:
    """A number for each classifier: the share of images whose label it predicts, or its spread."""

    #: Softmax regression.
    linear: float
    #: The vote of the nearest training images.
    neighbours: float
    #: A network with one hidden layer.
    network: float


@dataclass(frozen=True, kw_only=True)
class FeatureProbe:
    """How well features of an image predict its label, by three classifiers: see trainer.probe.

    Features are a code, principal components, random projections or the pixels.
    """

    #: On the test images, having learned from ``n_train`` labels.
    all_labels: Accuracies
    #: The same classifiers on the validation images, by which their hyperparameters are chosen.
    validation: Accuracies
    #: On the test images, having learned from ``n_few`` labels: mean and standard deviation over
    #: ``n_draws`` draws of labels.
    few_labels: Accuracies
    few_labels_std: Accuracies
    n_train: int
    n_few: int
    n_draws: int
    #: For each test image of ``Probe.shown``, the training images that are nearest in these
    #: features, by their places in the training part of the split, the nearest first.
    nearest: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class ProbeBaseline:
    """What a code of some width is compared with; it depends on the data alone."""

    #: See ``datasets.images.data_key``.
    data_key: str
    #: Number of features. As many as pixels stand for the pixels themselves.
    width: int
    #: Of the first principal components, and of random projections.
    pca: FeatureProbe
    random: FeatureProbe


@dataclass(frozen=True, kw_only=True)
class Probe:
    """How well the first seed's code predicts the labels, which it was not trained for."""

    code: FeatureProbe
    #: Of an image.
    n_pixels: int
    #: Images that accuracies are measured on.
    n_test: int
    #: Share of the test images that are of the commonest class of the training images.
    commonest: float
    #: Places of the test images whose nearest images are kept.
    shown: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class NetworkAnalysis:
    """What the first seed's network is made of, and how well its code predicts the labels.

    Both are None where the code is not finite.
    """

    decomposition: Decomposition | None
    probe: Probe | None
    #: What the code's probe is compared with, where it was not known before.
    baselines: tuple[ProbeBaseline, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the code is not finite."""
        return self.decomposition is None and self.probe is None


@dataclass(frozen=True, kw_only=True)
class PixelErrors:
    """Distribution of the error over pixel values; the rest is from pixels between black and white.

    Shares of 1, over the test images.
    """

    #: Pixels that are exactly 0, and exactly 1.
    black_pixels: float
    white_pixels: float
    #: Shares of the squared error; 0 if there is no error.
    black_error: float
    white_error: float


@dataclass(frozen=True, kw_only=True)
class TestMetrics:
    """Measurements on the test set, made once at the end of one seed's training."""

    __test__ = False  # not a pytest class

    test_mse: float
    #: None if the output is not in (0, 1).
    test_bce: float | None
    #: 10 log10(1 / test_mse), in dB.
    psnr: float
    #: Share of test pixels that are reproduced as the same 8-bit value.
    exact_pixel_share: float
    #: Mean squared error of each class, in the order of the labels; empty without labels.
    per_class_mse: tuple[float, ...]
    n_parameters: int
    #: None until they are measured, on the validation images.
    diagnostics: Diagnostics | None = None
    #: None if they were not measured.
    pixel_errors: PixelErrors | None = None


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A worker has opened its device and loaded its data; its requests follow."""

    device: str
    device_name: str
    torch_version: str
    data: DatasetInfo
    #: Strip of the ten originals, PNG, grey or RGB.
    originals_png: bytes
    #: Its trainer; never ``AUTO``.
    trainer: Trainer
    #: Why it is not the fused trainer, if ``AUTO`` was requested: the reason, then a line for each
    #: difference that the self-check found too large.
    fallback_reason: str | None = None
    capacity: Capacity = Capacity()
    #: Version of NVIDIA's driver; None on the CPU, and if it is unknown.
    driver_version: str | None = None
    #: Versions of Triton and of the assembler that it calls for this device, ptxas; None without
    #: the fused trainer.
    triton_version: str | None = None
    ptxas_version: str | None = None
    #: None if the error spectrum is not measured.
    spectrum: SpectrumBands | None = None


@dataclass(frozen=True, kw_only=True)
class TrialRequest:
    """A worker asks for more trials, and says which ones have begun."""

    #: Number of trials, in addition to those of earlier requests.
    n: int
    #: Trials that left the worker's queue and are in training from now on.
    began: tuple[Attempt, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EpochDone:
    """All seeds of a trial have finished an epoch (counted from 1)."""

    number: int
    attempt: int
    epoch: int
    metrics: tuple[EpochMetrics, ...]


@dataclass(frozen=True, kw_only=True)
class EpochsDone:
    """An epoch of all trials that train together: one message, so that they are judged together."""

    epochs: tuple[EpochDone, ...]


@dataclass(frozen=True, kw_only=True)
class TrialDone:
    """A trial has trained to its last epoch: its results, and artifacts if they are kept."""

    number: int
    attempt: int
    results: tuple[TestMetrics, ...]
    train_seconds: float
    #: Strips of the first seed's reconstructions of the ten test images, and of their absolute
    #: errors; None if the trial was not the best of its width.
    reconstructions_png: bytes | None
    errors_png: bytes | None
    #: safetensors of the first seed; None if the trial was not the best of its width.
    weights: bytes | None


@dataclass(frozen=True, kw_only=True)
class TrialDiverged:
    """Training stopped because a loss or a weight was no longer finite."""

    number: int
    attempt: int
    epoch: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class TrialStopped:
    """A trial ended after an epoch because of a Stop; epoch 0 if it had not begun."""

    number: int
    attempt: int
    epoch: int


@dataclass(frozen=True, kw_only=True)
class TrialFailed:
    """A trial could not be trained; the worker continues."""

    number: int
    attempt: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class WorkerStats:
    """Utilisation of a worker's device, every few seconds."""

    #: Share of the time since the last statistics in which it trained, 0 to 1.
    busy: float
    #: The same since its first epoch began; None until then.
    busy_since_first: float | None = None
    #: Slots in use: one per seed in a population, one per trial otherwise.
    n_training: int = 0
    #: Memory of the GPU in use by all processes; on the CPU, the machine's in use by the worker.
    memory_used_bytes: int
    memory_total_bytes: int
    #: Utilisation of the GPU by all processes, reported by its driver: the share of the last
    #: moments in which it computed, 0 to 1, and the mean since the first epoch began. None if it is
    #: unknown, and on the CPU.
    utilisation: float | None = None
    utilisation_since_first: float | None = None


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """The sender's process is alive, whatever it is doing: a worker's or its coordinator's."""


@dataclass(frozen=True, kw_only=True)
class PopulationHalved:
    """Memory ran out: trials in training are dropped, and fewer train together from now on."""

    before: Capacity
    #: The smaller capacity; unchanged if it is minimal: one trial at a time from now on.
    capacity: Capacity
    #: Trials that were in training; they have to be dispatched again.
    put_back: tuple[Attempt, ...]
    #: The device's message.
    reason: str


@dataclass(frozen=True, kw_only=True)
class NetworkAnalysed:
    """The analysis process has finished with a network."""

    number: int
    #: None if it failed.
    analysis: NetworkAnalysis | None
    #: Why it failed.
    failure: str | None = None


@dataclass(frozen=True, kw_only=True)
class WorkerFailed:
    """A worker ends with an error that a user can fix: class and message of a SweepError."""

    error: str
    message: str


TrialEvent = EpochDone | TrialDone | TrialDiverged | TrialStopped | TrialFailed
Event = (
    Ready
    | TrialRequest
    | EpochsDone
    | TrialDone
    | TrialDiverged
    | TrialStopped
    | TrialFailed
    | PopulationHalved
    | NetworkAnalysed
    | WorkerStats
    | Heartbeat
    | WorkerFailed
)


@dataclass(frozen=True, kw_only=True)
class Train:
    """Queue these trials and train them, in this order, as capacity allows."""

    specs: tuple[TrialSpec, ...]


class JudgedEpoch(NamedTuple):
    """An epoch of an attempt that the pruner has judged."""

    number: int
    attempt: int
    epoch: int


@dataclass(frozen=True, kw_only=True)
class EpochsJudged:
    """The pruner has judged these epochs, and their trials continue; a pruned trial gets a Stop."""

    epochs: tuple[JudgedEpoch, ...]


@dataclass(frozen=True, kw_only=True)
class Stop:
    """End an attempt early. A trial whose last epoch is in training is not stopped."""

    number: int
    attempt: int
    reason: StopReason
    #: The last epoch to train; None for the one in training.
    last_epoch: int | None = None


@dataclass(frozen=True, kw_only=True)
class AnalyseNetwork:
    """Analyse the network of a trial; for the analysis process."""

    number: int
    #: Path of its weights file.
    weights: str
    #: CPU threads for torch.
    n_threads: int


@dataclass(frozen=True, kw_only=True)
class Shutdown:
    """Exit when the present trials have ended."""


Order = WorkerSetup | Train | EpochsJudged | Stop | AnalyseNetwork | Shutdown | Heartbeat
