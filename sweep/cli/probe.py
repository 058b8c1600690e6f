"""probe: what the codes of a study tell of the labels."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sweep.cli import words
from sweep.cli.options import Json, NumbersOrWidths, Storage, StudyName
from sweep.cli.output import show, show_json, show_titled_table
from sweep.cli.reconstruct import no_weights
from sweep.errors import DataError, NotFoundError, StoreError

if TYPE_CHECKING:
    from sweep.analysis.usefulness import Probed
    from sweep.store.engine import Engine
    from sweep.store.records import TrialDetail


def probe(
    name: StudyName,
    numbers: NumbersOrWidths = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Tell what a code is worth: how many labels two simple classifiers tell from it.

    Beside it, what they tell from PCA codes of the same size and from the pixels. Of a trial that
    was not looked into when it ended, it is computed now, from its weights, if they were kept.
    """
    from sweep.analysis.study_usefulness import study_usefulness
    from sweep.store.migrate import open_store

    engine = open_store(storage)
    if numbers:
        shown, verdict = _probed(engine, name, list(dict.fromkeys(numbers))), None
    else:
        found = study_usefulness(engine, name)
        shown, verdict = (list(found.best), found) if found else ([], None)
    if as_json:
        words_of = ("worth", "because", "unseen")
        said = {word: getattr(verdict, word) for word in words_of} if verdict else {}
        show_json({"trials": [asdict(of) for of in shown], **said})
        return
    if not shown:
        show(
            "No trial was looked into yet: it takes one that ended as the best of its width. "
            "`sweep probe NAME NUMBER` looks into one whose weights were kept."
        )
        return
    show_titled_table("Labels told right", _HEADER, [_cells(of) for of in shown], left=0)
    show(
        "Of each kind first by a linear classifier, then by the nearest images. Learnt from "
        f"{shown[0].n_train:,} training images, measured on {shown[0].n_test:,} test images."
    )
    if verdict:
        show(f"{verdict.worth.capitalize()}. {verdict.because}")
        if verdict.unseen:
            listed = ", ".join(map(str, verdict.unseen))
            show(f"The best of their widths, not looked into (yet): {listed}. {_WHAT_DOES}")


def _probed(engine: "Engine", name: str, numbers: Sequence[int]) -> "list[Probed]":
    """Of these trials; those without a probe are looked into."""
    from sweep.analysis.usefulness import Probed
    from sweep.store import read

    trials = [read.trial(engine, name, number) for number in numbers]
    looked_into = _look_into(engine, name, [trial for trial in trials if trial.probe is None])
    probed = []
    for trial in trials:
        found = trial.probe or looked_into.get(trial.number)
        if found is None or trial.hidden_width is None or trial.test_mse is None:
            raise DataError(f"trial {trial.number}: its code is not finite and tells nothing.")
        probed.append(Probed.of(trial.number, trial.hidden_width, trial.test_mse, found))
    return probed


def _look_into(
    engine: "Engine", name: str, trials: "Sequence[TrialDetail]"
) -> dict[int, dict[str, Any]]:
    """Probes by number, from kept weights; what is found is kept, where the store can be written.

    Raises NotFoundError for a trial whose weights were not kept.
    """
    if not trials:
        return {}
    from sweep import datasets
    from sweep.store import annotate, artifacts, read

    contents = []
    for trial in trials:
        if trial.artifact_id is None:
            raise NotFoundError(f"{no_weights(engine, name, trial.number)} {_WHAT_DOES}")
        contents.append(artifacts.read_artifact(engine.url, trial.artifact_id))
    data = read.settings(engine, name)["data"]
    images = datasets.load(data["name"])
    from sweep.trainer import NetworkAnalyser  # torch: seconds

    split = (data["validation_fraction"], data["split_seed"], data.get("train_limit"))
    analyser = NetworkAnalyser.of(images, split)
    found: dict[int, dict[str, Any]] = {}
    for trial, content in zip(trials, contents, strict=True):
        inside = analyser.analyse(content)
        if inside.decomposition is None or inside.probe is None:
            continue
        decomposition, found[trial.number] = asdict(inside.decomposition), asdict(inside.probe)
        with suppress(StoreError):  # a store that may only be read
            annotate.put_inside(engine, name, trial.number, decomposition, found[trial.number])
    return found


#: Instead of a look that was lost or never due.
_WHAT_DOES = (
    "A look that is cut short by the end of its worker or its study is lost. `sweep probe NAME "
    "NUMBER` makes up for it where the weights were kept; where not, train the settings again in a "
    "study with `study.probe = true`."
)

_HEADER = ("width", "trial", "test_mse", "code", "", "PCA", "", "pixels", "")


def _cells(of: "Probed") -> Sequence[str]:
    """Of each kind of code, what the linear classifier tells and what the neighbours do."""
    told = (of.code, of.pca, of.pixels)
    shares = [f"{100 * share:.1f} %" for kind in told for share in (kind.linear, kind.neighbours)]
    return (str(of.hidden_width), str(of.number), words.number(of.test_mse, 4), *shares)
