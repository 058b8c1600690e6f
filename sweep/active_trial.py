"""A trial that trains in a population: the state that its trainer and its worker share."""

from dataclasses import dataclass

from sweep.messages import TrialSpec


@dataclass(kw_only=True, eq=False)
class ActiveTrial:
    """A trial from its admission to its release.

    The trainer counts epochs, the session verdicts.
    """

    spec: TrialSpec
    #: Epochs that the device was asked for, and those that were collected.
    launched: int = 0
    epoch: int = 0
    #: Whether it ends before its last epoch: no more are launched.
    stopped: bool = False
    #: The last epoch with a verdict, and the one after which the trial is to leave.
    judged: int = 0
    leave_after: int | None = None

    @property
    def goes_on(self) -> bool:
        """Whether there is an epoch to launch."""
        return not self.stopped and self.launched < self.spec.config.epochs

    @property
    def is_collected(self) -> bool:
        """Whether nothing that was launched is still to come."""
        return self.epoch == self.launched

    @property
    def awaits_verdict(self) -> bool:
        """Whether the epoch before the one that the device works on has no verdict yet."""
        return self.goes_on and self.judged < self.launched - 1

    @property
    def is_to_leave(self) -> bool:
        return self.leave_after is not None and self.leave_after < self.launched
