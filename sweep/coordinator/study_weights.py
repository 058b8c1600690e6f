"""Manage the weights files of a study: the best trial of each width class keeps its file."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from shlex import quote

from optuna.artifacts import ArtifactMeta

from sweep.coordinator.running_trial import RunningTrial
from sweep.errors import NoRoomError
from sweep.store.artifacts import ATTRIBUTE, write_artifact
from sweep.store.kept_weights import KeptWeights, due, superseded_weights
from sweep.store.recording import RecordingStorage
from sweep.store.study import OpenStudy


class StudyWeights:
    """Writer of weights files, which also drops those that are no longer needed.

    A file is dropped when a better trial of its width class has one. If the study asks for an
    analysis of every network, it is dropped only after its network is analysed.
    """

    def __init__(self, opened: OpenStudy, folder: Path, *, until_analysed: bool) -> None:
        self.folder = folder
        self._study = opened.name
        self._storage: RecordingStorage = opened.storage
        self._writer = opened.writer
        self._until_analysed = until_analysed
        self._invalid = opened.invalid
        self._kept = {one.number: one for one in opened.kept_weights}
        #: None after a change. Thousands may wait, and every tick asks for them.
        self._due: list[KeptWeights] | None = None
        self._drop_superseded()  # what a dead coordinator had yet to drop

    @property
    def due(self) -> Sequence[KeptWeights]:
        """List the networks to be analysed, in order."""
        if self._due is None:
            self._due = due(self._kept.values())
        return self._due

    def keep(self, trial: RunningTrial, weights: bytes) -> str:
        """Write a running trial's weights as an artifact of Optuna's; return its id.

        Raises NoRoomError if the file cannot be written.
        """
        # Before tell: Optuna attaches nothing to a finished trial. Like its upload_artifact, but in
        # another order: a file that cannot be written leaves no attribute that names it.
        number = trial.number
        try:
            artifact_id = write_artifact(self.folder, self._study, number, weights)
        except OSError as error:
            raise NoRoomError(
                f"{error.filename or self.folder}: {error.strerror}; trial {number}'s weights were "
                "not saved. Free some disk space, or set SWEEP_ARTIFACTS to another folder; then "
                f"continue with `sweep resume {quote(self._study)}`."
            ) from error
        about = ArtifactMeta(
            artifact_id=artifact_id,
            filename=artifact_id,
            mimetype="application/octet-stream",
            encoding=None,
        )
        attribute = ATTRIBUTE + artifact_id
        self._storage.set_trial_system_attr(number, attribute, json.dumps(asdict(about)))
        self._kept[number] = KeptWeights(
            number=number,
            artifact_id=artifact_id,
            hidden_width=trial.spec.config.hidden_width,
            val_mse=trial.val_mse,
            is_invalid=number in self._invalid,
        )
        self._due = None
        self._drop_superseded(new=number)
        return artifact_id

    def mark_analysed(self, number: int) -> None:
        """Record that a network's analysis is done."""
        if number in self._kept:
            self._kept[number] = replace(self._kept[number], is_analysed=True)
            self._due = None
            self._drop_superseded()

    def mark_invalid(self, invalid: frozenset[int]) -> None:
        """Record that exactly these trials are marked invalid."""
        self._invalid = invalid
        self._kept = {
            number: replace(one, is_invalid=number in invalid) for number, one in self._kept.items()
        }
        self._due = None

    def _drop_superseded(self, *, new: int | None = None) -> None:
        """Drop the files that are not needed; after ``new``, those that it supersedes."""
        kept = [*self._kept.values()]
        if new is not None and self._until_analysed:  # those that wait are not affected
            kept = [one for one in kept if one.is_analysed or one.number == new]
        for one in superseded_weights(kept, until_analysed=self._until_analysed):
            del self._kept[one.number]
            self._writer.rows.dropped_weights[one.number] = one.artifact_id
