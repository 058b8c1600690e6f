"""The fused trainer: hundreds of different trials as one program. Imports torch and triton.

Its modules:

    trainer        trials in, epochs launched and collected, results out
    trials         a trial in the population
    results        what the host makes of a slot's numbers
    population     the launches of a training step and of a measurement
    graphs         launches that are repeated as they are, as CUDA graphs
    launches       one kernel: arguments bound by name, its grid and sizes
    kernel_config  the sizes of blocks, and options of the compiler
    kernels        what runs on the device
    arrays         the population's memory on the device
    table_rows     a trial's configuration as rows of the kernels' tables
    schedule       which tiles and slots a launch works on
    layout         free slots and tiles
    row_weights    a slot's weights as the device has them
    draws          data orders and first weights, drawn in threads
    memory         how many slots and rows fit
    transfers      copies that do not wait for the device
    compiling      every kernel compiled at once, ahead of the first launch
    selfcheck      both trainers compared on this device
    checks         what the trainer refuses
    device_time    how long the device works
    versions       which compilers there are
"""

from sweep.trainer.fused.checks import check_images
from sweep.trainer.fused.kernel_config import KernelConfig
from sweep.trainer.fused.memory import PopulationSize, Shape, population_size
from sweep.trainer.fused.selfcheck import Difference, check_kernels, compare_trainers
from sweep.trainer.fused.trainer import FusedTrainer, Launched
from sweep.trainer.fused.versions import compiler_versions, is_interpreted

__all__ = [
    "Difference",
    "FusedTrainer",
    "KernelConfig",
    "Launched",
    "PopulationSize",
    "Shape",
    "check_images",
    "check_kernels",
    "compare_trainers",
    "compiler_versions",
    "is_interpreted",
    "population_size",
]
