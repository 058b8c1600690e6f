"""Track a trial in training: the state that its trainer and its worker's session share."""

from dataclasses import dataclass

from sweep.messages import TrialSpec


@dataclass(kw_only=True, eq=False)
class ActiveTrial:
    """A trial from its admission to its end.

    The trainer counts epochs; the session records what the coordinator ordered.
    """

    spec: TrialSpec
    #: Epochs that were launched on the device, and those that were collected.
    launched: int = 0
    epoch: int = 0
    #: Whether it ends before its last epoch: no more are launched.
    stopped: bool = False
    #: The last epoch that the pruner has judged.
    judged: int = 0
    #: The last epoch to train if the coordinator has stopped it.
    last_epoch: int | None = None

    @property
    def goes_on(self) -> bool:
        """Whether there is an epoch to launch."""
        return not self.stopped and self.launched < self.spec.config.epochs

    @property
    def is_collected(self) -> bool:
        """Whether all launched epochs are collected."""
        return self.epoch == self.launched

    @property
    def is_due_to_stop(self) -> bool:
        """Whether the coordinator has stopped it, and no further epoch may be launched."""
        return self.goes_on and self.last_epoch is not None and self.launched >= self.last_epoch

    @property
    def awaits_judgement(self) -> bool:
        """Whether the next launch has to wait until the epoch before the last one is judged."""
        return self.goes_on and not self.is_due_to_stop and self.judged < self.launched - 1

    def stop_after(self, epoch: int | None) -> None:
        """Train no epoch after this one; with None, none after those already launched."""
        last = self.launched if epoch is None else epoch
        self.last_epoch = last if self.last_epoch is None else min(self.last_epoch, last)
