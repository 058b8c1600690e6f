"""Command findings: what a study shows."""

from sweep.analysis.study_reader import N_BEST, StudyReader
from sweep.cli.options import Json, Storage, StudyNameOrOnly, stored_study
from sweep.cli.output import show, show_decision, show_finding, show_json, show_sentences
from sweep.cli.words import in_terminal
from sweep.findings.study import gather_study


def findings(name: StudyNameOrOnly = None, storage: Storage = None, as_json: Json = False) -> None:
    """Show what a study found: which trial to take, why the error stops there, what to do next.

    The report and the dashboard show the same sentences and tables.
    """
    found = gather_study(StudyReader(stored_study(name, storage)), n_best=N_BEST)
    if as_json:
        show_json(found.to_json())
        return
    if found.decision is not None:
        show_decision(found.decision, storage)
        show()
    for sentence in found.sentences:
        show(in_terminal(sentence, storage))
    show_sentences(found.advice_title, found.advice_sentences, storage)
    for table in found.tables.values():
        show_finding(table, storage)
