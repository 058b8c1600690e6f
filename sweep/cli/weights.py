"""Weights that a study has kept, as commands and the API ask for them."""

from shlex import quote
from typing import TYPE_CHECKING

from sweep.errors import NotFoundError

if TYPE_CHECKING:
    from sweep.store.handle import StudyHandle

_SHOWN_NUMBERS = 12


def read_weights(study: "StudyHandle", number: int) -> bytes:
    """Return the weights file of a trial. Raises NotFoundError where it was not kept."""
    from sweep.store.artifacts import read_artifact

    artifact_id = study.trial(number).artifact_id
    if artifact_id is None:
        raise NotFoundError(no_weights(study, number))
    return read_artifact(study.engine.url, artifact_id)


def best_with_weights(study: "StudyHandle") -> int:
    """Return the number of the best trial whose weights are kept. Raises NotFoundError without."""
    import numpy as np

    from sweep.analysis.verdict import best_number

    table = study.table()
    best = best_number(table.where(np.isin(table.numbers, study.trials_with_weights())))
    if best is None:
        raise NotFoundError(
            f"study '{study.name}' has no weights: those of the best trial of each width are kept "
            f"when it ends. `sweep status {quote(study.name)}` shows how the study is."
        )
    return best


def no_weights(study: "StudyHandle", number: int) -> str:
    """Return a message for a trial whose weights were not kept, with those that were."""
    kept = study.trials_with_weights()
    more = " …" if len(kept) > _SHOWN_NUMBERS else ""
    listed = ", ".join(map(str, kept[:_SHOWN_NUMBERS])) + more
    others = f"Kept: trials {listed}." if kept else "No trial of the study has its weights kept."
    return f"the weights of trial {number} of study '{study.name}' were not kept. {others}"
