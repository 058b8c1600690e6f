"""Command next: write the study file that would answer a study's open questions."""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from sweep.analysis.study_reader import StudyReader
from sweep.cli import words
from sweep.cli.options import Storage, StudyName, output_option, stored_study
from sweep.cli.output import STDOUT, deliver, say
from sweep.errors import UsageError
from sweep.findings.next_study import next_study
from sweep.findings.study import gather_study


def next_(
    name: StudyName,
    output: Annotated[Path, output_option("FILE", "stdout")] = STDOUT,
    new_name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NEW", help="The next study's name.", show_default="NAME-2, -3 ..."
        ),
    ] = None,
    storage: Storage = None,
) -> None:
    """Write the study file that follows from a study's advice.

    Ranges are widened if the best trials crowd at their end, others narrowed to the best trials,
    settings without effect are fixed, the best configurations run first, and tpe learns from the
    study. A comment above each change says why. `sweep findings NAME` shows the advice.
    """
    if output != STDOUT and output.expanduser().is_file():
        raise UsageError(f"{output} exists. Name another file with -o.")
    reader = StudyReader(stored_study(name, storage))
    found = next_study(reader, gather_study(reader, in_short=True).advice, new_name)
    for sentence in found.left_out:
        say(sentence)
    file = "FILE" if output == STDOUT else str(output)
    changed = [of for of in found.changes if of.startswith("space.")]
    deliver(
        output,
        found.text.encode(),
        f"changed: {', '.join(changed) or 'nothing in [space]'}",
        f"run it: {words.command(f'sweep start {quote(file)}', storage)}",
    )
