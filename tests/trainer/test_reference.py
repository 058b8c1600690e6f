"""What is the reference trainer's alone; a trial's life in it is in test_training."""

import pytest
import torch

from sweep.enums import Activation, Loss, Optimizer, Output
from sweep.trainer import ReferenceTrainer
from sweep.trainer.losses import LOSSES
from sweep.trainer.model import ACTIVATIONS, OUTPUTS
from sweep.trainer.optimizers import OPTIMIZERS
from tests.support.trainer_factories import SHORT, make_data, make_spec, start


def test_every_word_of_a_study_file_is_registered() -> None:
    assert set(ACTIVATIONS) == set(Activation)
    assert set(OUTPUTS) == set(Output)
    assert set(LOSSES) == set(Loss)
    assert set(OPTIMIZERS) == set(Optimizer)


@pytest.mark.gpu
def test_a_gpu_trains_the_same_trial_as_the_cpu() -> None:
    device = torch.device("cuda")
    training = ReferenceTrainer(make_data(device=device), device).start(make_spec())
    other = start()
    for _ in range(SHORT.epochs):
        on_gpu, on_cpu = training.train_epoch()[0], other.train_epoch()[0]
        assert on_gpu.val_mse == pytest.approx(on_cpu.val_mse, rel=1e-4)
    assert training.result().results[0].test_mse == pytest.approx(
        other.result().results[0].test_mse, rel=1e-4
    )
