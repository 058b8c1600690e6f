"""Writes docs/api.md from the docstrings of the public API. `make docs` runs it."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sweep
from sweep.figures.registry import FIGURES, options_of

TARGET = Path(__file__).with_name("api.md")

INTRODUCTION = """\
<!-- Written by `make docs`; change docs/generate_api.py or a docstring of sweep.api instead. -->

# Python API

`import sweep` gives notebooks and scripts what the commands show: data frames, records, figures and
networks. It loads Optuna, SQLAlchemy, Plotly and PyTorch when something first needs them. All but
`sweep.run` only reads, and may be used beside a running study. Frames are pandas or polars,
whichever the program has imported or, else, is installed. Errors are `sweep.SweepError`s, with the
messages of the command line. [notebook.ipynb](notebook.ipynb) is an example to start from.

```python
import sweep

db = sweep.open("sqlite:///demo/sweep.db")  # or nothing: SWEEP_STORAGE, else sqlite:///sweep.db
db.studies()  # a data frame
study = db.study("quickstart")  # shows how it is
study.best(5)  # a data frame, as are study.trials() and study.curves()
study.findings()  # what it shows, in sentences and tables
study.trial(19)  # a record
study.trial_findings(19).sentences  # what limits it
study.reconstructions(19)  # arrays (10, height, width)
study.figure("width")  # a Plotly figure
model = study.load_model()  # the best; a torch.nn.Module: encode, decode, forward
sweep.run("studies/quickstart.toml")  # runs to the end, returns the study
```
"""


def render() -> str:
    """The page, as it should be."""
    return "\n".join([INTRODUCTION, *_functions(), *_classes(), *_figures()])


def _functions() -> Iterator[str]:
    yield from _entry("##", "sweep.open", sweep.open)
    yield from _entry("##", "sweep.run", sweep.run)
    yield from _entry("##", "sweep.load_model", sweep.load_model)


def _classes() -> Iterator[str]:
    for of in (sweep.Database, sweep.Study):
        yield f"## `sweep.{of.__name__}`\n"
        yield f"{inspect.getdoc(of)}\n"
        for name, member in vars(of).items():
            if not name.startswith("_"):
                yield from _entry("###", f"{of.__name__}.{name}", member)


def _entry(level: str, name: str, member: Any) -> Iterator[str]:
    if isinstance(member, property):
        yield f"{level} `{name}`\n"
    else:
        yield f"{level} `{name}{_signature(member)}`\n"
    text = inspect.getdoc(member)
    assert text, f"{name} has no docstring"
    yield text.replace("``", "`") + "\n"


def _signature(function: Callable[..., Any]) -> str:
    """Parameters and their defaults, without types and without ``self``."""
    found = inspect.signature(function)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for name, parameter in found.parameters.items()
        if name != "self"
    ]
    return str(found.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


def _figures() -> Iterator[str]:
    yield "## Figures\n"
    yield "Names for `Study.figure` and `sweep figure`, with their options and what each needs.\n"
    yield "| name | question | options | shows | needs |"
    yield "|---|---|---|---|---|"
    for name, figure in FIGURES.items():
        given = ", ".join(f"`{of.name}={of.default!r}`" for of in options_of(figure).values())
        shows = " ".join((inspect.getdoc(figure.gather) or "").replace("``", "`").split())
        yield f"| `{name}` | {figure.question} | {given} | {shows} | {figure.needs} |"
    yield ""


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
