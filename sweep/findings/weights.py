"""Read weights that a study has kept, and write the files of a trained network."""

from shlex import quote

from sweep.analysis.verdict import counts
from sweep.errors import DataError, NotFoundError
from sweep.files import file_name
from sweep.models.code import keras_code, pytorch_code
from sweep.models.header import read_metadata
from sweep.store.artifacts import read_artifact
from sweep.store.handle import StudyHandle

_SHOWN_NUMBERS = 12


def read_weights(study: StudyHandle, number: int) -> bytes:
    """Return the weights file of a trial. Raises NotFoundError if it was not kept."""
    artifact_id = study.trial(number).artifact_id
    if artifact_id is None:
        raise NotFoundError(no_weights(study, number))
    return read_artifact(study.engine.url, artifact_id)


def number_or_best_kept(study: StudyHandle, number: int | None) -> int:
    """Return the number, or without one that of the best trial whose weights are kept.

    Raises NotFoundError if none are.
    """
    if number is not None:
        return number
    rows = filter(counts, study.trials(study.trials_with_weights()))
    best = min(rows, key=lambda row: (row.value, row.number), default=None)
    if best is None:
        raise NotFoundError(
            f"study '{study.name}' has no weights: those of the best trial of each width are kept "
            f"when it ends. `sweep status {quote(study.name)}` shows how the study is."
        )
    return best.number


def no_weights(study: StudyHandle, number: int) -> str:
    """Return a message for a trial whose weights were not kept, with those that were."""
    kept = study.trials_with_weights()
    more = " …" if len(kept) > _SHOWN_NUMBERS else ""
    listed = ", ".join(map(str, kept[:_SHOWN_NUMBERS])) + more
    others = f"Kept: trials {listed}." if kept else "No trial of the study has its weights kept."
    return f"the weights of trial {number} of study '{study.name}' were not kept. {others}"


def command_to_train(study: str, number: int) -> str:
    """Return the command that trains a trial again and writes its weights."""
    return f"sweep model {quote(study)} {number} --train"


def model_files(study: StudyHandle, number: int, weights: bytes | None = None) -> dict[str, bytes]:
    """Return the weights of a trial and programs that load them, by the names of their files.

    In this order: safetensors, PyTorch, Keras. ``weights`` are by default those that were kept.
    Raises NotFoundError if none were kept, and DataError if they are damaged.
    """
    weights = read_weights(study, number) if weights is None else weights
    try:
        metadata = read_metadata(weights)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"the weights of trial {number} are damaged: {error}.") from error
    stem, whose = f"{file_name(study.name)}-{number}", f"Trial {number} of study '{study.name}'"
    file = f"{stem}.safetensors"
    return {
        file: weights,
        f"{stem}.py": pytorch_code(metadata, whose=whose, file=file).encode(),
        f"{stem}-keras.py": keras_code(metadata, whose=whose, file=file).encode(),
    }
