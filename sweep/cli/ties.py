"""ties: which of the best configurations cannot be told from the best."""

from typing import Annotated

import typer

from sweep.cli import words
from sweep.cli.options import Json, Storage, StudyName
from sweep.cli.output import show, show_json, show_titled_table


def ties(
    name: StudyName,
    n: Annotated[
        int, typer.Option("--number", "-n", min=2, max=50, help="Trials to compare, the best ones.")
    ] = 10,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Tell which of the best configurations their seeds cannot tell from the best.

    Needs 3 seeds or more of each, as `study.repeat` gives. Welch's t test of log validation errors,
    corrected after Holm over all pairs; of those that tie, the smallest and cheapest are named.
    """
    from sweep.analysis.study_ties import study_ties
    from sweep.store.migrate import open_store

    found = study_ties(open_store(storage), name, n)
    if as_json:
        compared = [] if found is None else found.compared
        show_json(
            {
                "compared": [
                    {
                        "number": of.candidate.number,
                        "n_seeds": len(of.candidate.errors),
                        "val_mse": of.error,
                        "times_best": of.times_best,
                        "p": of.p,
                        "tied": of.is_tied,
                    }
                    for of in compared
                ],
                "smallest": found.smallest if found else None,
                "cheapest": found.cheapest if found else None,
            }
        )
        return
    if found is None:
        show(
            "Nothing to compare: it takes two configurations with 3 seeds each. Set "
            "`study.repeat = 3` or more, and train the best ones again."
        )
        return
    rows = [
        (
            str(of.candidate.number),
            str(len(of.candidate.errors)),
            words.number(of.error, 5),
            f"{of.times_best:.3f}",
            f"{of.p:.3f}",
            _role(of.is_tied, of.candidate.number, found.smallest, found.cheapest),
        )
        for of in found.compared
    ]
    header = ("trial", "seeds", "val_mse", "times best", "p", "")
    show_titled_table("Beside the best", header, rows, left=0)


def _role(is_tied: bool, number: int, smallest: int | None, cheapest: int | None) -> str:
    if not is_tied:
        return "worse"
    roles = [name for name, of in (("smallest", smallest), ("cheapest", cheapest)) if of == number]
    return ", ".join(["ties", *roles])
