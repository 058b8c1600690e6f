"""The CPU trainer: one trial at a time, its seeds one after another."""

from sweep.config import check_fast
from sweep.messages import TrialSpec
from sweep.trainer.cpu.step import ManualStep
from sweep.trainer.training import SingleTrialTrainer, Training


class CpuTrainer(SingleTrialTrainer):
    """Trains trials one after another, on data in main memory."""

    def start(self, spec: TrialSpec) -> Training:
        """Prepare a trial at epoch 0.

        Raises ValueError if only the reference trainer can train it.
        """
        check_fast(spec.config)
        return super().start(spec)

    def _step(self, spec: TrialSpec, seed: int) -> ManualStep:
        return ManualStep(spec.config, seed, self.data.train)
