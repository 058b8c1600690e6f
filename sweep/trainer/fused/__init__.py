"""The fused trainer: hundreds of different trials as one program. Imports torch and triton."""

from sweep.trainer.fused.memory import PopulationSize, Shape, population_size
from sweep.trainer.fused.population import Blocks
from sweep.trainer.fused.trainer import FusedTrainer, Launched

__all__ = [
    "Blocks",
    "FusedTrainer",
    "Launched",
    "PopulationSize",
    "Shape",
    "population_size",
]
