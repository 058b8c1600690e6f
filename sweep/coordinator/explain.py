"""Training what an explanation needs: a study of its own, in rounds, each decided by the last.

The study's space has one parameter for each cause, of two choices: as the baseline has it and as
the target has it. What else changes with the choice hangs under it. Every configuration is
enqueued; the sampler is never asked. A seed in the space makes the seeds of all trials the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from shlex import quote
from typing import Any

import tomlkit

from sweep.analysis.explanation import Cause, Explanation, causes_of, explain
from sweep.analysis.study_explanation import (
    choose_ends,
    configurations,
    explanation_in,
    seeds_of,
    study_explanation,
)
from sweep.config import TrialConfig
from sweep.coordinator.derived_studies import (
    file_to_try_again,
    given,
    new_name,
    plain,
    stored_file,
)
from sweep.coordinator.progress import Observer
from sweep.coordinator.requests import request_trial
from sweep.coordinator.run import Say, refuse_if_running, resume, start
from sweep.enums import Loss, Output, Sampler, StudyPhase
from sweep.errors import FailureLimitError, UsageError
from sweep.launch.resources import RunOptions, resolve_resources
from sweep.store import read
from sweep.store.engine import Engine
from sweep.store.explaining import Explained, explained_by, explaining
from sweep.store.records import StudySummary
from sweep.store.study import stored_study_file, study_exists
from sweep.studyfile import SETTINGS, StudyFile, Value, loads
from sweep.studyfile.read_space import choice_key

DEFAULT_SEEDS = 3


@dataclass(frozen=True, kw_only=True)
class AblationJob:
    """An explanation that is to be trained, or was."""

    ends: Explained
    #: The study that trains it, whether it is there yet or not.
    child: str
    n_seeds: int


def ablation_job(
    engine: Engine,
    name: str,
    from_number: int | None = None,
    to_number: int | None = None,
    n_seeds: int | None = None,
) -> AblationJob:
    """What the numbers of trials and seeds mean; with none, what was begun last and is not whole.

    Raises as ``choose_ends`` does, and UsageError for a study that itself explains another.
    """
    if (own := explained_by(engine, name)) is not None:
        raise _explains_itself(engine, name, own.study)
    if from_number is None and to_number is None:
        begun = _begun(engine, name, n_seeds)
        if begun is not None:
            return begun
    ends = choose_ends(engine, name, from_number, to_number)
    child = _find_child(engine, ends, n_seeds)
    if child is not None:
        return AblationJob(ends=ends, child=child, n_seeds=seeds_of(engine, child))
    return AblationJob(
        ends=ends, child=new_name(engine, name, "explain"), n_seeds=n_seeds or DEFAULT_SEEDS
    )


def _explains_itself(engine: Engine, name: str, study: str) -> UsageError:
    """Of a study that was trained for an explanation, with where to find that."""
    is_ours = stored_study_file(engine, study) is not None
    is_there = is_ours and name in explaining(engine, study)
    where = f"explain {quote(study)}" if is_there else f"report {quote(name)}"
    gone = "" if is_there else ", which is not there any more"
    return UsageError(
        f"study '{name}' was trained to explain '{study}'{gone}: `sweep {where}` shows what came "
        "of it."
    )


def _begun(engine: Engine, name: str, n_seeds: int | None) -> AblationJob | None:
    """The last one, where it lacks something and was asked for with so many seeds."""
    last = study_explanation(engine, name)
    if last is None or last.found.is_whole or last.found.diverged:
        return None
    if n_seeds not in (None, last.n_seeds):
        return None
    return AblationJob(ends=last.ends, child=last.child, n_seeds=last.n_seeds)


def _find_child(engine: Engine, ends: Explained, n_seeds: int | None) -> str | None:
    """The study that trains between these ends, with so many seeds (or any): the one run last."""
    between = configurations(ends)
    found = [
        child
        for child, of in explaining(engine, ends.study).items()
        if configurations(of) == between and n_seeds in (None, seeds_of(engine, child))
    ]
    return found[-1] if found else None


def known(engine: Engine, of: AblationJob) -> Explanation:
    """What is trained of it so far."""
    if not study_exists(engine, of.child):
        return explain(*configurations(of.ends), {})
    return explanation_in(engine, of.child, of.ends).found


def run_explanation(
    engine: Engine, of: AblationJob, options: RunOptions, observer: Observer, *, say: Say
) -> StudyPhase:
    """Train until both paths are whole; returns the last phase of the study that trains.

    Raises as ``start`` and ``resume`` do, StudyHeldError while another process runs that study,
    FailureLimitError for a configuration that cannot be trained.
    """
    is_there = study_exists(engine, of.child)
    if is_there:
        refuse_if_running(read.study(engine, of.child))
    file = file_to_try_again(engine, of.child) if is_there else _new_file(engine, of)
    resources = cache(lambda: resolve_resources(file, options))  # of all rounds; none may be due

    def go_on() -> StudyPhase:
        return resume(
            engine, of.child, options, observer, say=say, resources=resources(), study_file=file
        )

    if is_there:
        phase = go_on() if _lacks(read.study(engine, of.child)) else StudyPhase.FINISHED
    else:
        say(_round(len(file.enqueue), of.n_seeds))
        attributes = of.ends.attributes
        phase = start(
            engine, file, options, observer, say=say, resources=resources(), attributes=attributes
        )
    asked: set[TrialConfig] = set()
    while phase == StudyPhase.FINISHED and (missing := known(engine, of).missing):
        _check_progress(of.child, missing, asked)
        asked |= {*missing}
        say(_round(len(missing), of.n_seeds))
        for config in missing:
            request_trial(engine, of.child, enqueued(of.ends, config))
        phase = go_on()
    return phase


def _new_file(engine: Engine, of: AblationJob) -> StudyFile:
    """Of the study that trains it, with the first round."""
    parent = stored_file(engine, of.ends.study)
    return child_file(parent, of.ends, of.child, of.n_seeds)


def _round(n: int, n_seeds: int) -> str:
    return (
        f"{n} configuration{'' if n == 1 else 's'} to train, {n_seeds} "
        f"seed{'' if n_seeds == 1 else 's'} each; what follows depends on them"
    )


def _lacks(study: StudySummary) -> bool:
    """Whether a run was cut short before all that was asked for was trained."""
    n_trials = sum(study.counts.values())
    return bool(
        study.n_pending_commands or study.n_finished < n_trials or n_trials < (study.n_trials or 0)
    )


def _check_progress(child: str, missing: Sequence[TrialConfig], asked: set[TrialConfig]) -> None:
    if n := len(asked.intersection(missing)):
        raise FailureLimitError(
            f"{n} configuration{'' if n == 1 else 's'} of study '{child}' could not be trained, "
            f"and the paths need each. `sweep trials {quote(child)} --state fail` says why; the "
            "same command tries again."
        )


# --- the study's file ---------------------------------------------------------------------------


def child_file(parent: StudyFile, ends: Explained, name: str, n_seeds: int) -> StudyFile:
    """The study that trains between the ends, with the parent's data; the first round enqueued."""
    baseline, target = configurations(ends)
    first = explain(baseline, target, {}).missing
    raw = {
        "study": {
            "name": name,
            "description": _description(ends),
            "seed": parent.study.seed,
            "repeat": n_seeds,
        },
        "data": given(parent.data),
        "space": _space(baseline, target, parent.study.seed),
        "sampler": {"name": Sampler.RANDOM.value},
        "budget": {"trials": len(first)},
        "workers": given(parent.workers),
        "enqueue": [enqueued(ends, config) for config in first],
    }
    return loads(tomlkit.dumps(raw), f"study '{name}'")


def _description(ends: Explained) -> str:
    start = "its baseline" if ends.from_number is None else f"trial {ends.from_number}"
    return f"Why trial {ends.to_number} of {ends.study} has another error than {start}."


def enqueued(ends: Explained, config: TrialConfig) -> dict[str, Value]:
    """A configuration between the ends, as the study's file and ``sweep enqueue`` take it."""
    causes = causes_of(*configurations(ends))
    return {lead: plain(getattr(config, lead)) for lead in map(_lead, causes)}


def _space(baseline: TrialConfig, target: TrialConfig, seed: int) -> dict[str, Any]:
    causes = causes_of(baseline, target)
    differ = {setting for cause in causes for setting in cause.after}
    space: dict[str, Any] = {
        name: plain(value)
        for name, value in vars(baseline).items()
        if name not in differ and _is_worth_saying(name, value)
    }
    searched = {_lead(cause): _two_choices(cause) for cause in causes}
    if _could_meet_bce(searched):
        loss = searched.pop("loss")
        searched["output"]["when"] = {
            Output.SIGMOID.value: {"loss": loss},
            Output.LINEAR.value: _without_bce(loss),
        }
    return {**space, **searched, "seed": seed}


def _is_worth_saying(name: str, value: Any) -> bool:
    """Whatever is used by every trial, and what is not at its default."""
    return SETTINGS[name].used_with is None or plain(value) != SETTINGS[name].default


def _lead(cause: Cause) -> str:
    """The setting that stands for a cause; the others change with it."""
    return "optimizer" if "optimizer" in cause.after else next(iter(cause.after))


def _two_choices(cause: Cause) -> dict[str, Any]:
    lead = _lead(cause)
    sides = [cause.before, cause.after]
    when = {choice_key(plain(side[lead])): _others(side, lead) for side in sides}
    return {
        "choices": [plain(side[lead]) for side in sides],
        "when": {key: others for key, others in when.items() if others},
    }


def _others(side: Mapping[str, Any], lead: str) -> dict[str, Any]:
    return {
        name: plain(value)
        for name, value in side.items()
        if name != lead and _is_worth_saying(name, value)
    }


def _could_meet_bce(searched: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a space would allow bce with the linear output, which cannot be trained."""
    return all(name in searched for name in ("output", "loss")) and (
        Loss.BCE.value in searched["loss"]["choices"]
    )


def _without_bce(loss: Mapping[str, Any]) -> dict[str, Any]:
    (other,) = _but(loss["choices"], Loss.BCE.value)
    return {"loss": other, **loss["when"].get(other, {})}


def _but(choices: Iterable[str], excluded: str) -> list[str]:
    return [choice for choice in choices if choice != excluded]
