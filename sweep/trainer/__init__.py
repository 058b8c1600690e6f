"""Data sets on the device, and training, without SQL and Optuna. Imports torch."""

from sweep.trainer.cpu import CpuTrainer
from sweep.trainer.data import DeviceData
from sweep.trainer.network_analysis import NetworkAnalyser
from sweep.trainer.randomness import data_order, initial_weights
from sweep.trainer.reference import ReferenceTrainer
from sweep.trainer.training import Diverged, Training
from sweep.trainer.weights import (
    ReconstructedImages,
    SavedModel,
    encode,
    load_model,
    reconstruct,
    trained_model,
)

__all__ = [
    "CpuTrainer",
    "DeviceData",
    "Diverged",
    "NetworkAnalyser",
    "ReconstructedImages",
    "ReferenceTrainer",
    "SavedModel",
    "Training",
    "data_order",
    "encode",
    "initial_weights",
    "load_model",
    "reconstruct",
    "trained_model",
]
