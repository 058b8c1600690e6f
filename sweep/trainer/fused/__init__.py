"""The fused trainer: hundreds of different trials as one program. Imports torch and triton."""

from sweep.trainer.fused.memory import PopulationSize, Shape, population_size
from sweep.trainer.fused.population import Blocks
from sweep.trainer.fused.selfcheck import Difference, check_kernels, compare_trainers
from sweep.trainer.fused.trainer import FusedTrainer, Launched
from sweep.trainer.fused.versions import compiler_versions, is_interpreted

__all__ = [
    "Blocks",
    "Difference",
    "FusedTrainer",
    "Launched",
    "PopulationSize",
    "Shape",
    "check_kernels",
    "compare_trainers",
    "compiler_versions",
    "is_interpreted",
    "population_size",
]
