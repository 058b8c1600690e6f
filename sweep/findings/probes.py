"""What the codes of a study tell of the labels, from the probes of its networks."""

from collections.abc import Sequence
from shlex import quote

from sweep.analysis.probe_summary import ProbedTrial, ProbeSummary
from sweep.catalogue.formats import number, percent
from sweep.findings.cells import count_cell, trial_cell
from sweep.findings.tables import Cell, FindingTable, TableColumn

_KINDS = {"code": "Code", "pca": "PCA", "pixels": "Pixels"}
_CLASSIFIERS = {"linear": "linear", "neighbours": "nearest"}
_COLUMNS = (
    TableColumn("hidden_width", "Width", is_number=True),
    TableColumn("number", "Trial", is_number=True),
    TableColumn("test_mse", "Test error", is_number=True),
    *(
        TableColumn(f"{kind}_{classifier}", f"{title}, {how}", is_number=True)
        for kind, title in _KINDS.items()
        for classifier, how in _CLASSIFIERS.items()
    ),
)


def about_codes(found: ProbeSummary) -> str:
    """Return the verdict on the codes, with its numbers."""
    return f"{found.verdict.capitalize()}. {found.because}"


def probe_table(study: str, probed: Sequence[ProbedTrial]) -> FindingTable:
    """Lay out how many labels two classifiers tell from codes, PCA codes and pixels."""
    return FindingTable(
        title="Label accuracy",
        columns=_COLUMNS,
        rows=[_row(of) for of in probed],
        note=_method(probed[0]) if probed else _none_yet(study),
    )


def _row(of: ProbedTrial) -> list[Cell]:
    told = (getattr(getattr(of, kind), how) for kind in _KINDS for how in _CLASSIFIERS)
    return [
        count_cell(of.hidden_width),
        trial_cell(of.number),
        Cell(number(of.test_mse, 4), of.test_mse),
        *(Cell(percent(share, 1), share) for share in told),
    ]


def _method(probed: ProbedTrial) -> str:
    return (
        "Shares of the test images whose label is told from the code, which was never trained for "
        "it, by ridge regression and by the 5 nearest training images; beside it, from PCA’s code "
        f"of the same size and from the pixels. Learnt from {probed.n_train:,} training images, "
        f"measured on {probed.n_test:,} test images."
    )


def _none_yet(study: str) -> str:
    return (
        "No probe results yet. The best network of each width is analysed before a study ends, all "
        f"with `study.probe = true`; `sweep analyse {quote(study)}` analyses what is missing. "
        "A data set without labels has none."
    )


def unseen_sentence(found: ProbeSummary) -> str:
    """Name the best trials of their widths that have no weights to analyse."""
    if not found.unseen:
        return ""
    listed = ", ".join(map(str, found.unseen))
    return f"The best of their widths, without weights to analyse: {listed}. {TRAIN_AGAIN}"


#: Where weights were not kept.
TRAIN_AGAIN = "A study with `study.probe = true` analyses each trial; train the settings again."
