"""Define the sections of a study file except ``[space]``; field descriptions appear in editors."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sweep.catalogue.settings import LARGEST_SEED, SETTINGS
from sweep.catalogue.synonyms import SYNONYMS
from sweep.enums import Dataset, Duplicates, Objective, Pruner, Sampler
from sweep.messages import LARGEST_SIDE
from sweep.studyfile.words import hint, show

_MOST_TRIALS = 10_000_000

Whole = Annotated[int, Field(strict=True)]
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Section(BaseModel):
    """A table of the file: frozen, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StudySection(Section):
    """The study's name, purpose and objectives, and how its trials are evaluated."""

    name: Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = Field(
        description="The study's name in the database: letters, digits, '.', '_' and '-'."
    )
    description: Annotated[str, Field(max_length=2000)] = Field(
        "", description="The study's question, for the report."
    )
    seed: Annotated[Whole, Field(ge=0, le=LARGEST_SEED)] = Field(
        0, description="Seeds the sampler and every trial: the same seed, the same study."
    )
    objectives: tuple[Objective, ...] = Field(
        (Objective.VAL_MSE,),
        description="Objectives to minimise, val_mse first; several give a Pareto set.",
    )
    repeat: Annotated[Whole, Field(ge=1, le=1000)] = Field(
        1, description="Seeds per trial; its value is their mean."
    )
    duplicates: Duplicates = Field(
        Duplicates.REUSE,
        description="What becomes of a configuration that was trained already: its value counts "
        "again, or it is trained again.",
    )
    baseline: dict[str, Any] | int | None = Field(
        None,
        description="What the best trial is compared with: settings, or a trial's number; left "
        "out, the configuration of the question.",
    )
    probe: Annotated[bool, Field(strict=True)] = Field(
        False,
        description="Analyse every trial's network before the study ends (what it is made of, and "
        "how well its code predicts the labels); otherwise `sweep analyse` analyses the best of "
        "each width. Weights are kept until then.",
    )
    spectrum: Annotated[bool, Field(strict=True)] | None = Field(
        None,
        description="Measure after each epoch in which principal directions the error is left; "
        "left out, it is measured where an image has at most 1,024 numbers.",
    )

    @field_validator("baseline", mode="before")
    @classmethod
    def _is_table_or_number(cls, baseline: object) -> object:
        if isinstance(baseline, dict) or baseline is None:
            return baseline
        if type(baseline) is int and 0 <= baseline < _MOST_TRIALS:
            return baseline
        raise ValueError(
            "baseline: must be settings, such as { hidden_width = 32 }, or the number of a trial, "
            f"got {show(baseline)}."
        )

    @model_validator(mode="after")
    def _val_mse_leads(self) -> Self:
        if not self.objectives or self.objectives[0] is not Objective.VAL_MSE:
            raise ValueError(
                'objectives: val_mse must come first, for pruning and "best" look at it. '
                'Write objectives = ["val_mse"], or ["val_mse", "hidden_width"].'
            )
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError("objectives: names one twice. Name each once.")
        return self


#: Pixels along a side of an image.
Side = Annotated[Whole, Field(ge=1, le=LARGEST_SIDE)]


class DataSection(Section):
    """The data that the trials train on."""

    name: str = Field(
        Dataset.FASHION_MNIST_MINI.value,
        min_length=1,
        description="A data set by name, or the path, with a '/', of your own images.",
        json_schema_extra={"examples": [name.value for name in Dataset]},
    )
    size: tuple[Side, Side] | None = Field(
        None,
        description="Resize images to this height and width; by default, all must have one size.",
    )
    validation_fraction: Annotated[Real, Field(gt=0, lt=1)] = Field(
        0.1, description="Share of the training images held out for validation; between 0 and 1."
    )
    split_seed: Annotated[Whole, Field(ge=0, le=LARGEST_SEED)] = Field(
        0, description="Seeds the split, which is the same for all trials."
    )
    train_limit: Annotated[Whole, Field(ge=1)] | None = Field(
        None, description="Maximum number of training images; by default all."
    )

    @field_validator("name")
    @classmethod
    def _is_known_or_a_folder(cls, name: str) -> str:
        known = [of.value for of in Dataset]
        if name not in known and "/" not in name and "\\" not in name:
            raise ValueError(
                f"name: unknown data set {show(name)}. {hint(name, known)} "
                "A file or folder is written with a slash, such as './images'."
            )
        return name


class OptionsSection(Section):
    """A table whose other keys are options of what its ``name`` chooses."""

    #: Options of each choice, with defaults.
    OPTIONS: ClassVar[Mapping[Any, Mapping[str, int | float | str | None]]]

    name: Any

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        known = self.OPTIONS[self.name]
        given = self.model_fields_set - {"name", *known}
        foreign = sorted(key for key in given if getattr(self, key) is not None)
        if foreign:
            takes = f"It takes {', '.join(known)}." if known else "It takes none."
            raise ValueError(f"'{self.name}' has no option {', '.join(foreign)}. {takes}")
        return self

    def options(self) -> dict[str, int | float | str | None]:
        """Return the options of the choice, with defaults filled in."""
        return {
            key: default if getattr(self, key) is None else getattr(self, key)
            for key, default in self.OPTIONS[self.name].items()
        }


class SamplerSection(OptionsSection):
    """What proposes the next configuration; each sampler has its own options."""

    #: Defaults are Optuna's own.
    OPTIONS = {
        Sampler.TPE: {"n_startup_trials": 10, "n_ei_candidates": 24},
        Sampler.OPTUNA_TPE: {"n_startup_trials": 10, "n_ei_candidates": 24},
        Sampler.RANDOM: {},
        Sampler.GRID: {},
        Sampler.QMC: {"qmc_type": "sobol"},
        Sampler.CMAES: {"n_startup_trials": 1, "popsize": None},
        Sampler.GP: {"n_startup_trials": 10},
        Sampler.NSGA2: {
            "population_size": 50,
            "crossover_prob": 0.9,
            "swapping_prob": 0.5,
            "mutation_prob": None,
        },
    }

    name: Sampler = Field(Sampler.TPE, description="The sampler.")
    n_startup_trials: Annotated[Whole, Field(ge=0)] | None = Field(
        None, description="tpe, optuna:tpe, cmaes, gp: random trials at the start."
    )
    n_ei_candidates: Annotated[Whole, Field(ge=1)] | None = Field(
        None, description="tpe, optuna:tpe: candidates evaluated for each trial."
    )
    qmc_type: Annotated[str, Field(pattern=r"^(sobol|halton)$")] | None = Field(
        None,
        description="qmc: the sequence.",
        json_schema_extra={"enum": ["sobol", "halton"]},
    )
    popsize: Annotated[Whole, Field(ge=2)] | None = Field(
        None, description="cmaes: trials per generation; by default from the number of parameters."
    )
    population_size: Annotated[Whole, Field(ge=2)] | None = Field(
        None, description="nsga2: trials per generation."
    )
    crossover_prob: Annotated[Real, Field(ge=0, le=1)] | None = Field(
        None, description="nsga2: probability that a child combines two parents."
    )
    swapping_prob: Annotated[Real, Field(ge=0, le=1)] | None = Field(
        None,
        description="nsga2: probability that a combined child takes a parameter from the second.",
    )
    mutation_prob: Annotated[Real, Field(ge=0, le=1)] | None = Field(
        None,
        description="nsga2: probability that a parameter is redrawn; by default 1 / parameters.",
    )


class WarmStartSection(Section):
    """What the study takes from finished trials of other studies in its database."""

    studies: tuple[str, ...] = Field(
        (), description="Studies whose finished trials tpe learns from; `--from NAME`."
    )
    best: Annotated[Whole, Field(ge=0, le=10_000)] = Field(
        10,
        description="Number of their best configurations, all studies together, that run first; "
        "`--best N`.",
    )

    ignore: tuple[str, ...] = Field(
        (),
        description="Settings without effect, which [space] fixes: trials of the other studies "
        "count whatever value they had.",
        json_schema_extra={"items": {"type": "string", "enum": list(SETTINGS)}},
    )

    @field_validator("studies")
    @classmethod
    def _are_different(cls, studies: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(studies)) < len(studies):
            raise ValueError("studies: names one twice. Name each once.")
        return studies

    @field_validator("ignore")
    @classmethod
    def _are_settings(cls, ignore: tuple[str, ...]) -> tuple[str, ...]:
        for name in ignore:
            if name not in SETTINGS:
                raise ValueError(f"ignore: unknown setting {show(name)}. {hint(name, SETTINGS)}")
        return ignore


class PrunerSection(OptionsSection):
    """What ends unpromising trials early; each rule has its own options."""

    OPTIONS = {
        Pruner.NONE: {},
        Pruner.MEDIAN: {"n_startup_trials": 5, "n_warmup_steps": 0, "interval_steps": 1},
        Pruner.PERCENTILE: {
            "percentile": 50.0,
            "n_startup_trials": 5,
            "n_warmup_steps": 0,
            "interval_steps": 1,
        },
        Pruner.SUCCESSIVE_HALVING: {"min_resource": 1, "reduction_factor": 3},
        Pruner.HYPERBAND: {"min_resource": 1, "reduction_factor": 3},
    }

    name: Pruner = Field(Pruner.NONE, description="The rule.")
    n_startup_trials: Annotated[Whole, Field(ge=1)] | None = Field(
        None, description="median, percentile: trials that must have reached a step to compare."
    )
    n_warmup_steps: Annotated[Whole, Field(ge=0)] | None = Field(
        None, description="median, percentile: epochs in which nothing is pruned."
    )
    interval_steps: Annotated[Whole, Field(ge=1)] | None = Field(
        None, description="median, percentile: epochs from one decision to the next."
    )
    percentile: Annotated[Real, Field(gt=0, le=100)] | None = Field(
        None, description="percentile: the share of trials that continue, in percent."
    )
    min_resource: Annotated[Whole, Field(ge=1)] | None = Field(
        None, description="successive_halving, hyperband: epoch of the first decision."
    )
    reduction_factor: Annotated[Whole, Field(ge=2)] | None = Field(
        None, description="successive_halving, hyperband: one in this many continues."
    )


class BudgetSection(Section):
    """When the study ends: at the first of these limits, over all its workers and resumes."""

    trials: Annotated[Whole, Field(ge=1, le=_MOST_TRIALS)] | None = Field(
        None, description="Trials to run; optional for a grid, which then runs completely."
    )
    max_failures: Annotated[Whole, Field(ge=0)] = Field(
        10, description="Trials that may fail, without diverged ones; one more ends the study."
    )
    max_seconds: Annotated[Real, Field(gt=0)] | None = Field(
        None, description="Total seconds for which a coordinator may run the study."
    )
    max_gpu_hours: Annotated[Real, Field(gt=0)] | None = Field(
        None, description="GPU hours that the study's workers may use, summed over the GPUs."
    )
    target_value: Annotated[Real, Field(gt=0)] | None = Field(
        None, description="A val_mse that is good enough: a trial that reaches it is the last."
    )
    plateau_trials: Annotated[Whole, Field(ge=1, le=10_000_000)] | None = Field(
        None,
        description="Finished trials in which the best val_mse must fall, else the study ends.",
    )
    plateau_improvement: Annotated[Real, Field(gt=0)] | None = Field(
        None, description="Minimum decrease, in the unit of val_mse; used with plateau_trials."
    )
    max_trial_seconds: Annotated[Real, Field(gt=0)] | None = Field(
        None, description="Seconds that one trial may train (its train_seconds)."
    )
    max_away_seconds: Annotated[Real, Field(ge=0)] = Field(
        3600.0, description="Seconds that the database may be unavailable before a run gives up."
    )

    @model_validator(mode="after")
    def _plateau_is_whole(self) -> Self:
        pair = ("plateau_trials", "plateau_improvement")
        missing = [key for key in pair if getattr(self, key) is None]
        if len(missing) == 1:
            (other,) = {*pair} - {*missing}
            raise ValueError(
                f"{missing[0]}: missing beside {other}. A plateau is so many trials, such as "
                "plateau_trials = 100, in which the best falls by less than plateau_improvement "
                "= 1e-4."
            )
        return self


class WorkersSection(Section):
    """Workers; the command line may override these for one run."""

    per_gpu: Annotated[Whole, Field(ge=1, le=256)] = Field(
        1, description="Worker processes on each GPU."
    )
    retries: Annotated[Whole, Field(ge=0, le=1000)] = Field(
        2, description="How often a trial is dispatched again after its worker died."
    )
    silence_seconds: Annotated[Real, Field(ge=5, le=86_400)] = Field(
        60.0,
        description="Seconds without a heartbeat after which a worker is ended and its trials "
        "are handed out again; heartbeats come every 2 seconds, however long an epoch takes. A "
        "worker also ends after that time without a heartbeat of its coordinator.",
    )
    gpus: Annotated[str, Field(pattern=r"^(all|cpu|\d+(,\d+)*)$")] | None = Field(
        None, description="'all', 'cpu', or GPU numbers such as '0,1'; left out, all or else cpu."
    )


SECTIONS: Mapping[str, type[Section]] = {
    "study": StudySection,
    "data": DataSection,
    "sampler": SamplerSection,
    "warm_start": WarmStartSection,
    "pruner": PrunerSection,
    "budget": BudgetSection,
    "workers": WorkersSection,
}


def key_of_another_section(word: str) -> str | None:
    """Return the path, such as ``budget.trials``, of the key that a word names in any section."""
    named = (word, SYNONYMS.get(word.lower()))
    tables = {name: model.model_fields for name, model in SECTIONS.items()} | {"space": SETTINGS}
    keys = {f"{name}.{key}": key for name, table in tables.items() for key in table}
    return next((path for path, key in keys.items() if key in named), None)
