"""Write a study file as TOML that reads back equal."""

import textwrap
from collections.abc import Mapping
from typing import Any

import tomlkit
from tomlkit.items import InlineTable, Table

from sweep.studyfile.domains import Categorical, Domain
from sweep.studyfile.file import StudyFile
from sweep.studyfile.read_space import choice_key
from sweep.studyfile.sections import Section
from sweep.studyfile.space import Node, Searched
from sweep.studyfile.words import show_path

#: Comments by a key's path, such as ``space.epochs`` or ``enqueue.0``; "" for the file.
Comments = Mapping[str, str]
_COMMENT_WIDTH = 96


def to_toml(study_file: StudyFile, comments: Comments | None = None) -> str:
    """Write TOML that ``loads`` reads back equal, with comments above keys."""
    comments = comments or {}
    document = tomlkit.document()
    for line in _lines(comments.get("", "")):
        document.add(tomlkit.comment(line))
    for name in ("study", "data"):
        _add_section(document, name, getattr(study_file, name), comments)
    document["space"] = _table(study_file.space.nodes, ("space",), comments)
    for name in ("sampler", "warm_start", "pruner", "budget", "workers"):
        _add_section(document, name, getattr(study_file, name), comments)
    if study_file.enqueue:
        entries = tomlkit.aot()
        for place, configuration in enumerate(study_file.enqueue):
            entry = tomlkit.table()
            for line in _lines(comments.get(f"enqueue.{place}", "")):
                entry.add(tomlkit.comment(line))
            for key, value in configuration.items():
                entry.add(key, value)
            entries.append(entry)
        document["enqueue"] = entries
    return tomlkit.dumps(document)


def with_trials(text: str, n_trials: int | None) -> str:
    """Write the number of trials of ``sweep resume --trials`` into a stored study file.

    It edits only the text, because this version may be unable to read another version's file. A
    text that is not a study file, written by somebody else, stays unchanged.
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


def _add_section(
    document: tomlkit.TOMLDocument, name: str, section: Section, comments: Comments
) -> None:
    given = section.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    if not given:
        return
    table = tomlkit.table()
    for line in _lines(comments.get(name, "")):
        table.add(tomlkit.comment(line))
    for key, value in given.items():
        _add(table, (name, key), _inline(value) if isinstance(value, dict) else value, comments)
    document[name] = table


def _add(table: Table, path: tuple[str, ...], value: Any, comments: Comments) -> None:
    for line in _lines(comments.get(show_path(path), "")):
        table.add(tomlkit.comment(line))
    table.add(path[-1], value)


def _lines(comment: str) -> list[str]:
    return [
        line
        for paragraph in comment.splitlines()
        for line in textwrap.wrap(
            paragraph, _COMMENT_WIDTH, break_long_words=False, break_on_hyphens=False
        )
    ]


def _table(nodes: tuple[Node, ...], path: tuple[str, ...], comments: Comments) -> Table:
    """Write a table of settings; inner tables come last, as TOML requires."""
    table = tomlkit.table()
    values = [(node, _node(node, (*path, node.setting), comments)) for node in nodes]
    for node, value in sorted(values, key=lambda of: isinstance(of[1], Table)):
        if isinstance(value, Table):  # its comment goes below its heading
            table.add(node.setting, value)
        else:
            _add(table, (*path, node.setting), value, comments)
    return table


def _node(node: Node, path: tuple[str, ...], comments: Comments) -> Any:
    if not isinstance(node, Searched):
        return node.value
    if not node.when:
        return _inline(_domain(node.domain))
    table, when = tomlkit.table(), tomlkit.table(is_super_table=True)
    for line in _lines(comments.get(show_path(path), "")):
        table.add(tomlkit.comment(line))
    for key, value in _domain(node.domain).items():
        table.add(key, value)
    for choice, nodes in node.when.items():
        key = choice_key(choice)
        when.add(key, _table(nodes, (*path, "when", key), comments))
    table.add("when", when)
    return table


def _domain(domain: Domain) -> dict[str, Any]:
    """Write a domain's fields as in a study file."""
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
