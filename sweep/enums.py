"""Define the vocabulary of study files, database and pages as enums.

This module imports nothing of ours, so that every layer may use it.
"""

from enum import StrEnum


class Activation(StrEnum):
    """Activation of the hidden units."""

    LINEAR = "linear"
    RELU = "relu"
    LEAKY_RELU = "leaky_relu"
    ELU = "elu"
    GELU = "gelu"
    SILU = "silu"
    TANH = "tanh"
    SIGMOID = "sigmoid"
    MISH = "mish"


class Output(StrEnum):
    """Activation of the output units: a pixel in (0, 1), or any number."""

    SIGMOID = "sigmoid"
    LINEAR = "linear"


class Loss(StrEnum):
    """Training loss, averaged over pixels and examples. BCE needs the sigmoid output."""

    BCE = "bce"
    MSE = "mse"
    L1 = "l1"
    HUBER = "huber"


class Optimizer(StrEnum):
    """Families of update rules, each with its own settings."""

    SGD = "sgd"
    ADAM = "adam"
    ADAMW = "adamw"
    RMSPROP = "rmsprop"
    ADAGRAD = "adagrad"
    NADAM = "nadam"


class Schedule(StrEnum):
    """How the learning rate changes over a trial's steps."""

    CONSTANT = "constant"
    COSINE = "cosine"
    LINEAR_WARMUP = "linear_warmup"


class WeightInit(StrEnum):
    """Initialisation of the weights; biases are zero, except with TORCH_DEFAULT."""

    GLOROT_UNIFORM = "glorot_uniform"
    GLOROT_NORMAL = "glorot_normal"
    HE_UNIFORM = "he_uniform"
    HE_NORMAL = "he_normal"
    TORCH_DEFAULT = "torch_default"


class Noise(StrEnum):
    """Noise on the training inputs; the loss compares copies with the clean images."""

    NONE = "none"
    GAUSSIAN = "gaussian"
    MASKING = "masking"


class Sampler(StrEnum):
    """What proposes the next configuration."""

    TPE = "tpe"
    #: Optuna's own, fitted at every ask, for comparison.
    OPTUNA_TPE = "optuna:tpe"
    RANDOM = "random"
    GRID = "grid"
    QMC = "qmc"
    CMAES = "cmaes"
    GP = "gp"
    NSGA2 = "nsga2"


class Pruner(StrEnum):
    """What ends unpromising trials early."""

    NONE = "none"
    MEDIAN = "median"
    PERCENTILE = "percentile"
    SUCCESSIVE_HALVING = "successive_halving"
    HYPERBAND = "hyperband"


class Objective(StrEnum):
    """What a study minimises."""

    VAL_MSE = "val_mse"
    HIDDEN_WIDTH = "hidden_width"
    TRAIN_SECONDS = "train_seconds"


class Duplicates(StrEnum):
    """What to do with a configuration that has already been trained."""

    REUSE = "reuse"
    TRAIN = "train"


class Dataset(StrEnum):
    """Data sets known by name; a user's images are named by their path instead."""

    MNIST = "mnist"
    FASHION_MNIST = "fashion-mnist"
    FASHION_MNIST_MINI = "fashion-mnist-mini"
    KMNIST = "kmnist"
    EMNIST_DIGITS = "emnist-digits"


class Trainer(StrEnum):
    """How workers train: one trial at a time, or a population as one program."""

    #: A request, never the trainer in use: on a CPU it means ``CPU``; a GPU's worker chooses the
    #: fused trainer if the device passes its self-check and the reference trainer otherwise.
    AUTO = "auto"
    #: One trial at a time on the CPU, without autograd.
    CPU = "cpu"
    #: One trial at a time in plain PyTorch, on any device.
    REFERENCE = "reference"
    #: Needs a CUDA device.
    FUSED = "fused"


class Outcome(StrEnum):
    """How a trial's training ended; finer than Optuna's state."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    #: The loss or a weight became infinite or NaN: Optuna's FAIL, but not counted as a failure.
    DIVERGED = "diverged"
    FAILED = "failed"
    #: Not trained: the results of a trial with the same configuration, Optuna's COMPLETE.
    REUSED = "reused"
    #: Over the study's limit for a trial, Optuna's PRUNED: samplers learn from its curve.
    TIMED_OUT = "timed out"


class AblationMethod(StrEnum):
    """How an ablation analysis attributes a difference of errors to settings."""

    #: One group of settings after another.
    PATH = "path"
    #: Every combination of a few causes.
    FACTORIAL = "factorial"


class StudyPhase(StrEnum):
    """What a study's coordinator is doing, or how it ended."""

    NEW = "new"
    RUNNING = "running"
    PAUSED = "paused"
    #: A budget is used up; running trials continue to their end. Shown, not stored.
    ENDING = "ending"
    #: Training is complete; networks are still being analysed.
    ANALYSING = "analysing"
    FINISHED = "finished"
    #: By `sweep stop`.
    STOPPED = "stopped"
    #: By a signal, or because its coordinator died.
    INTERRUPTED = "interrupted"
    OUT_OF_TIME = "out of time"
    #: Too many trials failed, or the coordinator ended with an error.
    FAILED = "failed"


#: Phases of a study that a coordinator runs; without a live coordinator it was interrupted.
ACTIVE_PHASES = (StudyPhase.NEW, StudyPhase.RUNNING, StudyPhase.PAUSED, StudyPhase.ANALYSING)


class WorkerState(StrEnum):
    """What a worker is doing."""

    STARTING = "starting"
    READY = "ready"
    TRAINING = "training"
    GONE = "gone"


class EventKind(StrEnum):
    """What happens in a study and is stored for users, or logged."""

    ENDED = "ended"
    COORDINATOR_GONE = "coordinator gone"
    WORKER_GONE = "worker gone"
    DEVICE_LEFT_OUT = "device left out"
    #: A worker trains with the reference trainer although the fused trainer was preferred.
    FALLBACK = "reference trainer instead"
    POPULATION_HALVED = "population halved"
    TRIAL_FAILED = "trial failed"
    LATE_RESULT_REFUSED = "late result refused"
    MARK_REFUSED = "mark refused"
    ANALYSING = "analysing networks"
    NOT_ANALYSED = "network not analysed"
    #: A network cannot be analysed, and another attempt would fail too.
    CODE_NOT_FINITE = "code not finite"
    #: By `sweep doctor`.
    REPAIRED = "repaired"
    #: Logged, not stored.
    TRIAL_HANDED_OUT = "trial handed out"
    TRIAL_ENDED = "trial ended"


class StopReason(StrEnum):
    """Why a worker has to end a trial early, in the order of precedence."""

    #: Over the study's limit for a trial.
    TIMED_OUT = "timed out"
    PRUNED = "pruned"
    #: The study ends, or a user interrupts it; the trial waits for `sweep resume`.
    INTERRUPTED = "interrupted"
    #: The attempt is not current any more: a newer one was dispatched, or the trial has ended.
    SUPERSEDED = "superseded"


class CommandKind(StrEnum):
    """What a user may ask of a running coordinator, through the database."""

    PAUSE = "pause"
    CONTINUE = "continue"
    STOP = "stop"
    ENQUEUE = "enqueue"
    EXTEND = "extend"


class LauncherKind(StrEnum):
    """How workers are started: as processes of this machine, or by Ray on a cluster's hosts."""

    LOCAL = "local"
    RAY = "ray"
