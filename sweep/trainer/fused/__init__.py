"""The fused trainer: hundreds of different trials as one program. Imports torch and triton."""

from sweep.trainer.fused.memory import PopulationSize, Shape, population_size
from sweep.trainer.fused.population import Blocks
from sweep.trainer.fused.selfcheck import check_kernels
from sweep.trainer.fused.trainer import FusedTrainer, Launched

__all__ = [
    "Blocks",
    "FusedTrainer",
    "Launched",
    "PopulationSize",
    "Shape",
    "check_kernels",
    "population_size",
]
