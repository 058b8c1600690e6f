"""Write the study that would answer a study's open questions, as a study file with reasons."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from shlex import quote
from typing import Any

import tomlkit

from sweep.analysis.study_reader import StudyReader
from sweep.catalogue.formats import count, number
from sweep.catalogue.settings import EPOCHS, LARGEST_SEED, in_use, setting_of
from sweep.coordinator.warm_start import read_warm_start
from sweep.enums import Sampler
from sweep.errors import NotFoundError, StudyFileError, UsageError
from sweep.findings.advice import Advice, AdviceKind, Change
from sweep.findings.dialects import in_ascii
from sweep.store.engine import Engine
from sweep.store.handle import StudyHandle, open_study_or_none
from sweep.store.records import TrialRow
from sweep.studyfile import Node, Searched, Space, StudyFile, loads, to_toml, with_trials
from sweep.studyfile.read_space import choice_key
from sweep.studyfile.words import show_path

#: Best configurations that run first.
N_FIRST = 5

_Keys = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class NextStudy:
    """A valid study file, and its changes."""

    study_file: StudyFile
    #: With a comment above each key that differs.
    text: str
    #: Changes by the path of their key.
    changes: Mapping[str, str]
    #: Changes that would make the file invalid, and why.
    left_out: Sequence[str]


@dataclass
class _Draft:
    """A study file that is changed step by step and stays valid."""

    raw: dict[str, Any]
    comments: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def study_file(self) -> StudyFile:
        return _read(self.raw)

    def put(self, keys: _Keys, value: Any, why: str) -> bool:
        """Set the value at a path, unless it would make the file invalid."""
        raw = deepcopy(self.raw)
        table = raw
        for key in keys[:-1]:
            table = table.setdefault(key, {})
        table[keys[-1]] = value
        try:
            _read(raw)
        except StudyFileError as error:
            self.left_out.append(in_ascii(f"{why} Not changed: {error.problems[0]}"))
            return False
        self.raw = raw
        self.comments[show_path(keys)] = in_ascii(why)
        return True


def next_study(reader: StudyReader, advice: Sequence[Advice], name: str | None) -> NextStudy:
    """Write the study that follows a study's advice, as ``name`` or with a generated name.

    Raises UsageError for a study without a finished trial, for one that was trained for another
    study, and for a taken name; StudyFileError if its own file is invalid.
    """
    study = reader.study
    _check(study)
    draft = _begin(reader, name)
    changed = _follow(draft, advice)
    _run_best_first(draft, reader, AdviceKind.MORE_EPOCHS in {of.kind for of in advice})
    _warm_start(draft, study, [setting_of(of.param) for of in changed if not _is_table(of.to)])
    changes = dict(draft.comments)
    draft.comments[""] = _write_heading(reader, advice)
    study_file = draft.study_file
    text = to_toml(study_file, draft.comments)
    if loads(text, study_file.study.name, check_packages=False) != study_file:
        raise StudyFileError(study_file.study.name, ["does not read back as it was written."])
    return NextStudy(study_file=study_file, text=text, changes=changes, left_out=draft.left_out)


def _read(raw: Mapping[str, Any]) -> StudyFile:
    return loads(tomlkit.dumps(raw), "next study", check_packages=False)


def _check(study: StudyHandle) -> None:
    parent = study.explains() or study.retrains()
    if parent is not None:
        raise UsageError(
            f"study '{study.name}' was trained for '{parent.study}'. "
            f"Write the next study of that one: `sweep next {quote(parent.study)}`."
        )
    if not study.table().counting.any():
        raise UsageError(
            f"study '{study.name}' has no finished trial to learn from. "
            f"`sweep status {quote(study.name)}` shows its progress."
        )


# --- what changes --------------------------------------------------------------------------------


def _begin(reader: StudyReader, name: str | None) -> _Draft:
    """Copy the study's own file, with another name and another seed."""
    study = reader.study
    stored = with_trials(reader.record.study_file, study.summary().n_trials)
    own = loads(stored, f"study '{study.name}'", check_packages=False)
    raw = tomllib.loads(to_toml(own))
    raw.pop("enqueue", None)
    raw.pop("warm_start", None)
    if own.sampler.name is Sampler.GRID:  # it ends with its last point
        raw.get("budget", {}).pop("trials", None)
    named = raw["study"].get("baseline")
    if isinstance(named, int):  # a trial that the next study does not have
        del raw["study"]["baseline"]
    draft = _Draft(raw=raw)
    raw["study"]["name"] = _name(study.engine, study.name, name)
    draft.put(
        ("study", "seed"),
        min(own.study.seed + 1, LARGEST_SEED),
        "Draws differ from those of the previous study.",
    )
    if isinstance(named, int):
        rows = study.trials([named])
        settings = in_use(rows[0].config) if rows else {}
        draft.put(("study", "baseline"), settings, f"Trial {named} of '{study.name}'.")
    return draft


def _name(engine: Engine, study: str, name: str | None) -> str:
    """Return the requested name, or else the first free one of NAME-2, NAME-3, ..."""
    if name is not None:
        if open_study_or_none(engine, name) is not None:
            raise UsageError(f"study '{name}' exists. Give the next study another --name.")
        return name
    stem, _, last = study.rpartition("-")
    first = int(last) + 1 if stem and last.isdecimal() and len(last) < 4 else 2
    stem = stem if first > 2 or (stem and last == "1") else study
    place = first
    while open_study_or_none(engine, f"{stem}-{place}") is not None:
        place += 1
    return f"{stem}-{place}"


def _follow(draft: _Draft, advice: Sequence[Advice]) -> list[Change]:
    """Apply the changes of the advice to the file; return the applied ones."""
    taken: dict[str, Change] = {}
    for of in advice:
        for change in of.changes:
            before = taken.get(change.param)
            to = change.to if before is None else _wider(before.to, change.to)
            why = change.why if before is None else f"{before.why} {change.why}"
            places = list(_places(draft.study_file.space, change.param))
            took = [draft.put(keys, _with_when(draft, keys, to), why) for keys in places]
            if all(took):
                taken[change.param] = Change(param=change.param, to=to, why=why)
    return list(taken.values())


def _places(space: Space, param: str) -> Iterator[_Keys]:
    """Yield the paths where a parameter is searched, or else those where its setting is fixed."""
    nodes = list(_nodes(space.nodes, ("space",)))
    found = [keys for keys, node in nodes if isinstance(node, Searched) and node.name == param]
    if not found:
        found = [keys for keys, node in nodes if node.setting == param]
    yield from found or [("space", param)]


def _nodes(nodes: Sequence[Node], path: _Keys) -> Iterator[tuple[_Keys, Node]]:
    for node in nodes:
        here = (*path, node.setting)
        yield here, node
        if isinstance(node, Searched):
            for choice, inner in node.when.items():
                yield from _nodes(inner, (*here, "when", choice_key(choice)))


def _with_when(draft: _Draft, keys: _Keys, to: Any) -> Any:
    """Keep the settings below the remaining choices."""
    table: Any = draft.raw
    for key in keys:
        table = table.get(key, {}) if isinstance(table, dict) else {}
    if not _is_table(to) or not isinstance(table, dict) or "when" not in table:
        return to
    kept = {choice_key(choice) for choice in to["choices"]}
    when = {choice: settings for choice, settings in table["when"].items() if choice in kept}
    return {**to, "when": when} if when else to


def _wider(one: Any, other: Any) -> Any:
    """Return the union of two ranges or lists; a range over both for one of each."""
    if "choices" in one and "choices" in other:
        return {"choices": sorted({*one["choices"], *other["choices"]})}
    span = one if "low" in one else other
    ends = [*_ends(one), *_ends(other)]
    return {**span, "low": min(ends), "high": max(ends)}


def _ends(to: Any) -> Any:
    return to["choices"] if "choices" in to else (to["low"], to["high"])


def _is_table(to: Any) -> bool:
    return isinstance(to, dict)


# --- what runs first, and what the sampler learns from ------------------------------------------


def _run_best_first(draft: _Draft, reader: StudyReader, with_most_epochs: bool) -> None:
    """Enqueue the best configurations, adapted to the new space, and the baseline."""
    entries: list[dict[str, Any]] = []
    whys: list[str] = []
    space = draft.study_file.space
    for row in reader.best(2 * N_FIRST):
        settings = in_use(row.config)
        if with_most_epochs:
            settings[EPOCHS.name] = space.highest(EPOCHS.name)
        entry = _searched_values(space.nodes, settings)
        if entry and entry not in entries and len(entries) < N_FIRST:
            entries.append(entry)
            whys.append(_origin(reader.study.name, row, with_most_epochs))
    baseline = draft.study_file.baseline_to_enqueue()
    tried = reader.table.counting & reader.table.is_baseline
    if baseline and tried.any() and dict(baseline) not in entries:
        entries.append(dict(baseline))
        whys.append("The baseline, for comparison.")
    if entries and draft.put(("enqueue",), entries, "The best configurations run first."):
        del draft.comments["enqueue"]
        draft.comments |= {f"enqueue.{place}": in_ascii(why) for place, why in enumerate(whys)}


def _searched_values(nodes: Sequence[Node], settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the settings that the space searches; None unless it contains their values."""
    found: dict[str, Any] = {}
    for node in nodes:
        if not isinstance(node, Searched) or node.setting not in settings:
            continue
        value = settings[node.setting]
        inner = _searched_values(node.when.get(value, ()), settings)
        if not node.domain.contains(value) or inner is None:
            return None
        found |= {node.setting: value, **inner}
    return found


def _origin(study: str, row: TrialRow, with_most_epochs: bool) -> str:
    more = ", with more epochs" if with_most_epochs else ""
    return f"Trial {row.number} of '{study}' (error {number(row.value)}){more}."


def _warm_start(draft: _Draft, study: StudyHandle, fixed: Sequence[str]) -> None:
    """Let the sampler learn from the study, if it can."""
    if draft.study_file.sampler.name is not Sampler.TPE:
        return
    # The best configurations run first through [[enqueue]], which also says why.
    table: dict[str, Any] = {"studies": [study.name], "best": 0}
    if fixed:
        table["ignore"] = sorted(set(fixed))
    why = f"The sampler knows the trials of '{study.name}' from the beginning."
    before = deepcopy(draft.raw)
    if not draft.put(("warm_start",), table, why):
        return
    digest = study.record().provenance.get("data_sha256")
    try:
        read_warm_start(study.engine, draft.study_file, data_sha256=digest)
    except (UsageError, NotFoundError) as error:
        draft.raw = before
        del draft.comments["warm_start"]
        draft.left_out.append(f"{why} Not possible: {error}")


def _write_heading(reader: StudyReader, advice: Sequence[Advice]) -> str:
    """Say where the file comes from, and what a study file cannot change."""
    study, n = reader.study.name, int(reader.table.counting.sum())
    lines = [
        f"`sweep next {quote(study)}` wrote this from {count(n, 'finished trial')} of study "
        f"'{study}'. Lines without a comment are unchanged.",
        *(in_ascii(of.with_command) for of in advice if not of.changes),
    ]
    return "\n".join(lines)
