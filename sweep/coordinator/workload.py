"""Estimate a study's trials from its space, by which workers size their populations."""

import math
from statistics import fmean

from sweep.catalogue.settings import Value
from sweep.messages import WorkloadEstimate
from sweep.studyfile import Domain, StudyFile
from sweep.studyfile.domains import Int


def estimate_workload(study_file: StudyFile) -> WorkloadEstimate:
    """Average over the space with equal weights; a sampler may come to prefer other trials."""
    widths = study_file.space.possible("hidden_width")
    batch_sizes = study_file.space.possible("batch_size")
    return WorkloadEstimate(
        mean_hidden_width=math.ceil(fmean(map(_mean, widths))),
        max_hidden_width=study_file.space.highest("hidden_width"),
        n_seeds=study_file.study.repeat,
        max_batch_size=study_file.space.highest("batch_size"),
        n_batch_sizes=sum(map(_count, set(batch_sizes))),
    )


def _mean(values: Value | Domain) -> float:
    if not isinstance(values, Int):
        return float(values)  # type: ignore[arg-type]
    low, high = values.low, values.high
    if values.log and low < high:
        return (high - low) / math.log(high / low)
    return (low + high) / 2


def _count(values: Value | Domain) -> int:
    return values.count() if isinstance(values, Int) else 1
