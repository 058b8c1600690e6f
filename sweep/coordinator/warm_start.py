"""Warm start: let a study learn from finished trials of other studies.

The sampler learns from them, and the best of their configurations run first. Both are derived from
stored rows: only trials that finished before the study was created count, so a resumed study has
the same history, whatever the other studies have trained since. They are not trials of the study:
its budget, its best and its pages do not count them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from shlex import quote
from typing import Any, NamedTuple

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from sweep import datasets
from sweep.catalogue.settings import Value, in_use
from sweep.enums import Sampler
from sweep.errors import NotFoundError, StudyFileError, UsageError
from sweep.search.configurations import config_from_params, enqueue_params
from sweep.search.distributions import distributions
from sweep.store.engine import Engine
from sweep.store.handle import StudyHandle, open_study
from sweep.store.records import TrialRow
from sweep.studyfile import StudyFile, loads
from sweep.studyfile.enqueue import read_configuration

#: User attribute, in Optuna's terms, of the history and of configurations that run first.
WARM_START = "warm_start"
_STATES = ("COMPLETE", "PRUNED")
#: What must be equal for errors to be comparable; the data are compared by their digest.
_SAME = {
    "study": ("objectives",),
    "data": ("validation_fraction", "split_seed", "train_limit"),
}


class FirstConfiguration(NamedTuple):
    """One of the best configurations of another study, to be trained first."""

    settings: Mapping[str, Value]
    #: Where it comes from: ``study`` and ``number``.
    origin: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class WarmStart:
    """What a study takes from others; empty if its file names none."""

    #: Finished trials for the sampler, study by study in ascending order, numbered from -n to -1.
    history: tuple[FrozenTrial, ...] = ()
    #: Best first.
    first: tuple[FirstConfiguration, ...] = ()
    #: What is taken and what is left out, an item each.
    notes: tuple[str, ...] = field(default=(), compare=False)


class _Source(NamedTuple):
    """A study to take trials from."""

    study: StudyHandle
    #: Valid trials that finished in time, in the order of their numbers.
    rows: list[TrialRow]


def read_warm_start(
    engine: Engine,
    study_file: StudyFile,
    *,
    data_sha256: str | None = None,
    before: float | None = None,
) -> WarmStart:
    """Read the trials that the studies of ``[warm_start]`` provide.

    ``data_sha256`` is the digest of the study's data, computed if None; ``before`` is the creation
    time of the study in seconds since the epoch, None before it is created. Raises NotFoundError
    for an unknown study, UsageError for one that is not comparable.
    """
    names = study_file.warm_start.studies
    if not names:
        return WarmStart()
    digest = data_sha256 or datasets.load(study_file.data.name, study_file.data.size).sha256
    sources = [_open(engine, name, study_file, digest, before) for name in names]
    history, notes = _history(sources, study_file)
    first, left_out = _first(sources, study_file)
    if study_file.sampler.name is not Sampler.TPE:
        history = ()
        notes = [
            f"only the sampler tpe learns from other studies, not {study_file.sampler.name}: "
            "their best configurations run first, nothing else."
        ]
    if study_file.warm_start.best:
        notes.append(f"{len(first)} of their best configurations run first")
    return WarmStart(history=history, first=first, notes=(*notes, *left_out))


# --- which studies and trials -----------------------------------------------------------------


def _open(
    engine: Engine, name: str, study_file: StudyFile, data_sha256: str, before: float | None
) -> _Source:
    try:
        study = open_study(engine, name)
    except NotFoundError as error:
        hint = "" if before is None else _without(study_file)
        raise NotFoundError(f"warm_start.studies: {error}{hint}") from None
    rows = _list_finished(study, before)
    if not rows:
        hint = "" if before is None else f" that finished before.{_without(study_file)}"
        raise UsageError(
            f"warm_start.studies: study '{name}' has no finished trial to learn from{hint or '.'}"
        )
    if differences := list(_differences(study, study_file, data_sha256)):
        raise UsageError(
            f"warm_start.studies: errors of study '{name}' are not comparable with those of "
            f"'{study_file.study.name}': {'; '.join(differences)}."
        )
    return _Source(study, rows)


def _without(study_file: StudyFile) -> str:
    command = f"sweep resume {quote(study_file.study.name)} --set 'warm_start.studies=[]'"
    return f" `{command}` continues without it."


def _list_finished(study: StudyHandle, before: float | None) -> list[TrialRow]:
    table = study.table()
    in_time = np.isfinite(table.ended) & (table.ended < (np.inf if before is None else before))
    numbers = set(table.numbers[in_time].tolist())
    rows = study.trials(states=_STATES, include_invalid=False)
    return [row for row in rows if row.number in numbers and row.values]


def _differences(study: StudyHandle, study_file: StudyFile, data_sha256: str) -> Iterator[str]:
    record = study.record()
    theirs = loads(record.study_file, f"study '{study.name}'", check_packages=False)
    digest = record.provenance.get("data_sha256")
    if digest != data_sha256:
        yield (
            f"data {record.dataset} with SHA-256 {str(digest)[:12]}… instead of "
            f"{study_file.data.name} with {data_sha256[:12]}…"
        )
    for section, keys in _SAME.items():
        for key in keys:
            other, own = (getattr(getattr(of, section), key) for of in (theirs, study_file))
            if other != own:
                yield f"{section}.{key} {_words(other)} instead of {_words(own)}"


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "left out" if value is None else str(value)


# --- the sampler's history --------------------------------------------------------------------


def _history(
    sources: Sequence[_Source], study_file: StudyFile
) -> tuple[tuple[FrozenTrial, ...], list[str]]:
    known = distributions(study_file.space)
    found: list[FrozenTrial] = []
    notes = []
    for source in sources:
        taken, outside = [], []
        curves = source.study.curves([r.number for r in source.rows if r.state == "PRUNED"])
        for row in source.rows:
            params, problems = _params(study_file, row)
            if problems:
                outside.append(problems[0])
                continue
            curve = {point.epoch: point.val_mse for point in curves.get(row.number, ())}
            taken.append(_frozen(source.study.name, row, params, known, curve))
        if not taken:
            raise UsageError(
                f"warm_start.studies: none of the {len(source.rows):,} finished trials of study "
                f"'{source.study.name}' is in the space of '{study_file.study.name}': {outside[0]}"
            )
        note = f"the sampler learns from {_trials(len(taken))} of '{source.study.name}'"
        notes.append(f"{note}; {len(outside):,} are outside the space" if outside else note)
        found += taken
    for place, trial in enumerate(found):
        trial.number = place - len(found)
    return tuple(found), notes


def _trials(n: int) -> str:
    return "1 trial" if n == 1 else f"{n:,} trials"


def _params(study_file: StudyFile, row: TrialRow) -> tuple[dict[str, Value], list[str]]:
    """Return the trial's parameters in this space, and the reasons why it does not fit."""
    seed = {"seed": row.params["seed"]} if "seed" in row.params else {}
    settings = _but_ignored(study_file, {**row.config, **seed})
    params, problems = read_configuration(study_file.space, settings, f"trial {row.number}")
    if problems:  # may be about settings that the trial does not use
        params, problems = _read_used(study_file, row)
    if not problems:
        try:
            config_from_params(study_file, params)
        except StudyFileError as error:
            return params, [f"trial {row.number}: {error.problems[0]}"]
    return params, problems


def _read_used(study_file: StudyFile, row: TrialRow) -> tuple[dict[str, Value], list[str]]:
    return read_configuration(
        study_file.space, _settings_in_use(study_file, row), f"trial {row.number}"
    )


def _settings_in_use(study_file: StudyFile, row: TrialRow) -> dict[str, Value]:
    return _but_ignored(study_file, in_use(row.config))


def _but_ignored(study_file: StudyFile, settings: Mapping[str, Value]) -> dict[str, Value]:
    ignored = study_file.warm_start.ignore
    return {name: value for name, value in settings.items() if name not in ignored}


def _frozen(
    study: str,
    row: TrialRow,
    params: dict[str, Value],
    known: Mapping[str, BaseDistribution],
    curve: Mapping[int, float | None],
) -> FrozenTrial:
    ended = row.datetime_complete or datetime.fromtimestamp(0, UTC)
    return FrozenTrial(
        number=-1,
        trial_id=-1,
        state=TrialState[row.state],
        value=None,
        values=list(row.values),
        datetime_start=row.datetime_start or ended,
        datetime_complete=ended,
        params=params,
        distributions={name: known[name] for name in params},
        user_attrs={WARM_START: {"study": study, "number": row.number}},
        system_attrs={},
        intermediate_values={epoch: np.nan if mse is None else mse for epoch, mse in curve.items()},
    )


# --- the configurations that run first --------------------------------------------------------


def _first(
    sources: Sequence[_Source], study_file: StudyFile
) -> tuple[tuple[FirstConfiguration, ...], list[str]]:
    enqueued = [enqueue_params(study_file, given) for given in study_file.enqueue]
    first, left_out = [], []
    for study, row in _best(sources, study_file.warm_start.best):
        params, problems = _read_used(study_file, row)
        if problems:
            reasons = " ".join(problem.removeprefix(f"trial {row.number}.") for problem in problems)
            left_out.append(f"trial {row.number} of '{study}' does not run first: {reasons}")
        elif params not in enqueued:
            enqueued.append(params)
            origin = {"study": study, "number": row.number}
            first.append(FirstConfiguration(_settings_in_use(study_file, row), origin))
    return tuple(first), left_out


def _best(sources: Sequence[_Source], n: int) -> list[tuple[str, TrialRow]]:
    """Return the best distinct configurations of all studies together, lowest value first."""
    found: dict[tuple[Any, ...], tuple[str, TrialRow]] = {}
    ranked = []
    for study, rows in sources:
        in_time = {row.number for row in rows}
        ranked += [(study.name, row) for row in study.best() if row.number in in_time]
    for study_name, row in sorted(ranked, key=lambda of: of[1].values[0]):
        found.setdefault(tuple(sorted(in_use(row.config).items())), (study_name, row))
    return list(found.values())[:n]
