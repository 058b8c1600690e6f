"""The fused trainer: hundreds of different trials as one program. Imports torch and triton.

Its modules:

    trainer        trials in, epochs launched and collected, results out
    trials         a trial in the population
    results        metrics, pictures and saved weights from a slot's numbers
    population     the launches of a training step and of a measurement
    steps          training steps, as CUDA graphs on a GPU
    graphs         repeated launches as CUDA graphs
    launches       one kernel: arguments bound by name, its grid and sizes
    kernel_config  block sizes and compiler options
    kernels        the Triton kernels
    arrays         the population's memory on the device
    table_rows     a trial's configuration as rows of the kernels' tables
    schedule       tiles and slots that a launch works on
    layout         free slots and tiles
    row_weights    a slot's weights in the device's layout
    draws          data orders and initial weights, drawn in threads
    memory         how many slots and rows fit
    transfers      copies that do not wait for the device
    compiling      parallel compilation of all kernels before the first launch
    selfcheck      comparison of the fused with the reference trainer
    checks         preconditions: devices, data and trials that are refused
    device_time    device time of launches
    versions       versions of Triton and ptxas
"""

from sweep.trainer.fused.checks import check_images
from sweep.trainer.fused.kernel_config import KernelConfig
from sweep.trainer.fused.memory import PopulationSize, Shape, population_size
from sweep.trainer.fused.selfcheck import TrainerDifference, check_kernels, compare_trainers
from sweep.trainer.fused.trainer import FusedTrainer, Launched
from sweep.trainer.fused.versions import compiler_versions, is_interpreted

__all__ = [
    "FusedTrainer",
    "KernelConfig",
    "Launched",
    "PopulationSize",
    "Shape",
    "TrainerDifference",
    "check_images",
    "check_kernels",
    "compare_trainers",
    "compiler_versions",
    "is_interpreted",
    "population_size",
]
