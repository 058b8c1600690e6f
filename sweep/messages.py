"""The messages between coordinator and workers, and the records that they carry.

Notation: a trial trains its configuration once per seed; a list "one a seed" is in the order of
``TrialSpec.seeds``. Errors are mean squared errors per pixel on the [0, 1] scale.
"""

from dataclasses import dataclass

from sweep.config import TrialConfig
from sweep.enums import Trainer


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """What a worker needs to train one trial."""

    #: Sequential within the study; what people say aloud.
    number: int
    #: How often this trial was handed out, from 1; results of an older attempt are refused.
    attempt: int
    config: TrialConfig
    #: One training run a seed; each seeds its weights and data order, so that the run comes out
    #: the same alone or among others.
    seeds: tuple[int, ...]
    #: Send weights and pictures when the mean validation error ends below this: the lowest so far
    #: of this width's class. Trainers of single trials always send pictures.
    keep_below: float = float("inf")
    #: Send weights and pictures whatever the error.
    keep_always: bool = False


@dataclass(frozen=True, kw_only=True)
class WorkloadEstimate:
    """What a study's trials will be like, as far as a population's memory depends on it."""

    mean_hidden_width: int
    max_hidden_width: int
    n_seeds: int
    max_batch_size: int
    #: Different ones: each has a population of its own, and its share of the memory.
    n_batch_sizes: int


@dataclass(frozen=True, kw_only=True)
class Room:
    """How much a worker trains at the same time, of one batch size; a slot is one seed's network.

    The defaults are the reference trainer's: one trial, whatever its width and seeds.
    """

    #: None where seeds are not counted, and trials are: one at a time.
    slots: int | None = None
    #: Hidden units of all slots together; each slot takes whole tiles of them.
    rows: int = 0
    tile_units: int = 1
    #: The device memory set aside for one such population.
    bytes: int = 0
    #: How many populations, each of another batch size, there is room for.
    n_populations: int = 1

    def rows_of(self, hidden_width: int) -> int:
        """What one network takes, in whole tiles."""
        return -(-hidden_width // self.tile_units) * self.tile_units


@dataclass(frozen=True, kw_only=True)
class WorkerSetup:
    """What a worker is told once, before its first trial."""

    #: A name of ``names.Dataset``, or the path of a folder of IDX files.
    dataset: str
    validation_fraction: float
    split_seed: int
    #: Wait for the verdict on epoch e before starting epoch e + 2.
    pruning: bool
    #: CPU threads for torch; None leaves torch's own choice.
    n_threads: int | None = None
    #: Use at most this many training images; None uses all of them.
    train_limit: int | None = None
    #: With ``AUTO`` the worker chooses, and says in Ready what it chose.
    trainer: Trainer = Trainer.CPU
    #: The fused trainer needs it.
    expected: WorkloadEstimate | None = None
    #: Slots of a population at most; None leaves it to the memory.
    max_slots: int | None = None
    #: That share a device's memory, this one included.
    n_workers_on_device: int = 1
    #: Without a sign of life of its coordinator for so long a worker ends; None is never.
    silence_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """One epoch of one seed."""

    #: Mean of the training loss over the epoch's batches, in that loss's own unit.
    train_loss: float
    val_mse: float
    #: Mean binary cross-entropy per pixel in nats; None where the output is not in (0, 1).
    val_bce: float | None
    #: Wall time of the epoch, validation included.
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """How one seed's network is after its last epoch, by the validation images."""

    #: Share of hidden units that no image makes positive; 0 for linear, tanh and sigmoid.
    dead_share: float
    #: Share of (unit, image) pairs far out on a bounded activation; 0 for unbounded ones.
    saturated_share: float
    #: Share of the squared error that is made where a sigmoid output is saturated far from its
    #: pixel; 0 for linear outputs.
    stuck_share: float
    #: Frobenius norms of the weights, biases left out.
    encoder_norm: float
    decoder_norm: float


@dataclass(frozen=True, kw_only=True)
class Decomposition:
    """What the first seed's network is made of after its last epoch: see trainer.decomposition."""

    #: Effective rank of the code's covariance over the validation images: of how many units the
    #: code makes use; 0 where the code never changes.
    code_rank: float
    #: Effective ranks of the weights, biases left out.
    encoder_rank: float
    decoder_rank: float
    #: Singular values of the linear map from image to copy, the largest first, as many as hidden
    #: units or pixels, whichever are fewer. None where activation or output is not linear.
    end_to_end: tuple[float, ...] | None


@dataclass(frozen=True, kw_only=True)
class Accuracies:
    """Shares of the test images whose label two simple classifiers tell."""

    #: Ridge regression.
    linear: float
    #: The vote of the nearest images.
    neighbours: float


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What the first seed's code tells of the labels, which it was not trained for.

    Beside it stands what other codes tell to the same classifiers: see trainer.probe.
    """

    code: Accuracies
    #: Of as many principal components as there are hidden units.
    pca: Accuracies
    pixels: Accuracies
    #: Of an image.
    n_pixels: int
    #: Images that the classifiers learnt from, and those they were measured on.
    n_train: int
    n_test: int


@dataclass(frozen=True, kw_only=True)
class NetworkAnalysis:
    """What the first seed's network is made of, and what its code tells of the labels.

    Both are None where the code is not finite.
    """

    decomposition: Decomposition | None
    probe: Probe | None


@dataclass(frozen=True, kw_only=True)
class TestMetrics:
    """The test set, measured once at the end of one seed's training."""

    __test__ = False  # not a pytest class

    test_mse: float
    #: None where the output is not in (0, 1).
    test_bce: float | None
    #: 10 log10(1 / test_mse), in dB.
    psnr: float
    #: Share of test pixels that come back as the same 8-bit value.
    exact_pixels: float
    #: Mean squared error of each class, in the order of the labels.
    per_class_mse: tuple[float, ...]
    n_parameters: int
    #: None until they are measured, on the validation images.
    diagnostics: Diagnostics | None = None


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A worker has its device and data and waits for trials."""

    device: str
    device_name: str
    torch_version: str
    #: SHA-256 over the pixels and labels in use, hexadecimal.
    data_sha256: str
    #: Strip of the ten originals, PNG, grey.
    originals_png: bytes
    #: Its trainer; never ``AUTO``.
    trainer: Trainer
    #: Why it is not the fused trainer, where ``AUTO`` was asked for: the reason, then a line for
    #: each difference that the self-check found too large.
    fallback_reason: str | None = None
    room: Room = Room()
    #: Of NVIDIA's driver; None on the CPU, and where it does not tell.
    driver_version: str | None = None
    #: Of Triton and of the assembler that it calls for this device, ptxas; None without the fused
    #: trainer.
    triton_version: str | None = None
    ptxas_version: str | None = None


@dataclass(frozen=True, kw_only=True)
class EpochDone:
    """Every seed of a trial has finished an epoch (counted from 1)."""

    number: int
    attempt: int
    epoch: int
    metrics: tuple[EpochMetrics, ...]


@dataclass(frozen=True, kw_only=True)
class EpochsDone:
    """An epoch of a whole population, told in one go: so that it is judged as a whole."""

    epochs: tuple[EpochDone, ...]


@dataclass(frozen=True, kw_only=True)
class TrialDone:
    """A trial trained to its last epoch."""

    number: int
    attempt: int
    results: tuple[TestMetrics, ...]
    train_seconds: float
    #: Strips of the ten test images as the first seed gives them back, and their absolute errors;
    #: None when the trial was not the best of its width.
    reconstructions_png: bytes | None
    errors_png: bytes | None
    #: safetensors of the first seed; None when the trial was not the best of its width.
    weights: bytes | None


@dataclass(frozen=True, kw_only=True)
class TrialDiverged:
    """Training stopped because a loss or a weight was no longer finite."""

    number: int
    attempt: int
    epoch: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class TrialLeft:
    """A trial left at the end of an epoch, because it was told to."""

    number: int
    attempt: int
    epoch: int


@dataclass(frozen=True, kw_only=True)
class TrialFailed:
    """A trial could not be trained; the worker lives on."""

    number: int
    attempt: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class WorkerStats:
    """How a worker fares, every few seconds: what of its device is in use."""

    #: Share of the time since the last ones in which it trained, 0 to 1.
    busy: float
    #: The same since its first epoch began; None until then.
    busy_since_first: float | None = None
    #: Slots in use: one a seed in a population, one a trial otherwise.
    n_training: int = 0
    #: Of the GPU, whoever uses it; on the CPU the worker's own, of the machine's.
    memory_used_bytes: int
    memory_total_bytes: int
    #: Of the GPU, whoever uses it, as its driver tells: the share of the last moments in which it
    #: computed, 0 to 1, and the mean of what was told since the first epoch began. None where it
    #: does not tell, and on the CPU.
    utilisation: float | None = None
    utilisation_since_first: float | None = None


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """A worker's process lives, whatever it is busy with; or, as an order, its coordinator's."""


@dataclass(frozen=True, kw_only=True)
class PopulationHalved:
    """The memory ran out: what trained is untrained, and less fits from now on."""

    before: Room
    room: Room
    #: Number and attempt of the trials that were in training; they are to be handed out again.
    put_back: tuple[tuple[int, int], ...]
    #: What the device said.
    reason: str


@dataclass(frozen=True, kw_only=True)
class WorkerFailed:
    """A worker cannot go on, for a reason that a user can mend (its error's class and message)."""

    error: str
    message: str


OfTrial = EpochDone | TrialDone | TrialDiverged | TrialLeft | TrialFailed
Event = OfTrial | EpochsDone | Ready | Heartbeat | WorkerStats | PopulationHalved | WorkerFailed


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train these trials, in this order, when there is room for them."""

    specs: tuple[TrialSpec, ...]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The coordinator has looked at this epoch; the trial goes on, or leaves."""

    number: int
    attempt: int
    epoch: int
    leave: bool


@dataclass(frozen=True, kw_only=True)
class Leave:
    """The trial leaves at the end of its present epoch, pruned or not; its last one may end it."""

    number: int
    attempt: int


@dataclass(frozen=True, kw_only=True)
class Shutdown:
    """No more trials: exit when the present ones are done."""


Order = WorkerSetup | Train | Verdict | Leave | Shutdown | Heartbeat
