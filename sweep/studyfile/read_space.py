"""Read TOML's ``[space]`` into a ``Space``, collecting all problems."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sweep.catalogue.settings import SETTINGS, Setting, Value
from sweep.studyfile.domains import Categorical, Domain, Float, Int
from sweep.studyfile.rules import space_problems
from sweep.studyfile.sections import key_of_another_section
from sweep.studyfile.settings import read_value
from sweep.studyfile.space import Fixed, Node, Searched, Space
from sweep.studyfile.words import hint, show, show_path

_ORDER = {name: index for index, name in enumerate(SETTINGS)}
#: Comma-separated numbers, as in --set.
_SEVERAL = re.compile(r"[\d.eE+-]+(\s*,\s*[\d.eE+-]+){1,20}")
_RANGE_KEYS = ("low", "high", "log", "step")
#: With more steps, doubles and decimals no longer distinguish neighbouring ones.
_MOST_STEPS = 1_000_000
_EMPTY = (
    "space: empty, so there is nothing to train. Give at least one setting, "
    "such as hidden_width = { low = 8, high = 1024, log = true }."
)


def read_space(raw: object) -> tuple[Space | None, list[str]]:
    """Read the space; return None with the problems if it is invalid."""
    if raw is None or raw == {}:
        return None, [_EMPTY]
    if not isinstance(raw, dict):
        return None, [f"space: must be a table of settings, got {show(raw)}."]
    reader = _Reader()
    space = Space(nodes=reader.table(raw, ("space",), prefix="", decided=()))
    if not reader.problems:
        reader.problems.extend(space_problems(space.nodes))
    return (None if reader.problems else space), reader.problems


def choice_key(choice: Value) -> str:
    """Write a choice as the key of its ``when`` table."""
    if isinstance(choice, bool):
        return "true" if choice else "false"
    return str(choice)


class _Reader:
    """Collects problems, so that one bad setting does not hide the next."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def problem(self, path: tuple[str, ...], text: str) -> None:
        """Record a problem at a path."""
        self.problems.append(f"{show_path(path)}: {text}")

    def table(
        self,
        raw: Mapping[str, object],
        path: tuple[str, ...],
        prefix: str,
        decided: tuple[str, ...],  # settings that led here through ``when``
    ) -> tuple[Node, ...]:
        """Read the settings of one table: ``[space]`` itself, or one under ``when``."""
        nodes = []
        for name, value in raw.items():
            setting = SETTINGS.get(name)
            here = (*path, name)
            if setting is None:
                other = key_of_another_section(name)
                self.problem(here, f"unknown setting. {hint(name, SETTINGS, other)}")
            elif name in decided:
                self.problem(here, f"already determined above. Omit this '{name}'.")
            else:
                node = self.node(setting, value, here, prefix, decided)
                nodes += [node] if node else []
        # In a canonical order: neither samplers nor a grid depend on the order of the file.
        return tuple(sorted(nodes, key=lambda node: _ORDER[node.setting]))

    def node(
        self,
        setting: Setting[Any],
        raw: object,
        path: tuple[str, ...],
        prefix: str,
        decided: tuple[str, ...],
    ) -> Node | None:
        """Read one setting, fixed or searched."""
        if isinstance(raw, list):
            raw = {"choices": raw}
        if not isinstance(raw, dict):
            value = self.value(setting, raw, path)
            if value is None:
                return None
            return Fixed(setting=setting.name, path=show_path(path), value=value)
        domain = self.domain(setting, raw, path)
        when = self.when(setting, domain, raw.get("when", {}), path, decided)
        if domain is None:
            return None
        name = prefix + setting.name
        return Searched(
            setting=setting.name, path=show_path(path), name=name, domain=domain, when=when
        )

    def value(self, setting: Setting[Any], raw: object, path: tuple[str, ...]) -> Value | None:
        """Read one value of a setting."""
        try:
            return read_value(setting, raw)
        except ValueError as error:
            as_list = f" Several values are a list: [{raw}]." if _is_several(raw) else ""
            self.problem(path, f"{error}{as_list}")
            return None

    def domain(
        self, setting: Setting[Any], raw: Mapping[str, object], path: tuple[str, ...]
    ) -> Domain | None:
        """Read the domain of a searched setting."""
        ranged = not setting.choices and setting.kind is not bool
        known = (*_RANGE_KEYS, "choices", "when") if ranged else ("choices", "when")
        unknown = [key for key in raw if key not in known]
        for key in unknown:
            self.problem((*path, key), self._unknown_key(setting, key, known))
        if "choices" in raw:
            return self.categorical(setting, raw, path)
        if ranged and ("low" in raw or "high" in raw):
            return self.range(setting, raw, path)
        if not unknown:
            needs = "low and high, or choices" if ranged else "choices = [...]"
            self.problem(path, f"needs {needs}; to fix it, write {setting.name} = value.")
        return None

    def _unknown_key(self, setting: Setting[Any], key: str, known: tuple[str, ...]) -> str:
        if key in _RANGE_KEYS:
            return f"{setting.name} has no range. List its values: choices = [...]."
        if key in SETTINGS:
            return "a setting that depends on a choice goes under when.<choice>."
        return f"unknown key. {hint(key, known)}"

    def categorical(
        self, setting: Setting[Any], raw: Mapping[str, object], path: tuple[str, ...]
    ) -> Categorical | None:
        """Read a list of choices."""
        choices = raw["choices"]
        ranged = not setting.choices and setting.kind is not bool
        if ranged and (both := [key for key in _RANGE_KEYS if key in raw]):
            self.problem(path, f"has both choices and {both[0]}. Keep one of them.")
            return None
        if choices == []:
            self.problem(path, "choices is empty: name some values.")
            return None
        if not isinstance(choices, list):
            self.problem(path, f"choices must be a list of values, got {show(choices)}.")
            return None
        values = [self.value(setting, choice, path) for choice in choices]
        good = [value for value in values if value is not None]
        if repeated := sorted({show(value) for value in good if good.count(value) > 1}):
            self.problem(path, f"choices repeat {', '.join(repeated)}. Name each once.")
            return None
        return Categorical(choices=tuple(good)) if len(good) == len(choices) else None

    def range(
        self, setting: Setting[Any], raw: Mapping[str, object], path: tuple[str, ...]
    ) -> Float | Int | None:
        """Read a range of numbers."""
        n_before = len(self.problems)
        for key in ("low", "high"):
            if key not in raw:
                self.problem(path, f"{key} is missing; a range needs low and high.")
        low = self.value(setting, raw["low"], (*path, "low")) if "low" in raw else None
        high = self.value(setting, raw["high"], (*path, "high")) if "high" in raw else None
        log = raw.get("log", False)
        if not isinstance(log, bool):
            self.problem((*path, "log"), f"must be true or false, got {show(log)}.")
        step = self.step(setting, raw, path)
        if len(self.problems) > n_before:
            return None
        assert isinstance(low, int | float) and isinstance(high, int | float)
        for text in range_problems(setting.name, low, high, bool(log), step):
            self.problem(path, text)
        if len(self.problems) > n_before:
            return None
        if setting.kind is int:
            return Int(low=int(low), high=int(high), log=bool(log), step=int(step or 1))
        return Float(low=low, high=high, log=bool(log), step=step)

    def step(
        self, setting: Setting[Any], raw: Mapping[str, object], path: tuple[str, ...]
    ) -> float | None:
        """Read the step of a range, of the setting's type."""
        step = raw.get("step")
        if step is None:
            return None
        kinds = int if setting.kind is int else int | float
        if isinstance(step, bool) or not isinstance(step, kinds) or not 0 < step < 1e9:
            kind = "whole number" if setting.kind is int else "number"
            self.problem((*path, "step"), f"must be a {kind} above 0, got {show(step)}.")
            return None
        return step

    def when(
        self,
        setting: Setting[Any],
        domain: Domain | None,
        raw: object,
        path: tuple[str, ...],
        decided: tuple[str, ...],
    ) -> dict[Value, tuple[Node, ...]]:
        """Read the tables under ``when``, by choice."""
        path = (*path, "when")
        if not isinstance(raw, dict):
            self.problem(path, f"must hold a table for each choice, got {show(raw)}.")
            return {}
        if raw and isinstance(domain, Float | Int):
            self.problem(path, "depends on a range; only choices can decide other settings.")
            return {}
        choices = domain.choices if isinstance(domain, Categorical) else ()
        by_key = {choice_key(choice): choice for choice in choices}
        tables: dict[Value, tuple[Node, ...]] = {}
        for key, table in raw.items():
            here = (*path, key)
            if domain and key not in by_key:
                self.problem(here, f"not one of the choices. {hint(key, by_key)}")
            if not isinstance(table, dict):
                self.problem(here, f"must be a table of settings, got {show(table)}.")
                continue
            nodes = self.table(table, here, f"{key}.", (*decided, setting.name))
            if key in by_key:
                tables[by_key[key]] = nodes
        return {choice: tables[choice] for choice in choices if choice in tables}


def _is_several(raw: object) -> bool:
    return isinstance(raw, str) and bool(_SEVERAL.fullmatch(raw))


def range_problems(name: str, low: float, high: float, log: bool, step: float | None) -> list[str]:
    """List the reasons why these numbers are not a range."""
    if low > high:
        return [f"low ({low}) must be below high ({high})."]
    if low == high:
        return [f"low and high are both {low}. To fix it, write {name} = {low}."]
    if log and step is not None:
        return ["log and step exclude each other. Omit one."]
    if log and low <= 0:
        return [f"a log range needs a low above 0, got {low}."]
    if step is not None:
        return _step_problems(low, high, step)
    return []


def _step_problems(low: float, high: float, step: float) -> list[str]:
    exact_low, exact_high, exact_step = (Decimal(str(number)) for number in (low, high, step))
    if exact_step > exact_high - exact_low:
        return [f"step ({step}) is longer than the range from {low} to {high}."]
    if exact_step * _MOST_STEPS < exact_high - exact_low:
        return [f"step ({step}) is too short for the range; omit it."]
    rest = (exact_high - exact_low) % exact_step
    if rest:
        reached = exact_high - rest
        return [
            f"steps of {step} from {low} miss high ({high}). "
            f"Use high = {reached} or {reached + exact_step}."
        ]
    return []
