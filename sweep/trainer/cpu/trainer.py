"""The CPU trainer: one trial at a time, its seeds one after another."""

from sweep.messages import TrialSpec
from sweep.trainer.cpu.step import ManualStep
from sweep.trainer.training import SingleTrialTrainer


class CpuTrainer(SingleTrialTrainer):
    """Trains trials one after another, on data in main memory."""

    def _step(self, spec: TrialSpec, seed: int) -> ManualStep:
        return ManualStep(spec.config, seed, self.data.train)
