"""What the codes of a study tell of the labels: of all trials whose networks were looked into."""

from sweep.analysis.usefulness import Probed, Usefulness, usefulness
from sweep.store import read, read_beside
from sweep.store.engine import Engine
from sweep.trial import width_class


def study_usefulness(engine: Engine, name: str) -> Usefulness | None:
    """None where no trial that counts was looked into.

    The best of a width is the best of those that were: a trial is looked into when it ends as the
    best of its width (``trial.width_class``), by validation error.
    """
    probes = read_beside.probes(engine, name)
    if not probes:
        return None
    table = read.table(engine, name)
    metrics = table.metrics
    trials: list[Probed] = []
    best: dict[int, tuple[float, Probed]] = {}
    for number, width, val_mse, test_mse, counts in zip(
        table.numbers.tolist(),
        metrics["hidden_width"].tolist(),
        metrics["val_mse"].tolist(),
        metrics["test_mse"].tolist(),
        table.counting.tolist(),
        strict=True,
    ):
        if counts and number in probes:
            trial = Probed.of(number, int(width), test_mse, probes[number])
            trials.append(trial)
            key, found = width_class(trial.hidden_width), (val_mse, trial)
            best[key] = min(best.get(key, found), found, key=lambda of: of[0])
    if not trials:
        return None
    trials.sort(key=lambda of: (of.hidden_width, of.number))
    return usefulness([best[of][1] for of in sorted(best)], trials)
