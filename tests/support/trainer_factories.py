"""Small data and short trials for tests of training; imports torch."""

from collections.abc import Callable
from dataclasses import replace

import torch

from sweep.config import TrialConfig
from sweep.datasets import Images
from sweep.enums import Trainer
from sweep.messages import NetworkAnalysis, TrialSpec, WorkerSetup
from sweep.trainer import CpuTrainer, DeviceData, NetworkAnalyser, ReferenceTrainer, Training
from sweep.trainer.spectrum import with_spectrum
from tests.support.factories import make_images

CPU = torch.device("cpu")

Start = Callable[..., Training]

# Tiny models gain nothing from threads, and lose much where other processes want the cores.
torch.set_num_threads(1)

#: A configuration that trains in milliseconds; ``replace`` what a test is about.
SHORT = TrialConfig(hidden_width=8, epochs=2, batch_size=32, learning_rate=0.01)


def make_setup(**changes: object) -> WorkerSetup:
    """A worker's setup for ``make_images``: 96 images to train on, 24 to validate on."""
    setup = WorkerSetup(dataset="tiny", validation_fraction=0.2, split_seed=0, pruning=False)
    return replace(setup, **changes)  # type: ignore[arg-type]


def make_data(
    images: Images | None = None, device: torch.device = CPU, **changes: object
) -> DeviceData:
    """``make_images`` on a device, with the basis of their error spectrum."""
    return with_spectrum(DeviceData.load(images or make_images(), make_setup(**changes), device))


def make_spec(config: TrialConfig = SHORT, **changes: object) -> TrialSpec:
    """A trial of one seed."""
    spec = TrialSpec(number=3, attempt=1, config=config, seeds=(7,))
    return replace(spec, **changes)  # type: ignore[arg-type]


def start(
    config: TrialConfig = SHORT,
    data: DeviceData | None = None,
    trainer: Trainer = Trainer.REFERENCE,
    **spec: object,
) -> Training:
    """A trial at epoch 0, where its data are."""
    data = data or make_data()
    is_cpus = trainer is Trainer.CPU
    made = CpuTrainer(data) if is_cpus else ReferenceTrainer(data, data.train.device)
    return made.start(make_spec(config, **spec))


def train(
    config: TrialConfig = SHORT,
    data: DeviceData | None = None,
    trainer: Trainer = Trainer.REFERENCE,
    **spec: object,
) -> Training:
    """A trial trained to its last epoch."""
    training = start(config, data, trainer, **spec)
    while not training.finished:
        training.train_epoch()
    return training


def analyse(weights: bytes | None, data: DeviceData) -> NetworkAnalysis:
    """The analysis of a network that was trained on these data."""
    (found,) = analyse_all(data, weights)
    return found


def analyse_all(data: DeviceData, *weights: bytes | None) -> list[NetworkAnalysis]:
    """The analyses of networks; only the first of each width has what it is compared with."""
    analyser = NetworkAnalyser(data.to(CPU))
    return [analyser.analyse(of) for of in weights if of is not None]
