"""Training of an ablation analysis, in a study of its own.

Ablation paths (Fawcett and Hoos, 2016, J. Heuristics 22) lead from a baseline configuration to a
target, one parameter group at a time. The study trains them in rounds; the results of a round
decide what the next one trains. A factorial analysis knows all its cells at once, and trains those
that the studied study has not.

The study's space has one parameter for each group, with two choices: the baseline's and the
target's. Settings that depend on the choice are nested below it. Every configuration is enqueued;
the sampler is never asked. A seed in the space gives all trials the same seeds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from shlex import quote
from typing import Any

import tomlkit

from sweep.analysis.explanation import ParameterGroup, explain, parameter_groups
from sweep.analysis.factorial import MAX_CAUSES, causes_between, check_causes
from sweep.analysis.study_explanation import (
    StudyExplanation,
    choose_ends,
    configurations,
    explanation_in,
    last_analysis,
    seeds_of,
)
from sweep.analysis.study_factorial import (
    StudyFactorial,
    factorial_between,
    own_seeds,
    seed_in,
)
from sweep.catalogue.formats import count
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
from sweep.enums import AblationMethod, Loss, Output, Sampler, StudyPhase
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

    @property
    def is_factorial(self) -> bool:
        """Whether it trains every combination rather than paths."""
        return self.ends.method == AblationMethod.FACTORIAL


def choose_ablation(
    study: StudyHandle,
    from_number: int | None = None,
    to_number: int | None = None,
    n_seeds: int | None = None,
    method: AblationMethod | None = None,
) -> AblationJob:
    """Choose the ablation analysis for these trials; without any, the latest unfinished one.

    Without a method, the one that was run last between them, otherwise a factorial analysis where
    few enough causes differ. Raises as ``choose_ends`` does, and UsageError for a study that itself
    explains another, and for a factorial analysis of too many causes.
    """
    if (own := study.explains()) is not None:
        raise _explains_itself(study, own.study)
    if from_number is None and to_number is None:
        unfinished = _find_unfinished(study, n_seeds, method)
        if unfinished is not None:
            return unfinished
    ends = choose_ends(study, from_number, to_number)
    found = _find_job(study, ends, n_seeds, method)
    if found is not None:
        return found
    ends = replace(ends, method=method or _method_between(ends))
    if ends.method == AblationMethod.FACTORIAL:
        check_causes(causes_between(*configurations(ends)))
        n_seeds = n_seeds or own_seeds(study, ends)
    child = find_free_name(study.engine, study.name, "explain")
    return AblationJob(ends=ends, child=child, n_seeds=n_seeds or DEFAULT_SEEDS)


def _method_between(ends: Explained) -> AblationMethod:
    """Choose the factorial analysis where every combination of the causes can be trained."""
    is_small = len(causes_between(*configurations(ends))) <= MAX_CAUSES
    return AblationMethod.FACTORIAL if is_small else AblationMethod.PATH


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


def _find_unfinished(
    study: StudyHandle, n_seeds: int | None, method: AblationMethod | None
) -> AblationJob | None:
    """Find the latest analysis if it is incomplete and has ``n_seeds`` seeds (or any)."""
    last = last_analysis(study, method)
    if last is None:
        return None
    job = _job_of(study, *last)
    is_wanted = n_seeds in (None, job.n_seeds)
    return job if is_wanted and load_analysis(study.engine, job).found.missing else None


def _find_job(
    study: StudyHandle, ends: Explained, n_seeds: int | None, method: AblationMethod | None
) -> AblationJob | None:
    """Find the analysis run last between these ends, by this method (or any) and seeds (or any)."""
    between = configurations(ends)
    for child, of in reversed(study.explanations().items()):
        if configurations(of) == between and method in (None, of.method):
            job = _job_of(study, child, replace(ends, method=of.method))
            if n_seeds in (None, job.n_seeds):
                return job
    return None


def _job_of(study: StudyHandle, child: str, ends: Explained) -> AblationJob:
    return AblationJob(ends=ends, child=child, n_seeds=seeds_of(open_study(study.engine, child)))


def load_analysis(engine: Engine, job: AblationJob) -> StudyExplanation | StudyFactorial:
    """Load the results so far; without a study, an analysis that lacks everything."""
    if job.is_factorial:
        return load_factorial(engine, job)
    if (child := open_study_or_none(engine, job.child)) is not None:
        return explanation_in(child, job.ends)
    found = explain(*configurations(job.ends), {})
    return StudyExplanation(child=job.child, ends=job.ends, n_seeds=job.n_seeds, found=found)


def load_factorial(engine: Engine, job: AblationJob) -> StudyFactorial:
    """Load the cells that are trained so far, by the studied study or for the analysis."""
    study, child = open_study(engine, job.ends.study), open_study_or_none(engine, job.child)
    found = factorial_between(study, job.ends, child, n_seeds=job.n_seeds)
    return replace(found, child=job.child) if found.found.missing else found


def run_explanation(
    engine: Engine, job: AblationJob, options: RunOptions, observer: Observer, *, say: Say
) -> StudyPhase:
    """Train until nothing is missing; return the last phase of the study that trains.

    Raises as ``start`` and ``resume`` do, StudyHeldError while another process runs that study,
    FailureLimitError for a configuration that cannot be trained.
    """
    child = open_study_or_none(engine, job.child)
    if child is not None:
        refuse_if_running(child.summary())
    elif not load_analysis(engine, job).found.missing:
        return StudyPhase.FINISHED
    file = _new_file(engine, job) if child is None else load_file_for_retry(child)
    resources = cache(lambda: resolve_resources(file, options))  # once for all rounds

    def continue_study() -> StudyPhase:
        return resume(
            *(engine, job.child, options, observer),
            say=say,
            resources=resources(),
            study_file=file,
        )

    if child is not None:
        cut_short = _was_cut_short(child.summary())
        phase = continue_study() if cut_short else StudyPhase.FINISHED
    else:
        say(_describe_round(len(file.enqueue), job))
        phase = start(
            *(engine, file, options, observer),
            say=say,
            resources=resources(),
            attributes=job.ends.attributes,
        )
    asked: set[TrialConfig] = set()
    while phase == StudyPhase.FINISHED and (missing := load_analysis(engine, job).found.missing):
        _check_progress(job.child, missing, asked)
        asked |= {*missing}
        say(_describe_round(len(missing), job))
        child = open_study(engine, job.child)
        for config in missing:
            request_trial(child, enqueue_entry(job.ends, config))
        phase = continue_study()
    return phase


def _new_file(engine: Engine, job: AblationJob) -> StudyFile:
    """Make the file of the study that trains the analysis, with the first round enqueued."""
    parent = load_stored_file(open_study(engine, job.ends.study))
    missing = load_analysis(engine, job).found.missing
    return child_file(parent, job.ends, job.child, job.n_seeds, missing)


def _describe_round(n: int, job: AblationJob) -> str:
    later = "" if job.is_factorial else "; the next round depends on them"
    return f"{count(n, 'configuration')} to train, {count(job.n_seeds, 'seed')} each{later}"


def _was_cut_short(study: StudySummary) -> bool:
    """Tell whether a run ended before everything that was enqueued was trained."""
    n_trials = sum(study.counts.values())
    return bool(
        study.n_pending_commands or study.n_finished < n_trials or n_trials < (study.n_trials or 0)
    )


def _check_progress(child: str, missing: Sequence[TrialConfig], asked: set[TrialConfig]) -> None:
    if n := len(asked.intersection(missing)):
        raise FailureLimitError(
            f"{count(n, 'configuration')} of study '{child}' could not be trained, and the "
            f"analysis needs each. `sweep trials {quote(child)} --state fail` says why; the same "
            "command tries again."
        )


# --- the study's file ---------------------------------------------------------------------------


def child_file(
    parent: StudyFile, ends: Explained, name: str, n_seeds: int, first: Sequence[TrialConfig]
) -> StudyFile:
    """Make a study file with the parent's data, the space between the ends and the first round."""
    baseline = configurations(ends)[0]
    seed = seed_in(parent)
    raw = {
        "study": {
            "name": name,
            "description": _description(ends),
            "seed": parent.study.seed,
            "repeat": n_seeds,
            "baseline": enqueue_entry(ends, baseline),
        },
        "data": explicit_settings(parent.data),
        "space": _space(baseline, _groups(ends), parent.study.seed if seed is None else seed),
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
    leads = map(_lead, _groups(ends))
    return {lead: to_toml_value(getattr(config, lead)) for lead in leads}


def _groups(ends: Explained) -> Sequence[ParameterGroup]:
    """List the settings that change together between two ends, by the method of the analysis."""
    is_factorial = ends.method == AblationMethod.FACTORIAL
    return (causes_between if is_factorial else parameter_groups)(*configurations(ends))


def _space(baseline: TrialConfig, groups: Sequence[ParameterGroup], seed: int) -> dict[str, Any]:
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
