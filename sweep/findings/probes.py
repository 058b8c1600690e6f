"""How well the codes of a study predict the labels, from the probes of its networks."""

from collections.abc import Iterable, Sequence
from shlex import quote

from sweep.analysis.probe_summary import (
    Accuracy,
    Classifier,
    FeatureKind,
    ProbedTrial,
    ProbeSummary,
    Rating,
    compare,
)
from sweep.catalogue.formats import count, number, percent
from sweep.findings.cells import count_cell, trial_cell
from sweep.findings.tables import Cell, FindingTable, TableColumn

#: Titles of columns and lines.
CLASSIFIERS = {
    Classifier.LINEAR: "linear",
    Classifier.NEIGHBOURS: "nearest images",
    Classifier.NETWORK: "two-layer network",
}
KINDS = {
    FeatureKind.CODE: "code",
    FeatureKind.PCA: "PCA",
    FeatureKind.RANDOM: "random projections",
    FeatureKind.PIXELS: "pixels",
}
_SUBJECTS = {
    Classifier.LINEAR: "softmax regression",
    Classifier.NEIGHBOURS: "the vote of the nearest images",
    Classifier.NETWORK: "a two-layer network",
}
_ABOUT_ERRORS = (
    "± is one standard error: that of a share of the test images, and with few labels also that of "
    "the mean over the draws of labels. One network of a trial is probed, so the spread over its "
    "seeds is not part of it."
)


def about_codes(found: ProbeSummary) -> str:
    """Return the verdict on the codes, with its numbers."""
    shown = found.shown
    said = [
        f"{found.verdict.capitalize()}.",
        _about_shown(found),
        _as_good(found),
        f"Compared with as many principal components, the codes are "
        f"{_counts(found, FeatureKind.PCA)}; with random projections, "
        f"{_counts(found, FeatureKind.RANDOM)}.",
        _with_few(found) if shown.code.n_few < shown.code.n_train else "",
        _from_end_to_end(found),
    ]
    return " ".join(sentence for sentence in said if sentence)


def accuracy_text(of: Accuracy) -> str:
    """Write a share with its standard error: 85.1 ± 0.4 %."""
    return f"{100 * of.share:.1f} ± {100 * of.standard_error:.1f} %"


def _about_shown(found: ProbeSummary) -> str:
    shown, kept = found.shown, found.kept_share(found.shown)
    code, pixels = (
        accuracy_text(found.accuracy(shown, kind))
        for kind in (FeatureKind.CODE, FeatureKind.PIXELS)
    )
    share = percent(shown.hidden_width / shown.n_pixels, 1)
    keeps = (
        ""
        if kept is None
        else f" and keeps {percent(kept)} of what they achieve beyond the commonest class"
    )
    return (
        f"The code of {count(shown.hidden_width, 'unit')} (trial {shown.number}) has {share} of "
        f"the numbers of an image{keeps}: {_SUBJECTS[found.classifier]}, having learned from "
        f"{shown.code.n_train:,} labels, predicts {code} of the test labels from the code and "
        f"{pixels} from the {shown.n_pixels:,} pixels."
    )


def _as_good(found: ProbeSummary) -> str:
    """Say from which width on a code predicts as well as the pixels, if the verdict does not."""
    as_good = found.as_good
    if as_good is None or as_good is found.shown:
        return ""
    told = accuracy_text(found.accuracy(as_good, FeatureKind.CODE))
    return (
        f"From {as_good.hidden_width:,} units on (trial {as_good.number}: {told}) it predicts as "
        "many as from the pixels, within the precision of the test images."
    )


def _counts(found: ProbeSummary, kind: FeatureKind) -> str:
    counts, n = found.beside(kind), len(found.best)
    said = [f"{standing} at {counts[standing]}" for standing in Rating if counts[standing]]
    if len(said) == 1:
        (standing,) = counts
        return f"{standing} at {'the only width' if n == 1 else f'all {n} widths'}"
    return f"{', '.join(said[:-1])} and {said[-1]} of {n} widths"


def _with_few(found: ProbeSummary) -> str:
    shown = found.shown
    code, pixels = (
        found.accuracy(shown, kind, few=True) for kind in (FeatureKind.CODE, FeatureKind.PIXELS)
    )
    standing = {
        Rating.BETTER: "better",
        Rating.EQUAL: "no difference beyond the precision of the test images",
        Rating.WORSE: "worse",
    }[compare(code, pixels)]
    return (
        f"Having learned from {shown.code.n_few:,} labels, it predicts {accuracy_text(code)} from "
        f"that code and {accuracy_text(pixels)} from the pixels: {standing}."
    )


def _from_end_to_end(found: ProbeSummary) -> str:
    """Compare the narrowest and the widest network; no sentence where there is only one width."""
    first, last = found.best[0], found.best[-1]
    if first is last or not 0 < last.test_mse < first.test_mse:
        return ""
    narrow, wide = (accuracy_text(found.accuracy(of, FeatureKind.CODE)) for of in (first, last))
    return (
        f"From {first.hidden_width:,} to {last.hidden_width:,} units the error falls "
        f"{number(first.test_mse / last.test_mse, 2)}-fold, and the labels predicted go from "
        f"{narrow} to {wide}."
    )


def probe_table(study: str, probed: Sequence[ProbedTrial]) -> FindingTable:
    """Lay out how many labels classifiers predict from codes and what they are compared with."""
    rows = [row for of in probed for row in _rows_of(of, list(FeatureKind)[:-1])]
    return FindingTable(
        title="Label accuracy, %",
        columns=(
            TableColumn("hidden_width", "Width", is_number=True),
            TableColumn("number", "Trial", is_number=True),
            *_columns(probed),
        ),
        rows=[*rows, *(_rows_of(probed[0], [FeatureKind.PIXELS]) if probed else ())],
        note=about_probe(probed[0]) if probed else _none_yet(study),
    )


def trial_probe_table(probed: ProbedTrial | None, note: str = "") -> FindingTable:
    """Lay out the same for one trial; ``note`` says why there is nothing."""
    shown = () if probed is None else (probed,)
    return FindingTable(
        title="Label accuracy, %",
        columns=_columns(shown),
        rows=[row[2:] for of in shown for row in _rows_of(of, FeatureKind)],
        note=note if probed is None else about_probe(probed),
    )


def _columns(probed: Sequence[ProbedTrial]) -> list[TableColumn]:
    return [
        TableColumn("features", "From"),
        *(
            TableColumn(f"{classifier}_{labels}", f"{title}, {n:,}", is_number=True)
            for labels, n in (_labels(probed[0]) if probed else {}).items()
            for classifier, title in CLASSIFIERS.items()
        ),
    ]


def _labels(of: ProbedTrial) -> dict[str, int]:
    """Return how many labels classifiers learned from; of small data all of them are few."""
    code = of.code
    return {"all": code.n_train} | ({"few": code.n_few} if code.n_few < code.n_train else {})


def _rows_of(of: ProbedTrial, kinds: Iterable[FeatureKind]) -> list[list[Cell]]:
    return [
        [
            Cell() if kind is FeatureKind.PIXELS else count_cell(of.hidden_width),
            trial_cell(of.number) if kind is FeatureKind.CODE else Cell(),
            Cell(KINDS[kind], kind.value),
            *(
                Cell(_compact(found), found.share)
                for labels in _labels(of)
                for classifier in Classifier
                for found in [of.accuracy(kind, classifier, few=labels == "few")]
            ),
        ]
        for kind in kinds
    ]


def _compact(of: Accuracy) -> str:
    return f"{100 * of.share:.1f}±{100 * of.standard_error:.1f}"


def about_probe(probed: ProbedTrial) -> str:
    """Say how accuracies are measured."""
    code = probed.code
    draws = "" if code.n_draws == 1 else f", the mean of {code.n_draws} draws of labels"
    return (
        "Shares of the test images whose label is predicted from the code, which was never trained "
        "for it, and from as many principal components, as many random projections and the pixels: "
        "by softmax regression, by the nearest training images and by a network with one hidden "
        f"layer. The columns say how many labels they learned from{draws}. Their hyperparameters "
        f"are chosen on validation images; the {probed.n_test:,} test images are only measured. "
        f"{_ABOUT_ERRORS}"
    )


def _none_yet(study: str) -> str:
    return (
        f"No probe results yet. `sweep analyse {quote(study)}` analyses the best network of each "
        "width; with `study.probe = true` every network is analysed before the study ends. A data "
        "set without labels has no probe results."
    )


def probe_sentences(found: ProbeSummary | None) -> list[str]:
    """Return the verdict on the codes; name the best of widths that have no weights to analyse."""
    if found is None:
        return []
    listed = ", ".join(map(str, found.unseen))
    unseen = f"The best of their widths, without weights to analyse: {listed}. {TRAIN_AGAIN}"
    return [about_codes(found), *([unseen] if found.unseen else [])]


#: Where weights were not kept.
TRAIN_AGAIN = "A study with `study.probe = true` analyses each trial; train the settings again."
