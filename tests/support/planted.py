"""Studies whose truth is known: a law of the error over the space, drawn from by a real sampler.

Nothing is trained. The log error is a sum of terms, one a setting, and noise that stands for seeds;
a sampler of ours asks and is told; the rows are those a coordinator writes.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import optuna
from optuna.distributions import distribution_to_json
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy import Connection, Engine, insert, select

from sweep.analysis.effects import places
from sweep.config import TrialConfig
from sweep.enums import Outcome
from sweep.search import make_sampler, quiet_optuna, suggest_config
from sweep.search.distributions import distributions
from sweep.store import schema
from sweep.store.engine import write_transaction
from sweep.store.records import ChoiceDomain, Domain, NumberDomain
from sweep.studyfile import Categorical, Int, StudyFile, loads, to_toml

_START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()

SPACE = """
learning_rate = { low = 1e-4, high = 1e-1, log = true }
hidden_width = { low = 16, high = 512, log = true }
activation = { choices = ["relu", "gelu", "tanh"] }
beta1 = { low = 0.5, high = 0.95 }
batch_size = { choices = [32, 64, 128, 256] }
weight_init = { choices = ["glorot_uniform", "he_normal"] }
epochs = 5
"""

#: What a setting adds to the log error: of a number, by its place in the range from 0 to 1; of a
#: name, by name.
Term = Callable[[float], float] | Mapping[str, float]


def bowl(at: float, strength: float) -> Term:
    """Lowest at a place, which may lie beyond the range."""
    return lambda u: strength * (u - at) ** 2


def slope(strength: float) -> Term:
    """Falls evenly towards the high end."""
    return lambda u: -strength * u


@dataclass(frozen=True, kw_only=True)
class Plant:
    """The truth about a study."""

    terms: Mapping[str, Term] = field(default_factory=dict)
    space: str = SPACE
    #: Standard deviation of the log error over seeds.
    noise: float = 0.03
    #: Share by which the error of every trial falls an epoch at the end.
    fall_per_epoch: float = 0.0

    def study_file(self, name: str, sampler: str, n_trials: int, seed: int) -> StudyFile:
        """The file of a study of it."""
        return loads(
            f'study = {{ name = "{name}", seed = {seed} }}\nsampler.name = "{sampler}"\n'
            f"budget.trials = {n_trials}\n[space]\n{self.space}",
            name,
        )

    def log_error(self, config: TrialConfig, domains: Mapping[str, Domain]) -> float:
        """The log error of a configuration without noise."""
        return math.log(0.01) + sum(
            self.term(name, domains[name], getattr(config, name)) for name in self.terms
        )

    def term(self, setting: str, domain: Domain, value: Any) -> float:
        """What a setting's value adds to the log error."""
        term = self.terms.get(setting)
        if term is None:
            return 0.0
        if isinstance(term, Mapping):
            return term[str(value)]
        u = places(domain, [value])
        assert u is not None
        return term(float(u[0]))

    def values(self, setting: str, domain: Domain) -> list[Any]:
        """Values all over a setting's domain."""
        if isinstance(domain, ChoiceDomain):
            return list(domain.choices)
        ends = np.array([domain.low, domain.high])
        u = np.linspace(0.0, 1.0, 201)
        if domain.log:
            return [float(of) for of in np.exp(np.log(ends[0]) + u * np.log(ends[1] / ends[0]))]
        return [float(of) for of in ends[0] + u * (ends[1] - ends[0])]

    def best_value(self, setting: str, domain: Domain) -> Any:
        """Where the setting adds least."""
        return min(self.values(setting, domain), key=lambda of: self.term(setting, domain, of))

    def effect(self, setting: str, domain: Domain) -> float:
        """How far apart the log errors at the setting's values are."""
        terms = [self.term(setting, domain, of) for of in self.values(setting, domain)]
        return max(terms) - min(terms)

    def outward_slope(self, setting: str, domain: Domain, is_high: bool) -> float:
        """How the log error changes beyond an end, per range."""
        term = self.terms.get(setting)
        if term is None or isinstance(term, Mapping):
            return 0.0
        return (term(1.05) - term(1.0)) / 0.05 if is_high else (term(-0.05) - term(0.0)) / 0.05


def domains_of(study_file: StudyFile) -> dict[str, Domain]:
    """The domains as the store gives them."""
    return {name: _domain_of(of) for name, of in study_file.space.domains().items()}


def _domain_of(of: Any) -> Domain:
    if isinstance(of, Categorical):
        return ChoiceDomain(choices=of.choices)
    integer = isinstance(of, Int)
    return NumberDomain(
        low=of.low, high=of.high, log=of.log, step=of.step if integer else None, integer=integer
    )


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A planted study's trials."""

    study_file: StudyFile
    configs: list[TrialConfig]
    params: list[dict[str, Any]]
    #: With noise.
    errors: list[float]


def draw(plant: Plant, sampler: str, n_trials: int, seed: int, name: str = "planted") -> Drawn:
    """Ask a sampler for trials one by one, and tell it their errors."""
    quiet_optuna()
    study_file = plant.study_file(name, sampler, n_trials, seed)
    domains = domains_of(study_file)
    study = optuna.create_study(sampler=make_sampler(study_file, 0))
    noise = np.random.default_rng([seed, n_trials])
    drawn = Drawn(study_file=study_file, configs=[], params=[], errors=[])
    for _ in range(n_trials):
        trial = study.ask()
        config, _ = suggest_config(trial, study_file)
        error = math.exp(plant.log_error(config, domains) + plant.noise * noise.standard_normal())
        study.tell(trial, error)
        drawn.configs.append(config)
        drawn.params.append(dict(trial.params))
        drawn.errors.append(error)
    return drawn


def store(engine: Engine, drawn: Drawn, plant: Plant) -> None:
    """Write the study as a coordinator would have, into the tables of the store and Optuna's."""
    file = drawn.study_file
    with write_transaction(engine) as connection:
        study_id = _insert_study(connection, file, len(drawn.errors))
        connection.execute(
            insert(schema.trials),
            [
                {
                    "study_id": study_id,
                    "number": number,
                    "state": TrialState.COMPLETE,
                    "datetime_start": _moment(number),
                    "datetime_complete": _moment(number + 1),
                }
                for number in range(len(drawn.errors))
            ],
        )
        of = schema.trials.c
        query = select(of.trial_id).where(of.study_id == study_id).order_by(of.number)
        ids = list(connection.scalars(query))
        for table, rows in (
            (schema.sweep_trials, _trial_rows(drawn, study_id)),
            (schema.trial_values, _value_rows(drawn)),
            (schema.trial_params, _param_rows(drawn)),
            (schema.sweep_epochs, _epoch_rows(drawn, plant)),
        ):
            connection.execute(
                insert(table), [{**row, "trial_id": ids[number]} for number, row in rows]
            )


def _moment(number: int) -> datetime:
    return datetime.fromtimestamp(_START + number, UTC).replace(tzinfo=None)


def _insert_study(connection: Connection, study_file: StudyFile, n_trials: int) -> int:
    study_id: int = connection.execute(
        insert(schema.studies)
        .values(study_name=study_file.study.name)
        .returning(schema.studies.c.study_id)
    ).scalar_one()
    connection.execute(
        insert(schema.study_directions).values(
            study_id=study_id, objective=0, direction=StudyDirection.MINIMIZE
        )
    )
    connection.execute(
        insert(schema.sweep_studies).values(
            study_id=study_id,
            study_file=to_toml(study_file),
            provenance={"sweep": "planted", "data_sha256": "0" * 64},
            created_at=_START,
            updated_at=_START + n_trials,
            n_trials=n_trials,
            phase="finished",
            revision=1,
        )
    )
    return study_id


_Rows = Iterator[tuple[int, dict[str, Any]]]


def _trial_rows(drawn: Drawn, study_id: int) -> _Rows:
    for number, (config, error) in enumerate(zip(drawn.configs, drawn.errors, strict=True)):
        yield (
            number,
            {
                "study_id": study_id,
                "number": number,
                "attempt": 1,
                "config": asdict(config),
                "seeds": [number],
                "outcome": str(Outcome.COMPLETE),
                "started_at": _START + number,
                "finished_at": _START + number + 1,
                "train_seconds": 1.0,
                "val_mse": error,
                "test_mse": error,
                "n_parameters": 2 * 784 * config.hidden_width + 784 + config.hidden_width,
                "invalid": False,
                "revision": 1,
            },
        )


def _value_rows(drawn: Drawn) -> _Rows:
    for number, error in enumerate(drawn.errors):
        value, kind = models.TrialValueModel.value_to_stored_repr(error)
        yield number, {"objective": 0, "value": value, "value_type": kind}


def _param_rows(drawn: Drawn) -> _Rows:
    known = distributions(drawn.study_file.space)
    as_json = {name: distribution_to_json(of) for name, of in known.items()}
    for number, params in enumerate(drawn.params):
        for name, value in params.items():
            yield (
                number,
                {
                    "param_name": name,
                    "param_value": known[name].to_internal_repr(value),
                    "distribution_json": as_json[name],
                },
            )


def _epoch_rows(drawn: Drawn, plant: Plant) -> _Rows:
    noise = np.random.default_rng(0)
    for number, (config, error) in enumerate(zip(drawn.configs, drawn.errors, strict=True)):
        for epoch in range(1, config.epochs + 1):
            left = config.epochs - epoch
            early = 1.0 if epoch == 1 and left else 0.0  # the first steps always help
            at = error * ((1 - plant.fall_per_epoch) ** -left + early)
            at *= math.exp(0.3 * plant.noise * noise.standard_normal()) if left else 1.0
            yield (
                number,
                {
                    "seed_index": 0,
                    "epoch": epoch,
                    "train_loss": 10 * at,
                    "val_mse": at,
                    "val_bce": None,
                    "seconds": 0.2,
                },
            )
