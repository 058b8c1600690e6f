"""A study file as TOML that reads back equal."""

from typing import Any

import tomlkit
from tomlkit.items import InlineTable

from sweep.studyfile.domains import Categorical, Domain
from sweep.studyfile.file import StudyFile
from sweep.studyfile.read_space import choice_key
from sweep.studyfile.sections import Section
from sweep.studyfile.space import Node, Searched


def to_toml(study_file: StudyFile) -> str:
    """What ``loads`` makes an equal study file of; only what was given, without comments."""
    document = tomlkit.document()
    for name in ("study", "data"):
        _add_section(document, name, getattr(study_file, name))
    document["space"] = _table(study_file.space.nodes)
    for name in ("sampler", "warm_start", "pruner", "budget", "workers"):
        _add_section(document, name, getattr(study_file, name))
    if study_file.enqueue:
        entries = tomlkit.aot()
        for configuration in study_file.enqueue:
            entries.append(tomlkit.item(configuration))
        document["enqueue"] = entries
    return tomlkit.dumps(document)


def with_trials(text: str, n_trials: int | None) -> str:
    """A stored study file to repeat its study with: ``sweep resume --trials`` may have changed it.

    By its text alone, since the file of another version need not be one that this one reads. What
    is no study file, and so was put into the database by hand, stays as it is.
    """
    try:
        document = tomlkit.parse(text)
    except tomlkit.exceptions.ParseError:
        return text
    budget = document.get("budget", {})
    if not isinstance(budget, dict):
        return text
    asked = budget.get("trials")
    if n_trials is None or n_trials == asked:
        return text
    trials = tomlkit.item(n_trials)
    if asked is not None:
        trials.comment(f"as of now; {asked} in its own file")
    document["budget"] = {**budget, "trials": trials}
    return tomlkit.dumps(document)


def _add_section(document: tomlkit.TOMLDocument, name: str, section: Section) -> None:
    given = section.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    if given:
        document[name] = {
            key: _inline(value) if isinstance(value, dict) else value
            for key, value in given.items()
        }


def _table(nodes: tuple[Node, ...]) -> dict[str, Any]:
    return {node.setting: _node(node) for node in nodes}


def _node(node: Node) -> Any:
    if not isinstance(node, Searched):
        return node.value
    if not node.when:
        if isinstance(node.domain, Categorical):
            return list(node.domain.choices)
        return _inline(_domain(node.domain))
    when = {choice_key(choice): _table(nodes) for choice, nodes in node.when.items()}
    return {**_domain(node.domain), "when": when}


def _domain(domain: Domain) -> dict[str, Any]:
    """A domain's fields as a study file gives them."""
    if isinstance(domain, Categorical):
        return {"choices": list(domain.choices)}
    table: dict[str, Any] = {"low": domain.low, "high": domain.high}
    if domain.log:
        table["log"] = True
    if domain.step not in (None, 1) or (isinstance(domain.low, float) and domain.step):
        table["step"] = domain.step
    return table


def _inline(table: dict[str, Any]) -> InlineTable:
    inline = tomlkit.inline_table()
    inline.update(table)
    return inline
