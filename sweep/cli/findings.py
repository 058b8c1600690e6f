"""findings: what a study shows."""

from sweep.cli.options import Json, Storage, StudyNameOrOnly, stored_study
from sweep.cli.output import show, show_finding, show_json
from sweep.cli.words import in_terminal


def findings(name: StudyNameOrOnly = None, storage: Storage = None, as_json: Json = False) -> None:
    """Show what a study found: the best trial, why its error stops there, and the tables behind it.

    The report and the dashboard show the same sentences and tables.
    """
    from sweep.analysis.study_reader import N_BEST, StudyReader
    from sweep.findings.study import gather_study

    found = gather_study(StudyReader(stored_study(name, storage)), n_best=N_BEST)
    if as_json:
        show_json(found.to_json())
        return
    for sentence in found.sentences:
        show(in_terminal(sentence, storage))
    for table in found.tables:
        show_finding(table, storage)
