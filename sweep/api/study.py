"""Present a study to notebooks and scripts."""

from collections.abc import Collection, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.analysis.spectrum import held_bands
from sweep.analysis.strips import images_of
from sweep.analysis.study_floors import study_floors
from sweep.cli import words
from sweep.errors import NotFoundError
from sweep.extras import require_torch
from sweep.findings.progress import study_status
from sweep.findings.weights import number_or_best_kept, read_weights
from sweep.store.frames import make_frame
from sweep.store.handle import StudyHandle
from sweep.store.records import STATES, StudySummary, TrialDetail
from sweep.store.trial_columns import trial_columns

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from sweep.findings.study import StudyFindings
    from sweep.findings.trial import TrialFindings
    from sweep.trainer.model import TrainedAutoencoder


class Reconstructions(NamedTuple):
    """The ten test images of a study and a trial's copies of them: arrays (10, height, width)."""

    #: 8-bit pixels.
    originals: NDArray[np.uint8]
    copies: NDArray[np.uint8]
    #: Absolute errors: 0 is none, 255 half of the scale or more.
    errors: NDArray[np.uint8]


class Study:
    """One study of a database, read-only; use it while the study is running.

    Every call reads the present state. Raises NotFoundError if the study was deleted.
    """

    def __init__(self, handle: StudyHandle) -> None:
        self._handle = handle

    @property
    def name(self) -> str:
        """The study's name."""
        return self._handle.name

    def summary(self) -> StudySummary:
        """Return its phase, counts of trials, best value and coordinator as a record."""
        return self._handle.summary()

    def trials(self) -> Any:
        """Return all trials as a data frame, one row per trial, with the columns of the CSV export.

        Searched settings are columns ``params_SETTING``. Raises SweepError if neither pandas nor
        polars is installed; so do all methods that return a frame.
        """
        return make_frame(trial_columns(self._current().trials()))

    def best(self, n: int = 10) -> Any:
        """Return the ``n`` best trials, lowest value first, with the columns of ``trials``.

        Only complete trials that are not marked invalid; with several objectives, the Pareto set.
        """
        return make_frame(trial_columns(self._current().best(n)))

    def curves(self, numbers: Collection[int] | None = None) -> Any:
        """Return learning curves as a data frame, one row per epoch of a trial.

        Without ``numbers``, the curves of all trials. Columns: ``number`` of the trial, ``epoch``
        from 1, ``train_loss``, ``val_mse``, ``val_bce`` and ``seconds``, each the mean over the
        seeds.
        """
        found = self._current().curves(numbers)
        points = [(number, point) for number, curve in found.items() for point in curve]
        columns = {name: [getattr(of, name) for _, of in points] for name in _CURVE}
        return make_frame({"number": [number for number, _ in points], **columns})

    def spectra(self, numbers: Collection[int] | None = None) -> Any:
        """Return error spectra as a data frame, one row per band of an epoch of a trial.

        Columns: ``number`` of the trial, ``epoch``, ``first_component`` and ``last_component`` of
        the band (the widest is 1), the mean ``variance`` of the images along them, ``error`` (mean
        squared, per pixel; bands add up to the validation error of the images measured) and the
        share of the variance still ``missing``. Means over the seeds; empty if none was measured.
        """
        study = self._current()
        bands = study.record().spectrum_bands
        held = [] if bands is None else held_bands(bands)
        rows = [
            (
                *(number, point.epoch, band.first, band.last, band.variance),
                point.errors[band.place],
                point.errors[band.place] / band.mean_image_error,
            )
            for number, points in study.spectra(numbers).items()
            for point in points
            for band in held
        ]
        columns = zip(*rows, strict=True) if rows else ((),) * len(_SPECTRUM)
        return make_frame(dict(zip(_SPECTRUM, map(list, columns), strict=True)))

    def trial(self, number: int) -> TrialDetail:
        """Return one trial as a record: settings, results of each seed, events, notes, analysis."""
        return self._current().trial(number)

    def findings(self) -> "StudyFindings":
        """Return the findings about the study: sentences and tables, as in the report.

        ``sentences`` are the headline, its explanation and why the error stops; ``advice`` is what
        to do next, with its evidence; a table's ``records()`` are its values, one dict per row. A
        notebook displays all of it. Computes the floors of the data if they are not stored yet,
        which takes seconds to minutes.
        """
        from sweep.analysis.study_reader import N_BEST, StudyReader
        from sweep.findings.study import gather_study

        return gather_study(StudyReader(self._current()), n_best=N_BEST)

    def trial_findings(self, number: int) -> "TrialFindings":
        """Return the findings about a trial: rank, diagnosis in sentences, tables, curves.

        A table's ``records()`` are its values, one dict per row. Raises NotFoundError if the trial
        does not exist. Computes the floors of the data if they are not stored yet, which takes
        seconds to minutes.
        """
        from sweep.findings.trial import gather_trial

        return gather_trial(self._current(), number, study_floors)

    def reconstructions(self, number: int) -> Reconstructions:
        """Return a trial's copies of ten test images. Raises NotFoundError if none were kept."""
        study = self._current()
        strips = study.reconstruction(number)
        originals_png = study.record().originals_png
        if strips is None or originals_png is None:
            raise NotFoundError(_no_pictures(study, number))
        pngs = (originals_png, strips.reconstructions_png, strips.errors_png)
        images = [found for png in pngs if (found := images_of(png)) is not None]
        if len(images) < len(pngs):
            raise NotFoundError(
                f"the pictures of trial {number} of study '{study.name}' are of fewer than ten "
                "images: its data set has fewer test images."
            )
        return Reconstructions(*images)

    def figures(self) -> list[str]:
        """Return the names that ``figure`` accepts."""
        from sweep.figures.registry import FIGURES  # Plotly takes seconds to load

        return list(FIGURES)

    def figure(self, name: str, **options: Any) -> "go.Figure":
        """Draw a figure of the study, as in the report and the dashboard.

        Its options are in the table of figures below. Raises UsageError for an unknown name, and
        NotFoundError if the study has no data for it. The first figure with a lower bound may have
        to compute it from the data set, which takes seconds to minutes.
        """
        from sweep.figures.registry import draw_figure  # Plotly takes seconds to load

        return draw_figure(self._current(), name, **options)

    def load_model(self, number: int | None = None) -> "TrainedAutoencoder":
        """Return a trial's network, on the CPU, as a ``torch.nn.Module``.

        Without ``number``, that of the best trial whose weights are kept; a study keeps those of
        the best trial of each width. ``model(images)`` maps images (B, D) or (B, height, width),
        floats in [0, 1], to pixels (B, D); ``model.encode(images)`` returns codes (B, H) and
        ``model.decode(codes)`` pixels. Raises NotFoundError if the weights were not kept,
        SweepError without PyTorch.
        """
        study = self._current()
        content = read_weights(study, number_or_best_kept(study, number))
        require_torch("a network")
        from sweep.trainer import trained_model

        return trained_model(content)

    def _current(self) -> StudyHandle:
        self._handle.check()
        return self._handle

    def __repr__(self) -> str:
        return f"<Study '{self.name}': {', '.join(_facts(self.summary()).values())}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align: left'>{escape(label)}</th><td>{escape(value)}</td></tr>"
            for label, value in {"study": self.name, **_facts(self.summary())}.items()
        )
        return f"<table>{rows}</table>"


_SPECTRUM = (
    *("number", "epoch", "first_component", "last_component", "variance"),
    *("error", "missing"),
)
_CURVE = ("epoch", "train_loss", "val_mse", "val_bce", "seconds")


def _facts(study: StudySummary) -> dict[str, str]:
    facts = {
        "state": study_status(study).word,
        "trials": f"{study.n_finished:,} of {words.text(study.n_trials)} trials finished",
    }
    if study.best_value is not None:
        best = f"{words.number(study.best_value)} (trial {study.best_number})"
        facts["best"] = f"best {study.objectives[0]} {best}"
    return facts


def _no_pictures(study: StudyHandle, number: int) -> str:
    kept = sorted(study.trials_with_pictures(study.table().numbers.tolist()))
    listed = ", ".join(map(str, kept[:_N_LISTED])) + (" …" if len(kept) > _N_LISTED else "")
    others = f"Kept: trials {listed}." if kept else "No trial of the study has pictures yet."
    return f"the pictures of trial {number} of study '{study.name}' were not kept. {others}"


_N_LISTED = 12


def summary_columns(studies: Sequence[StudySummary]) -> dict[str, list[Any]]:
    """Return studies as one list per column, named as in ``sweep list --json``."""
    return {
        "study_name": [study.name for study in studies],
        "phase": [study.phase.value for study in studies],
        "running": [study.running for study in studies],
        "dataset": [study.dataset for study in studies],
        "n_trials": [study.n_trials for study in studies],
        "n_finished": [study.n_finished for study in studies],
        **{state.lower(): [study.counts[state] for study in studies] for state in STATES},
        "n_diverged": [study.n_diverged for study in studies],
        "n_invalid": [study.n_invalid for study in studies],
        "best_value": [study.best_value for study in studies],
        "best_number": [study.best_number for study in studies],
        "created_at": [study.created_at for study in studies],
        "updated_at": [study.updated_at for study in studies],
        "tags": [" ".join(study.tags) for study in studies],
        "note": [study.note for study in studies],
    }
