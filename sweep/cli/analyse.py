"""analyse: what a study's networks are made of, and how well their codes predict the labels."""

from collections.abc import Collection, Sequence

from sweep.analysis.probe_summary import ProbedTrial
from sweep.analysis.study_data import study_images
from sweep.analysis.study_probes import probed_trial, study_baselines, study_probes
from sweep.cli.options import Json, NumbersOrWidths, Storage, StudyName, stored_study
from sweep.cli.output import say, show, show_finding, show_json
from sweep.errors import DataError, NotFoundError, SweepError
from sweep.extras import require_torch
from sweep.findings.dialects import in_ascii
from sweep.findings.probes import TRAIN_AGAIN, probe_sentences, probe_table
from sweep.findings.weights import no_weights
from sweep.store.artifacts import read_artifact
from sweep.store.handle import StudyHandle
from sweep.store.kept_weights import KeptWeights, drop_superseded, due, kept_weights, write_analysis


def analyse(
    name: StudyName,
    numbers: NumbersOrWidths = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Analyse the networks of a study whose weights are kept, and show what their codes are worth.

    Shows how many labels three classifiers predict from a code, from as many principal components
    and random projections, and from the pixels, having learned from all labels and from 1,000.
    It analyses the best network of each width, at any time and on any host that has the weights;
    with `study.probe = true`, `sweep start` has analysed every network before it ended, and this
    computes what is missing. `sweep show` shows the effective ranks, which are computed with it.
    """
    study = stored_study(name, storage)
    engine = study.engine
    numbers = list(dict.fromkeys(numbers)) if numbers else None
    kept = kept_weights(engine, name)
    if missing := _select(study, kept, numbers) if numbers else due(kept):
        _analyse(study, missing)
        drop_superseded(engine, name)
    found = None if numbers else study_probes(study)
    probed = _list_probed(study, numbers) if numbers else found.best if found else ()
    table, sentences = probe_table(study.name, probed), probe_sentences(found)
    if as_json:
        facts = {"verdict": found.verdict, "shown": found.shown.number} if found else {}
        show_json({**facts, "sentences": sentences, "table": table.records()})
        return
    show_finding(table, storage)
    if sentences:
        show(in_ascii(" ".join(sentences)))


def _select(
    study: StudyHandle, kept: Collection[KeptWeights], numbers: Sequence[int]
) -> list[KeptWeights]:
    """Select those of these trials that are not analysed yet.

    Raises NotFoundError for a trial that is not, and whose weights are not kept.
    """
    by_number = {one.number: one for one in kept}
    for number in numbers:
        if number not in by_number and study.trial(number).probe is None:
            raise NotFoundError(f"{no_weights(study, number)} {TRAIN_AGAIN}")
    found = [by_number[number] for number in numbers if number in by_number]
    return [one for one in found if not one.is_analysed]


def _analyse(study: StudyHandle, kept: Sequence[KeptWeights]) -> None:
    """Analyse these networks; each analysis is stored when it is done.

    Raises the first error once all others are done.
    """
    require_torch("an analysis")
    data = study.record().settings.data
    images = study_images(study)
    from sweep.trainer import NetworkAnalyser  # torch: seconds

    split = (data.validation_fraction, data.split_seed, data.train_limit)
    analyser = NetworkAnalyser.of(images, split, study_baselines(study))
    errors: list[SweepError] = []
    for n, one in enumerate(kept, start=1):
        say(f"analysing networks: {n} of {len(kept)}, trial {one.number}")
        try:
            analysis = analyser.analyse(read_artifact(study.engine.url, one.artifact_id))
        except SweepError as error:
            errors.append(error)
            continue
        if analysis.is_empty:
            say(f"trial {one.number}: its code is not finite and cannot be analysed.")
        write_analysis(study.engine, study.name, one, analysis)
    if errors:
        raise errors[0]


def _list_probed(study: StudyHandle, numbers: Sequence[int]) -> list[ProbedTrial]:
    probed = []
    for number in numbers:
        found = probed_trial(study, study.trial(number))
        if found is None:
            raise DataError(f"trial {number}: its code is not finite and cannot be analysed.")
        probed.append(found)
    return probed
