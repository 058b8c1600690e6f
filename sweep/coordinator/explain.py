"""Training of an ablation analysis, in a study of its own.

Ablation paths (Fawcett and Hoos, 2016, J. Heuristics 22) lead from a baseline configuration to a
target, one parameter group at a time. The study trains them in rounds; the results of a round
decide what the next one trains. Its space has one parameter for each group, with two choices: the
baseline's and the target's. Settings that depend on the choice are nested below it. Every
configuration is enqueued; the sampler is never asked. A seed in the space gives all trials the same
seeds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from shlex import quote
from typing import Any

import tomlkit

from sweep.analysis.explanation import Explanation, ParameterGroup, explain, parameter_groups
from sweep.analysis.study_explanation import (
    choose_ends,
    configurations,
    explanation_in,
    seeds_of,
    study_explanation,
)
from sweep.catalogue.settings import SETTINGS, Value
from sweep.config import TrialConfig
from sweep.coordinator.derived_studies import (
    explicit_settings,
    find_free_name,
    load_file_for_retry,
    load_stored_file,
    to_toml_value,
)
from sweep.coordinator.progress import Observer
from sweep.coordinator.requests import request_trial
from sweep.coordinator.run import Say, refuse_if_running, resume, start
from sweep.enums import Loss, Output, Sampler, StudyPhase
from sweep.errors import FailureLimitError, UsageError
from sweep.launch.resources import RunOptions, resolve_resources
from sweep.store.derived_studies import Explained
from sweep.store.engine import Engine
from sweep.store.handle import StudyHandle, open_study, open_study_or_none
from sweep.store.records import StudySummary
from sweep.studyfile import StudyFile, loads
from sweep.studyfile.read_space import choice_key

DEFAULT_SEEDS = 3


@dataclass(frozen=True, kw_only=True)
class AblationJob:
    """An ablation analysis that is to be trained, or was."""

    ends: Explained
    #: Name of the study that trains it; it may not exist yet.
    child: str
    n_seeds: int


def choose_ablation(
    study: StudyHandle,
    from_number: int | None = None,
    to_number: int | None = None,
    n_seeds: int | None = None,
) -> AblationJob:
    """Choose the ablation analysis for these trials; without any, the latest unfinished one.

    Raises as ``choose_ends`` does, and UsageError for a study that itself explains another.
    """
    if (own := study.explains()) is not None:
        raise _explains_itself(study, own.study)
    if from_number is None and to_number is None:
        unfinished = _find_unfinished(study, n_seeds)
        if unfinished is not None:
            return unfinished
    ends = choose_ends(study, from_number, to_number)
    child = _find_child(study, ends, n_seeds)
    if child is not None:
        n_seeds = seeds_of(open_study(study.engine, child))
        return AblationJob(ends=ends, child=child, n_seeds=n_seeds)
    child = find_free_name(study.engine, study.name, "explain")
    return AblationJob(ends=ends, child=child, n_seeds=n_seeds or DEFAULT_SEEDS)


def _explains_itself(study: StudyHandle, parent: str) -> UsageError:
    """Error for a study that itself trains an ablation analysis; it names the command to use."""
    of = open_study_or_none(study.engine, parent)
    is_there = of is not None and study.name in of.explanations()
    where = f"explain {quote(parent)}" if is_there else f"report {quote(study.name)}"
    gone = "" if is_there else ", which is not there any more"
    return UsageError(
        f"study '{study.name}' was trained to explain '{parent}'{gone}: `sweep {where}` shows "
        "what came of it."
    )


def _find_unfinished(study: StudyHandle, n_seeds: int | None) -> AblationJob | None:
    """Find the latest analysis if it is incomplete and has ``n_seeds`` seeds (or any)."""
    last = study_explanation(study)
    if last is None or last.found.is_whole or last.found.diverged:
        return None
    if n_seeds not in (None, last.n_seeds):
        return None
    return AblationJob(ends=last.ends, child=last.child, n_seeds=last.n_seeds)


def _find_child(study: StudyHandle, ends: Explained, n_seeds: int | None) -> str | None:
    """Find the study run last between these ends, with ``n_seeds`` seeds (or any)."""
    between = configurations(ends)
    found = [
        child
        for child, of in study.explanations().items()
        if configurations(of) == between
        and n_seeds in (None, seeds_of(open_study(study.engine, child)))
    ]
    return found[-1] if found else None


def load_explanation(engine: Engine, job: AblationJob) -> Explanation:
    """Load the results so far; without a study, an explanation that lacks everything."""
    child = open_study_or_none(engine, job.child)
    if child is None:
        return explain(*configurations(job.ends), {})
    return explanation_in(child, job.ends).found


def run_explanation(
    engine: Engine, job: AblationJob, options: RunOptions, observer: Observer, *, say: Say
) -> StudyPhase:
    """Train until both paths are complete; return the last phase of the study that trains.

    Raises as ``start`` and ``resume`` do, StudyHeldError while another process runs that study,
    FailureLimitError for a configuration that cannot be trained.
    """
    child = open_study_or_none(engine, job.child)
    if child is not None:
        refuse_if_running(child.summary())
    file = _new_file(engine, job) if child is None else load_file_for_retry(child)
    resources = cache(lambda: resolve_resources(file, options))  # once for all rounds

    def continue_study() -> StudyPhase:
        return resume(
            *(engine, job.child, options, observer),
            say=say,
            resources=resources(),
            study_file=file,
            analyses=False,
        )

    if child is not None:
        cut_short = _was_cut_short(child.summary())
        phase = continue_study() if cut_short else StudyPhase.FINISHED
    else:
        say(_describe_round(len(file.enqueue), job.n_seeds))
        phase = start(
            *(engine, file, options, observer),
            say=say,
            resources=resources(),
            attributes=job.ends.attributes,
            analyses=False,
        )
    asked: set[TrialConfig] = set()
    while phase == StudyPhase.FINISHED and (missing := load_explanation(engine, job).missing):
        _check_progress(job.child, missing, asked)
        asked |= {*missing}
        say(_describe_round(len(missing), job.n_seeds))
        child = open_study(engine, job.child)
        for config in missing:
            request_trial(child, enqueue_entry(job.ends, config))
        phase = continue_study()
    return phase


def _new_file(engine: Engine, job: AblationJob) -> StudyFile:
    """Make the file of the study that trains the analysis, with the first round enqueued."""
    parent = load_stored_file(open_study(engine, job.ends.study))
    return child_file(parent, job.ends, job.child, job.n_seeds)


def _describe_round(n: int, n_seeds: int) -> str:
    return (
        f"{n} configuration{'' if n == 1 else 's'} to train, {n_seeds} "
        f"seed{'' if n_seeds == 1 else 's'} each; the next round depends on them"
    )


def _was_cut_short(study: StudySummary) -> bool:
    """Tell whether a run ended before everything that was enqueued was trained."""
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
    """Make a study file with the parent's data, the space between the ends and the first round."""
    baseline, target = configurations(ends)
    first = explain(baseline, target, {}).missing
    raw = {
        "study": {
            "name": name,
            "description": _description(ends),
            "seed": parent.study.seed,
            "repeat": n_seeds,
            "baseline": enqueue_entry(ends, baseline),
        },
        "data": explicit_settings(parent.data),
        "space": _space(baseline, target, parent.study.seed),
        "sampler": {"name": Sampler.RANDOM.value},
        "budget": {"trials": len(first)},
        "workers": explicit_settings(parent.workers),
        "enqueue": [enqueue_entry(ends, config) for config in first],
    }
    return loads(tomlkit.dumps(raw), f"study '{name}'")


def _description(ends: Explained) -> str:
    start = "its baseline" if ends.from_number is None else f"trial {ends.from_number}"
    return f"Why trial {ends.to_number} of {ends.study} has another error than {start}."


def enqueue_entry(ends: Explained, config: TrialConfig) -> dict[str, Value]:
    """Write a configuration as ``[[enqueue]]`` of the study file and ``sweep enqueue`` take it."""
    groups = parameter_groups(*configurations(ends))
    return {lead: to_toml_value(getattr(config, lead)) for lead in map(_lead, groups)}


def _space(baseline: TrialConfig, target: TrialConfig, seed: int) -> dict[str, Any]:
    groups = parameter_groups(baseline, target)
    differ = {setting for group in groups for setting in group.after}
    space: dict[str, Any] = {
        name: to_toml_value(value)
        for name, value in vars(baseline).items()
        if name not in differ and _is_worth_saying(name, value)
    }
    searched = {_lead(group): _two_choices(group) for group in groups}
    if _could_meet_bce(searched):
        loss = searched.pop("loss")
        searched["output_activation"]["when"] = {
            Output.SIGMOID.value: {"loss": loss},
            Output.LINEAR.value: _without_bce(loss),
        }
    return {**space, **searched, "seed": seed}


def _is_worth_saying(name: str, value: Any) -> bool:
    """Tell whether every trial uses the setting, or its value is not the default."""
    return SETTINGS[name].used_with is None or to_toml_value(value) != SETTINGS[name].default


def _lead(group: ParameterGroup) -> str:
    """Return the setting whose choice decides the other settings of a group."""
    return "optimizer" if "optimizer" in group.after else next(iter(group.after))


def _two_choices(group: ParameterGroup) -> dict[str, Any]:
    lead = _lead(group)
    sides = [group.before, group.after]
    when = {choice_key(to_toml_value(side[lead])): _others(side, lead) for side in sides}
    return {
        "choices": [to_toml_value(side[lead]) for side in sides],
        "when": {key: others for key, others in when.items() if others},
    }


def _others(side: Mapping[str, Any], lead: str) -> dict[str, Any]:
    return {
        name: to_toml_value(value)
        for name, value in side.items()
        if name != lead and _is_worth_saying(name, value)
    }


def _could_meet_bce(searched: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether a space would allow bce with the linear output, which cannot be trained."""
    return all(name in searched for name in ("output_activation", "loss")) and (
        Loss.BCE.value in searched["loss"]["choices"]
    )


def _without_bce(loss: Mapping[str, Any]) -> dict[str, Any]:
    (other,) = _but(loss["choices"], Loss.BCE.value)
    return {"loss": other, **loss["when"].get(other, {})}


def _but(choices: Iterable[str], excluded: str) -> list[str]:
    return [choice for choice in choices if choice != excluded]
