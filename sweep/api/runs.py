"""Run a study from a notebook or a script."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep import datasets, studyfile
from sweep.api.study import Study
from sweep.cli.output import say
from sweep.cli.run_options import run_options
from sweep.enums import Trainer
from sweep.errors import UsageError
from sweep.launch.resources import start_ahead

if TYPE_CHECKING:
    from sweep.coordinator.progress import Observer, Progress


def run(
    file: str | PathLike[str],
    *,
    data: Any = None,
    storage: str | None = None,
    name: str | None = None,
    overrides: str | Sequence[str] = (),
    resume: bool = False,
    gpus: str | None = None,
    workers: int | None = None,
    trainer: str = "auto",
) -> Study:
    """Create a study from a study file, run it to its end and return it.

    It shows a progress bar in a terminal and in a notebook, a line every few seconds elsewhere. An
    interrupt ends it after the current epoch and keeps the results.

    ``data`` replaces the file's ``data.name``: ``(train, test)``, or images that are not divided,
    of which a fifth is then held out for tests. Each is a numpy array or a torch tensor of images,
    a pair of such images and their labels, or a torch ``Dataset``. They are written once to the
    folder of data sets, so that workers, and ``sweep resume``, find them.

    ``overrides`` are those of ``--set``, such as ``budget.trials=50``, one or a list; ``resume``
    continues an existing study of that name. ``storage``, ``gpus``, ``workers`` and ``trainer`` are
    as for ``sweep start``. Raises StudyFileError with every problem of the file, DataError for
    unusable images, UsageError if the name is taken, StudyHeldError while another process runs it,
    FailureLimitError if too many trials failed.
    """
    named = [] if name is None else [f"study.name={json.dumps(name)}"]
    given = [] if data is None else [f"data.name={json.dumps(_write_images(data))}"]
    changes = [overrides] if isinstance(overrides, str) else overrides
    study_file = studyfile.load(Path(file), [*changes, *named, *given])
    if trainer not in list(Trainer):
        raise UsageError(f"unknown trainer {trainer!r}. Known: {', '.join(Trainer)}.")
    options = run_options(gpus=gpus, workers=workers, trainer=Trainer(trainer))
    with start_ahead(study_file, options, is_resumed=resume) as resources:
        from sweep.coordinator import run as coordinator  # Optuna, while the workers load torch
        from sweep.store.handle import open_study
        from sweep.store.migrate import open_store

        engine = open_store(storage, create=True)
        with _show_progress() as observe:
            coordinator.start(
                engine,
                study_file,
                options,
                observe,
                say=say,
                go_on=resume,
                resources=resources,
            )
    return Study(open_study(engine, study_file.study.name))


def _write_images(data: Any) -> str:
    """Write images to the folder of data sets; return their path."""
    return str(datasets.write_copy(datasets.images_given(data)).absolute())


@contextmanager
def _show_progress() -> "Iterator[Observer]":
    if in_notebook():
        yield NotebookBar()
        return
    from sweep.cli.progress import progress

    with progress() as observe:
        yield observe


def in_notebook() -> bool:
    """Return whether this code runs in a notebook's kernel."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


class NotebookBar:
    """Observer that shows a progress bar below the cell; needs no ipywidgets."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html = HTML
        self._display = display(HTML(""), display_id=True)
        self._shown = ""

    def __call__(self, state: "Progress") -> None:
        """Show the study's state."""
        from sweep.cli.progress import line

        bar = f"<progress value='{state.n_finished}' max='{state.n_trials}'></progress>"
        html = f"{bar} {escape(state.name)}: {escape(state.message or line(state))}"
        if html != self._shown:
            self._shown = html
            self._display.update(self._html(html))
