"""The reference trainer: one trial at a time in plain PyTorch, on any device."""

import torch
from torch import Tensor

from sweep.config import TrialConfig
from sweep.messages import TrialSpec
from sweep.trainer.data import DeviceData, as_floats
from sweep.trainer.losses import LOSSES
from sweep.trainer.model import Autoencoder
from sweep.trainer.noise import NOISES
from sweep.trainer.optimizers import OPTIMIZERS
from sweep.trainer.randomness import initial_layers, noise_generator
from sweep.trainer.training import SingleTrialTrainer


class ReferenceTrainer(SingleTrialTrainer):
    """Trains trials one after another on a device that holds the data."""

    def __init__(self, data: DeviceData, device: torch.device) -> None:
        super().__init__(data)
        self.device = device

    def _step(self, spec: TrialSpec, seed: int) -> "AutogradStep":
        return AutogradStep(spec.config, seed, self.data.train, self.device)


class AutogradStep:
    """Training step by autograd and torch.optim."""

    def __init__(
        self,
        config: TrialConfig,
        seed: int,
        images: Tensor,  # (N, D) uint8
        device: torch.device,
    ) -> None:
        self.model = Autoencoder(config, initial_layers(config, images.shape[1], seed), device)
        self._config = config
        self._images = images
        self._loss = LOSSES[config.loss]
        self._corrupt = NOISES[config.noise]
        self._noise = noise_generator(seed)
        self._optimizer = OPTIMIZERS[config.optimizer](self.model.parameters(), config)

    def __call__(self, rows: Tensor, learning_rate: float) -> Tensor:
        """Update the parameters; return the mean loss before that, a scalar on the device."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        pixels = as_floats(self._images[rows])
        inputs = self._corrupt(pixels, self._config, self._noise)
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._loss(self.model(inputs), pixels, self._config)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.detach()
