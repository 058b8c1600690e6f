"""What the answer says, in numbers: gathered from the stored studies, one record a section."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, log10
from typing import Any, NamedTuple

from sweep.analysis.factorial import CauseEffect, Factorial
from sweep.analysis.floors import ROUNDING, Floors, pca_equivalent
from sweep.analysis.probe_summary import (
    Accuracy,
    Classifier,
    FeatureKind,
    ProbedTrial,
    ProbeSummary,
    Rating,
    compare,
)
from sweep.analysis.spectrum import FrontLaw, Spectrum, front_law, residue
from sweep.analysis.study_factorial import study_factorial
from sweep.analysis.study_floors import study_floors
from sweep.analysis.study_probes import probed_trial, study_probes
from sweep.catalogue.settings import Cause
from sweep.datasets.images import n_validation
from sweep.datasets.registry import SOURCES
from sweep.enums import Activation, Dataset, Noise, Output, Schedule
from sweep.errors import NotFoundError, SweepError
from sweep.store.engine import Engine
from sweep.store.handle import DatabaseHandle, open_study
from sweep.store.records import CurvePoint, TrialRow, mean_pixel_errors

#: Every combination at the question's epochs and a few more, with seeds, and at many more epochs;
#: the question's configuration at even more.
CORNERS, LONG, LONGEST = "corners", "corners-100", "corners-300"
#: The configuration of the question on clothes and on digits, which may not be there.
CLOTHES, DIGITS = "clothes", "digits"
#: Further layers around narrow codes, and noise on the inputs.
DEPTH, DENOISE = "depth", "denoise"


class Corner(NamedTuple):
    """One combination of the causes besides the epochs."""

    activation: Activation
    #: A linear output goes with the mean squared error, a sigmoid with cross-entropy.
    output: Output
    schedule: Schedule


#: A component that is learned late, as a share of all components.
LATE = 0.9
#: Numbers in the codes that the page speaks of: some 2 and 8 % of the pixels.
NARROW, WIDER = 16, 64
#: Widths of the deep codes that the page speaks of.
DEEP = (8, 16)

BASELINE = Corner(Activation.RELU, Output.SIGMOID, Schedule.CONSTANT)
LINEAR = Corner(Activation.LINEAR, Output.LINEAR, Schedule.COSINE)


@dataclass(frozen=True, kw_only=True)
class CornerStudy:
    """A study of every combination."""

    name: str
    trials: Mapping[tuple[Corner, int], TrialRow]
    n_seeds: int

    def trial(self, corner: Corner, epochs: int) -> TrialRow:
        """Return the trial of a combination. Raises NotFoundError where it is not there."""
        found = self.trials.get((corner, epochs))
        if found is None:
            raise NotFoundError(f"study {self.name!r} lacks {' · '.join(corner)}, {epochs} epochs.")
        return found

    def error(self, corner: Corner, epochs: int) -> float:
        """Return the test error of a combination."""
        return test_error(self.trial(corner, epochs))

    @property
    def epochs(self) -> list[int]:
        """Return the numbers of epochs, the fewest first."""
        return sorted({epochs for _, epochs in self.trials})


@dataclass(frozen=True, kw_only=True)
class Front:
    """How far the principal directions are learned by the configuration of the question."""

    #: The mean over the seeds of the shorter study, and the law that its epochs follow.
    spectrum: Spectrum
    law: FrontLaw
    #: The spectrum of the longest training.
    late: Spectrum
    n_components: int

    @property
    def decades(self) -> int:
        """Return how many orders of magnitude the variances span, of those that vary at all."""
        bands = self.spectrum.bands
        return round(log10(bands[0].variance / bands[-1].variance))

    def component(self, epoch: int) -> int:
        """Return the component half of which is learned after an epoch."""
        return round(self.spectrum.fronts[epoch].component)

    def epochs(self, component: int) -> float:
        """Return the epochs that half of a component takes by the law."""
        return self.law.epochs(self.spectrum.variance_of(component))


@dataclass(frozen=True, kw_only=True)
class Digits:
    """The configuration of the question on clothes and on digits."""

    clothes: TrialRow
    digits: TrialRow
    #: Components of PCA that do as well as the network on the clothes.
    components: int
    #: PCA's error with as many components.
    clothes_pca: float
    digits_pca: float

    @property
    def ratio(self) -> float:
        """Return the error of the clothes over that of the digits."""
        return test_error(self.clothes) / test_error(self.digits)

    @property
    def by_spectrum(self) -> float:
        """Return the part of the ratio that PCA with as many components has too."""
        return self.clothes_pca / self.digits_pca

    @property
    def by_training(self) -> float:
        """Return the rest of the ratio."""
        return self.ratio / self.by_spectrum


@dataclass(frozen=True, kw_only=True)
class Deep:
    """A code of one width, with no further layers and with most of them on each side."""

    plain: TrialRow
    deep: TrialRow
    #: PCA's error with as many components.
    pca: float

    @property
    def n_layers(self) -> int:
        """Return the number of further layers on each side."""
        return int(self.deep.config["hidden_layers"])


@dataclass(frozen=True, kw_only=True)
class Denoised:
    """How well codes of one width predict the labels, without noise and with the best one."""

    width: int
    plain: Accuracy
    best: Accuracy
    n_test: int


@dataclass(frozen=True, kw_only=True)
class Widths:
    """The configuration of the question at its width and at the widest."""

    asked: TrialRow
    widest: TrialRow


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What single trials of the corner studies show beside their errors."""

    #: The question's configuration: shares of the pixels and of the squared error that are grey.
    grey_pixels: float
    grey_error: float
    #: ReLU with a linear output at a constant rate, most epochs: the share of dead units, and the
    #: component at which its front is.
    dead_share: float
    dead_front: int
    #: Components up to which directions were learned early, and the share of the error in them at
    #: the end: linear throughout, at a constant rate and at one that falls.
    residues: tuple[float, float]
    #: End to end, of the sharpest network.
    singular_values: tuple[float, ...]

    @property
    def n_copied(self) -> int:
        """Return the number of singular values that are within 1 % of 1."""
        return sum(abs(value - 1) <= 0.01 for value in self.singular_values)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that the pages say."""

    corners: CornerStudy
    long: CornerStudy
    longest: CornerStudy
    floors: Floors
    #: Error of the linear code with the lowest cross-entropy there is, with sigmoid outputs.
    bound: float
    front: Front
    #: From the question's configuration to the linear one of most epochs.
    factorial: Factorial
    long_factorial: Factorial
    #: Validation errors by epoch of the longest trials.
    curves: Mapping[Corner, Sequence[CurvePoint]]
    evidence: Evidence
    widths: Widths
    digits: Digits | None
    #: How well narrow codes predict the labels.
    codes: ProbeSummary
    #: By the width of the code.
    depth: Mapping[int, Deep]
    denoised: Denoised
    n_train: int
    n_held_out: int
    #: What the studies were trained on, by their makers' names; nothing where all are CPUs.
    gpus: tuple[str, ...]
    versions: Mapping[str, Any]

    @property
    def asked(self) -> TrialRow:
        """Return the trial of the question's configuration."""
        return self.corners.trial(BASELINE, self.corners.epochs[0])

    @property
    def many(self) -> int:
        """Return the most epochs of every combination."""
        return self.long.epochs[-1]

    @property
    def most(self) -> int:
        """Return the most epochs of the question's configuration."""
        return self.longest.epochs[-1]

    @property
    def best(self) -> TrialRow:
        """Return the sharpest: linear throughout, a rate that falls to nothing, many epochs."""
        return self.long.trial(LINEAR, self.many)

    @property
    def times_better(self) -> float:
        """Return the test error of the question's configuration over the sharpest's."""
        return test_error(self.asked) / test_error(self.best)

    @property
    def components(self) -> int:
        """Return the fewest principal components that do as well as the question's network."""
        return pca_equivalent(self.floors, test_error(self.asked))

    @property
    def entropy_share(self) -> float:
        """Return the share of the question's cross-entropy that the pixels themselves have."""
        return self.floors.test_entropy / (self.asked.test_bce or inf)

    @property
    def sigmoid_end(self) -> float:
        """Return the error of linear units with a sigmoid output, the rate falling."""
        return self.long.error(LINEAR._replace(output=Output.SIGMOID), self.many)

    @property
    def jitter(self) -> float:
        """Return the error at a constant rate over that at a falling one, else as the sharpest."""
        constant = LINEAR._replace(schedule=Schedule.CONSTANT)
        return self.long.error(constant, self.many) / test_error(self.best)

    @property
    def early_cosine(self) -> float:
        """Return the error with a falling rate over the question's, after as few epochs."""
        cosine = BASELINE._replace(schedule=Schedule.COSINE)
        return self.corners.error(cosine, self.corners.epochs[0]) / test_error(self.asked)

    @property
    def longest_asked(self) -> TrialRow:
        """Return the trial of the question's configuration with most epochs."""
        return self.longest.trial(BASELINE, self.most)

    @property
    def long_asked(self) -> TrialRow:
        """Return the trial of the question's configuration with many epochs."""
        return self.long.trial(BASELINE, self.many)

    @property
    def late_component(self) -> int:
        """Return a component that needs more epochs than most people would train."""
        return round(LATE * self.front.n_components)

    @property
    def effects(self) -> list[tuple[CauseEffect, CauseEffect]]:
        """Return each change's effects, to a few more epochs and to many."""
        return list(zip(self.factorial.effects, self.long_factorial.effects, strict=True))

    def output_effect(self, activation: Activation) -> float:
        """Return how many times smaller the linear output makes the error, at a constant rate."""
        sigmoid = Corner(activation, Output.SIGMOID, Schedule.CONSTANT)
        epochs = self.corners.epochs[-1]
        linear = self.corners.error(sigmoid._replace(output=Output.LINEAR), epochs)
        return self.corners.error(sigmoid, epochs) / linear

    def cell(self, corner: Corner, epochs: int) -> float:
        """Return the test error of a combination; with seeds where it was trained with them."""
        of = self.corners if epochs in self.corners.epochs else self.long
        return of.error(corner, epochs)

    @property
    def narrow(self) -> ProbedTrial:
        """Return the narrow code that the page speaks of."""
        return self._code(NARROW)

    @property
    def wider(self) -> ProbedTrial:
        """Return the wider one."""
        return self._code(WIDER)

    def _code(self, width: int) -> ProbedTrial:
        found = next((of for of in self.codes.best if of.hidden_width == width), None)
        if found is None:
            raise NotFoundError(f"study 'features' has no analysed code of {width} numbers.")
        return found

    def accuracy(self, of: ProbedTrial, kind: FeatureKind) -> Accuracy:
        """Return the accuracy of the best classifier that is trained, with all labels."""
        return of.accuracy(kind, self.codes.readout)

    def ends(self, corner: Corner) -> dict[int, float]:
        """Return the validation errors of a combination by its epochs, over all studies."""
        trials = {**self.longest.trials, **self.long.trials, **self.corners.trials}
        found = {epochs: of.val_mse for (at, epochs), of in trials.items() if at == corner}
        return {epochs: error for epochs, error in sorted(found.items()) if error is not None}


#: Statements about causes by name: each is printed only while its study shows it.
CLAIMS: Mapping[str, Callable[[Facts], bool]] = {
    # As many units copy a thousand times better.
    "room": lambda of: of.floors.test_pca_mse[-1] < ROUNDING and of.times_better > 1000,
    # What is wrong is grey, and grey pixels keep most of the loss even when they are right.
    "grey": lambda of: of.evidence.grey_error > 0.75 and of.entropy_share > 0.9,
    # A front that moves by a law, and is far from the end when the question's training ends.
    "front": lambda of: (
        of.front.component(of.corners.epochs[0]) < of.front.n_components / 2
        and of.front.law.first <= of.corners.epochs[0] <= of.front.law.last
    ),
    # More units than inputs leave nearly as much.
    "width": lambda of: test_error(of.widths.widest) > 0.8 * test_error(of.widths.asked),
    # Several times the epochs of an already long training gain little.
    "stalls": lambda of: (
        of.most >= 2 * of.many and test_error(of.longest_asked) > 0.9 * test_error(of.long_asked)
    ),
    # Trained for long, a linear code with a sigmoid output is as good as the best there is.
    "sigmoid": lambda of: 0.9 < of.sigmoid_end / of.bound < 1.1,
    # Units die, and the front does not pass the number of those that are left.
    "dead": lambda of: (
        of.evidence.dead_share > 0.2
        and of.evidence.dead_front <= (1 - of.evidence.dead_share) * of.front.n_components
    ),
    # A rate that falls takes the error away from directions that were learned long before.
    "jitter": lambda of: of.jitter > 2 and of.evidence.residues[0] > 0.1 > of.evidence.residues[1],
    # The output helps linear units, and ReLU hardly: the strongest interaction of all.
    "together": lambda of: (
        of.factorial.interaction is not None
        and {of.factorial.interaction.of.name, of.factorial.interaction.on.name}
        == {Cause.ACTIVATION, Cause.OUTPUT}
        and of.factorial.interaction.ratio.estimate > 2
    ),
    # It passes nearly every direction on as it is.
    "identity": lambda of: of.evidence.n_copied > 0.9 * of.front.n_components,
    # A narrow code keeps most of what tells classes, more than random projections keep, and PCA
    # does as well, as far as the test images tell.
    "codes": lambda of: (
        of.accuracy(of.narrow, FeatureKind.CODE).share
        > 0.9 * of.accuracy(of.narrow, FeatureKind.PIXELS).share
        and of.accuracy(of.narrow, FeatureKind.CODE).share
        > of.accuracy(of.narrow, FeatureKind.RANDOM).share + 0.02
        and all(
            compare(of.accuracy(code, FeatureKind.PCA), of.accuracy(code, FeatureKind.CODE))
            is not Rating.WORSE
            for code in (of.narrow, of.wider)
        )
    ),
    # Deep codes leave less than PCA of their width, by more than the spread over seeds.
    "depth": lambda of: all(
        test_error(code.plain)
        > code.pca
        > test_error(code.deep) + 2 * (code.deep.test_mse_std or 0)
        for code in of.depth.values()
    ),
    # No noise makes a code as wide as its input tell more labels, as far as the test images tell.
    "denoise": lambda of: compare(of.denoised.best, of.denoised.plain) is Rating.EQUAL,
    # Most of the ratio is there for PCA too.
    "digits": lambda of: (
        of.digits is not None and of.digits.by_spectrum > of.digits.by_training > 1
    ),
}


def gather(engine: Engine) -> Facts:
    """Gather the facts from the studies that ``docs.answer.run`` makes.

    Raises SweepError where a study is missing or not complete.
    """
    corners, long, longest = (_corners(engine, name) for name in (CORNERS, LONG, LONGEST))
    names = [of.name for of in DatabaseHandle(engine).studies()]
    floors = _floors(engine, CORNERS)
    n_train, n_held_out = _n_images(engine, CORNERS)
    return Facts(
        corners=corners,
        long=long,
        longest=longest,
        floors=floors,
        bound=_bound(floors),
        front=_front(engine, corners, long),
        factorial=_factorial(engine, corners),
        long_factorial=_factorial(engine, long),
        curves={**_curves(engine, long), **_curves(engine, longest)},
        evidence=_evidence(engine, corners, long),
        widths=_widths(engine),
        codes=_codes(engine),
        depth=_depth(engine),
        denoised=_denoised(engine),
        digits=_digits(engine) if DIGITS in names else None,
        n_train=n_train,
        n_held_out=n_held_out,
        gpus=_gpus(engine, names),
        versions=open_study(engine, CORNERS).record().provenance,
    )


def test_error(trial: TrialRow) -> float:
    """Return a trial's error on the test images. Raises SweepError where it was not measured."""
    if trial.test_mse is None:
        raise SweepError(f"trial {trial.number} was not measured on the test images.")
    return trial.test_mse


def _corners(engine: Engine, name: str) -> CornerStudy:
    trials = open_study(engine, name).best()
    if not trials:
        raise NotFoundError(f"study {name!r} has no finished trial.")
    return CornerStudy(
        name=name,
        trials={(_corner(of.config), int(of.config["epochs"])): of for of in trials},
        n_seeds=len(trials[0].seeds),
    )


def _corner(config: Mapping[str, Any]) -> Corner:
    return Corner(
        Activation(config["activation"]),
        Output(config["output_activation"]),
        Schedule(config["lr_schedule"]),
    )


def _curves(engine: Engine, of: CornerStudy) -> dict[Corner, Sequence[CurvePoint]]:
    """Return the curves of a study's longest trials."""
    numbers = {
        corner: row.number for (corner, epochs), row in of.trials.items() if epochs == of.epochs[-1]
    }
    curves = open_study(engine, of.name).curves(numbers.values())
    return {corner: curves[number] for corner, number in numbers.items()}


def _front(engine: Engine, corners: CornerStudy, long: CornerStudy) -> Front:
    short, late = (
        _spectrum(engine, of.name, of.trial(BASELINE, of.epochs[-1])) for of in (corners, long)
    )
    law = front_law(short, BASELINE.schedule)
    if law is None:
        raise SweepError("the front of the question's configuration follows no law.")
    return Front(spectrum=short, law=law, late=late, n_components=short.n_components)


def _spectrum(engine: Engine, study: str, trial: TrialRow) -> Spectrum:
    of = open_study(engine, study)
    found = Spectrum.of(of.record().spectrum_bands, of.spectra([trial.number])[trial.number])
    if found is None:
        raise SweepError(f"study {study!r} has no error spectrum of trial {trial.number}.")
    return found


def _factorial(engine: Engine, of: CornerStudy) -> Factorial:
    """Return the analysis from the question's configuration to the linear one of most epochs."""
    to_number = of.trial(LINEAR, of.epochs[-1]).number
    found = study_factorial(open_study(engine, of.name), None, to_number)
    if found is None or not found.found.is_whole:
        raise SweepError(f"study {of.name!r} has not trained every combination.")
    return found.found


def _widths(engine: Engine) -> Widths:
    trials = {of.hidden_width or 0: of for of in open_study(engine, "width").best()}
    return Widths(asked=trials[784], widest=trials[max(trials)])


def _codes(engine: Engine) -> ProbeSummary:
    found = study_probes(open_study(engine, "features"))
    if found is None:
        raise SweepError("study 'features' has no analysed network.")
    return found


def _depth(engine: Engine) -> dict[int, Deep]:
    floors, trials = _floors(engine, DEPTH), open_study(engine, DEPTH).best()
    trials.sort(key=lambda of: int(of.config["hidden_layers"]))
    found = {}
    for width in DEEP:
        rows = [of for of in trials if of.hidden_width == width]
        found[width] = Deep(plain=rows[0], deep=rows[-1], pca=floors.test_pca_mse[width])
    return found


def _denoised(engine: Engine) -> Denoised:
    """Compare the widest codes by a network that learned from all labels."""
    study = open_study(engine, DENOISE)
    rows = study.best()
    width = max(of.hidden_width or 0 for of in rows)
    wide = {of.number: of for of in rows if of.hidden_width == width}
    probed = [of for number in wide if (of := probed_trial(study, study.trial(number))) is not None]
    told = {of.number: of.accuracy(FeatureKind.CODE, Classifier.NETWORK) for of in probed}
    plain = next(number for number, of in wide.items() if of.config["noise"] == Noise.NONE)
    noisy = [accuracy for number, accuracy in told.items() if number != plain]
    return Denoised(
        width=width,
        plain=told[plain],
        best=max(noisy, key=lambda of: of.share),
        n_test=probed[0].n_test,
    )


def _digits(engine: Engine) -> Digits:
    clothes, digits = (_widest(engine, name) for name in (CLOTHES, DIGITS))
    floors = {name: _floors(engine, name) for name in (CLOTHES, DIGITS)}
    n = pca_equivalent(floors[CLOTHES], test_error(clothes))
    return Digits(
        clothes=clothes,
        digits=digits,
        components=n,
        clothes_pca=floors[CLOTHES].test_pca_mse[n],
        digits_pca=floors[DIGITS].test_pca_mse[n],
    )


def _widest(engine: Engine, name: str) -> TrialRow:
    return max(open_study(engine, name).best(), key=lambda of: of.hidden_width or 0)


def _n_images(engine: Engine, name: str) -> tuple[int, int]:
    """Return the numbers of images that were trained on and that were held out."""
    data = open_study(engine, name).record().settings.data
    n = SOURCES[Dataset(data.name)].n_train
    held_out = n_validation(n, data.validation_fraction)
    return n - held_out, held_out


def _bound(floors: Floors) -> float:
    if floors.sigmoid is None:
        raise SweepError(
            "the sigmoid's bound is missing: `sweep diagnose corners --sigmoid-bound`."
        )
    return floors.sigmoid.test_mse


def _evidence(engine: Engine, corners: CornerStudy, long: CornerStudy) -> Evidence:
    asked, study = corners.trial(BASELINE, corners.epochs[0]), open_study(engine, long.name)
    pixels = mean_pixel_errors(
        open_study(engine, corners.name).seed_results([asked.number])[asked.number]
    )
    relu = long.trial(BASELINE._replace(output=Output.LINEAR), long.epochs[-1])
    dead = _spectrum(engine, long.name, relu).last_front
    best = long.trial(LINEAR, long.epochs[-1])
    decomposition = study.decompositions([best.number]).get(best.number)
    if pixels is None or dead is None or decomposition is None:
        raise SweepError(
            "the corner studies lack error by pixel value, a front or a decomposition."
        )
    return Evidence(
        grey_pixels=1 - pixels["black_pixels"] - pixels["white_pixels"],
        grey_error=1 - pixels["black_error"] - pixels["white_error"],
        dead_share=study.diagnostics([relu.number])[relu.number]["dead_share"],
        dead_front=round(dead.component),
        residues=(
            _residue(engine, long, Schedule.CONSTANT),
            _residue(engine, long, Schedule.COSINE),
        ),
        singular_values=tuple(decomposition["end_to_end"]),
    )


def _residue(engine: Engine, long: CornerStudy, schedule: Schedule) -> float:
    """Return the share of the linear network's error in directions learned long before."""
    trial = long.trial(LINEAR._replace(schedule=schedule), long.epochs[-1])
    found = residue(_spectrum(engine, long.name, trial), schedule)
    return 0.0 if found is None else found.share


def _gpus(engine: Engine, names: list[str]) -> tuple[str, ...]:
    workers = [of for name in names for of in open_study(engine, name).workers()]
    return tuple(sorted({of.device_name or of.device for of in workers if of.device != "cpu"}))


def _floors(engine: Engine, name: str) -> Floors:
    floors = study_floors(open_study(engine, name))
    if floors is None:
        raise SweepError(f"the floors of study {name!r} are neither kept nor can be computed here.")
    return floors
