"""A plain sweep script with Optuna and PyTorch, without ``sweep``.

    python benchmarks/plain_study.py images.npz configurations.json sqlite:///plain.db

The other side of ``python -m benchmarks.plain``, which writes the images (``train`` (N, D) and
``validation`` (M, D), uint8) and the configurations to train. It imports nothing of `sweep`.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
#: Losses of logits and pixels.
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bce": nn.functional.binary_cross_entropy_with_logits,
    "mse": lambda logits, pixels: nn.functional.mse_loss(logits.sigmoid(), pixels),
    "l1": lambda logits, pixels: nn.functional.l1_loss(logits.sigmoid(), pixels),
}
BATCH_SIZE = 128


class Autoencoder(nn.Module):
    """One hidden layer; ``forward`` returns logits."""

    def __init__(self, n_pixels: int, hidden_width: int, activation: str) -> None:
        super().__init__()
        self.encoder = nn.Linear(n_pixels, hidden_width)
        self.activation = ACTIVATIONS[activation]()
        self.decoder = nn.Linear(hidden_width, n_pixels)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.decoder(self.activation(self.encoder(pixels)))
        return logits


def suggest(trial: optuna.Trial, space: dict[str, tuple[float, float]]) -> dict[str, Any]:
    """Suggest a trial's settings; ``space`` has the lowest and highest value of each number."""
    optimizer = trial.suggest_categorical("optimizer", ["adam", "rmsprop", "sgd"])
    rate = f"{optimizer}.learning_rate"
    (narrowest, widest), (fewest, most) = space["hidden_width"], space["epochs"]
    return {
        "hidden_width": trial.suggest_int("hidden_width", int(narrowest), int(widest), log=True),
        "activation": trial.suggest_categorical("activation", list(ACTIVATIONS)),
        "loss": trial.suggest_categorical("loss", list(LOSSES)),
        "epochs": trial.suggest_int("epochs", int(fewest), int(most)),
        "optimizer": optimizer,
        "learning_rate": trial.suggest_float(rate, *space[rate], log=True),
    }


def make_optimizer(model: nn.Module, settings: dict[str, Any]) -> torch.optim.Optimizer:
    rate = settings["learning_rate"]
    match settings["optimizer"]:
        case "adam":
            return torch.optim.Adam(model.parameters(), lr=rate, eps=1e-7)
        case "rmsprop":
            return torch.optim.RMSprop(model.parameters(), lr=rate)
        case "sgd":
            return torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
        case other:
            raise ValueError(f"no optimizer {other!r}")


def train(
    trial: optuna.Trial, settings: dict[str, Any], train_images: Tensor, validation_images: Tensor
) -> float:
    """Train one network; return its error on the validation images."""
    torch.manual_seed(trial.number)
    loader = DataLoader(TensorDataset(train_images), batch_size=BATCH_SIZE, shuffle=True)
    model = Autoencoder(train_images.shape[1], settings["hidden_width"], settings["activation"])
    optimizer, loss_of = make_optimizer(model, settings), LOSSES[settings["loss"]]
    error = float("inf")
    for epoch in range(settings["epochs"]):
        model.train()
        for (pixels,) in loader:
            optimizer.zero_grad()
            loss_of(model(pixels), pixels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        model.eval()
        with torch.no_grad():
            copies = model(validation_images).sigmoid()
            error = float(nn.functional.mse_loss(copies, validation_images))
        trial.report(error, epoch + 1)
    return error


def main() -> None:
    images_file, configurations_file, storage = sys.argv[1:]
    with np.load(images_file) as images:
        parts = [torch.from_numpy(images[name]).float() / 255 for name in ("train", "validation")]
    todo = json.loads(Path(configurations_file).read_text())
    study = optuna.create_study(
        storage=storage,
        study_name="plain",
        sampler=optuna.samplers.TPESampler(n_startup_trials=8, seed=0),
    )
    for params in todo["configurations"]:
        study.enqueue_trial(params)
    study.optimize(
        lambda trial: train(trial, suggest(trial, todo["space"]), *parts),
        n_trials=len(todo["configurations"]),
    )
    print(f"best {study.best_value:.5f} (trial {study.best_trial.number})")


if __name__ == "__main__":
    main()
