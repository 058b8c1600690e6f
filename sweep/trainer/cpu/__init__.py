"""The CPU trainer: gradients by hand, without autograd, in buffers that are allocated once.

Held equal to the reference trainer by tests, to rounding, and the default on CPUs.
"""

from sweep.trainer.cpu.trainer import CpuTrainer

__all__ = ["CpuTrainer"]
