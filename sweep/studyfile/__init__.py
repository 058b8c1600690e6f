"""Read study files: TOML in, a validated model out, with all problems at once."""

from sweep.studyfile.domains import Categorical, Domain, Float, Int
from sweep.studyfile.file import StudyFile, load, loads, loads_or_none
from sweep.studyfile.json_schema import json_schema
from sweep.studyfile.space import Fixed, Node, Searched, Space
from sweep.studyfile.write import to_toml, with_trials

__all__ = [
    "Categorical",
    "Domain",
    "Fixed",
    "Float",
    "Int",
    "Node",
    "Searched",
    "Space",
    "StudyFile",
    "json_schema",
    "load",
    "loads",
    "loads_or_none",
    "to_toml",
    "with_trials",
]
