"""Trials that train one after another."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.contestants.contestant import Epoch, Start
from sweep.config import TrialConfig
from sweep.messages import TrialSpec
from sweep.trainer import DeviceData, ReferenceTrainer, initial_weights
from sweep.trainer.data import as_floats
from sweep.trainer.fused.graphs import repeatable
from sweep.trainer.losses import LOSSES
from sweep.trainer.model import Autoencoder
from sweep.trainer.optimizers import adam


def in_turn(start: Callable[[TrialSpec, DeviceData, torch.device], Epoch]) -> Start:
    """Start separate trials; each epoch of ``start`` trains one of them."""

    def start_all(trials: Sequence[TrialSpec], data: DeviceData, device: torch.device) -> Epoch:
        epochs = [start(trial, data, device) for trial in trials]

        def epoch(orders: Tensor | None) -> list[float]:
            rows = [None] * len(epochs) if orders is None else orders.split(1)
            return [loss for train, row in zip(epochs, rows, strict=True) for loss in train(row)]

        return epoch

    return start_all


class Pictures(Dataset[tuple[Tensor, int]]):
    """Data set with the items of ``torchvision.datasets.FashionMNIST`` and ``ToTensor``."""

    def __init__(self, images: Tensor) -> None:
        from PIL import Image
        from torchvision.transforms import ToTensor

        self.images = images
        self.picture = Image.fromarray
        self.transform = ToTensor()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.picture(self.images[index].numpy())), 0


def tutorial(trial: TrialSpec, data: DeviceData, device: torch.device, n_workers: int) -> Epoch:
    """Train in the usual PyTorch training loop."""
    config, order = trial.config, []  # type: tuple[TrialConfig, list[int]]
    pictures = Pictures(data.train.reshape(-1, *data.shape.array_shape).cpu())
    loader = DataLoader(
        pictures,
        batch_size=config.batch_size,
        sampler=order,
        num_workers=n_workers,
        persistent_workers=n_workers > 0,
    )
    model = _model(trial, data, device)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)

    def epoch(orders: Tensor | None) -> list[float]:
        assert orders is not None
        order[:] = orders[0].tolist()
        total = 0.0
        for batch, _ in loader:
            total += _learn(model, optimizer, batch.to(device).flatten(1), config).item()
        return [total / len(loader)]

    return epoch


def eager(trial: TrialSpec, data: DeviceData, device: torch.device) -> Epoch:
    config = trial.config
    model = _model(trial, data, device)
    optimizer = adam(model.parameters(), config)

    def epoch(orders: Tensor | None) -> list[float]:
        assert orders is not None
        losses = [
            _learn(model, optimizer, as_floats(data.train[rows]), config)
            for rows in orders[0].split(config.batch_size)
        ]
        return [torch.stack(losses).mean().item()]

    return epoch


def graph(trial: TrialSpec, data: DeviceData, device: torch.device) -> Epoch:
    config = trial.config
    model = _model(trial, data, device)
    first_weights = [weight.detach().clone() for weight in model.parameters()]
    optimizer = torch.optim.Adam(
        model.parameters(), lr=config.learning_rate, fused=True, capturable=True
    )
    order = torch.zeros(len(data.train), dtype=torch.int32, device=device)
    in_batch = torch.arange(config.batch_size, device=device)
    position, total = torch.zeros_like(in_batch[0]), torch.zeros((), device=device)

    def step() -> None:
        pixels = as_floats(data.train[order[position + in_batch]])
        total.add_(_learn(model, optimizer, pixels, config))
        position.add_(config.batch_size)

    replay = repeatable(step, device)
    _start_over(model, first_weights, optimizer)

    def epoch(orders: Tensor | None) -> list[float]:
        assert orders is not None
        order.copy_(orders[0])
        position.zero_()
        total.zero_()
        n_steps = len(order) // config.batch_size
        for _ in range(n_steps):
            replay()
        return [total.item() / n_steps]

    return epoch


@torch.no_grad()
def _start_over(
    model: nn.Module, first_weights: list[Tensor], optimizer: torch.optim.Optimizer
) -> None:
    """Undo the steps that capturing took."""
    for weight, first in zip(model.parameters(), first_weights, strict=True):
        weight.copy_(first)
    for state in optimizer.state.values():
        for moment in state.values():
            moment.zero_()


def reference(trial: TrialSpec, data: DeviceData, device: torch.device) -> Epoch:
    training = ReferenceTrainer(data, device).start(trial)

    def epoch(_: Tensor | None) -> list[float]:
        return [metrics.train_loss for metrics in training.train_epoch()]

    return epoch


def _model(trial: TrialSpec, data: DeviceData, device: torch.device) -> Autoencoder:
    weights = initial_weights(trial.config, data.n_inputs, trial.seeds[0])
    return Autoencoder(trial.config, weights.layers, device)


def _learn(
    model: nn.Module, optimizer: torch.optim.Optimizer, pixels: Tensor, config: TrialConfig
) -> Tensor:
    optimizer.zero_grad(set_to_none=True)
    loss = LOSSES[config.loss](model(pixels), pixels, config)
    loss.backward()
    optimizer.step()
    return loss.detach()
