"""Build the rows of a completed trial: its metrics, pictures and analysis."""

from dataclasses import asdict
from typing import Any

from sweep.coordinator.running_trial import RunningTrial
from sweep.messages import NetworkAnalysis, TestMetrics, TrialDone
from sweep.store.writer import Rows


def add_results(rows: Rows, trial: RunningTrial, done: TrialDone) -> None:
    """Add the rows of the trial's metrics, one per seed, and of its pictures."""
    seeds = zip(trial.spec.seeds, done.results, strict=True)
    for seed_index, (seed, result) in enumerate(seeds):
        rows.results[trial.number, seed_index] = {"seed": seed, **_result_row(result)}
    if done.reconstructions_png is not None:
        rows.reconstructions[trial.number] = {
            "reconstructions_png": done.reconstructions_png,
            "errors_png": done.errors_png,
        }


def add_analysis(rows: Rows, number: int, analysis: NetworkAnalysis) -> None:
    """Add the rows of the decomposition and the probe of a trial's network, if it has them."""
    rows.probe_baselines += analysis.baselines
    if analysis.decomposition is not None:
        rows.decompositions[number] = {"decomposition": asdict(analysis.decomposition)}
    if analysis.probe is not None:
        rows.probes[number] = {"probe": asdict(analysis.probe)}


def _result_row(result: TestMetrics) -> dict[str, Any]:
    diagnostics = result.diagnostics
    pixel_errors = result.pixel_errors
    row = {
        **vars(result),
        "per_class_mse": list(result.per_class_mse),
        "diagnostics": dict(vars(diagnostics)) if diagnostics else None,
        "pixel_errors": dict(vars(pixel_errors)) if pixel_errors else None,
    }
    del row["n_parameters"]
    return row
