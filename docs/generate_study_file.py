"""Writes docs/study-file.md from the model that reads study files. `make docs` runs it."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from sweep.catalogue.choices import CHOICES, OptimizerChoice
from sweep.catalogue.settings import SETTINGS, Setting
from sweep.datasets.registry import SOURCES
from sweep.enums import (
    Dataset,
    Objective,
)
from sweep.studyfile.sections import SECTIONS, PrunerSection, SamplerSection, Section

TARGET = Path(__file__).with_name("study-file.md")

INTRODUCTION = """\
<!-- Written by `make docs`; change docs/generate_study_file.py instead. -->

# Study files

A study file is TOML. `[space]` and `budget.trials` are needed (a grid may do without a budget), and
`study.name`; the rest has defaults. A misspelt key or value, or another tool's name for it, is an
error that says what was meant, and all errors of a file come at once. `sweep new FILE` writes a
commented one that runs as it is, with the JSON schema for editors beside it (`sweep schema` prints
that). `sweep start FILE --dry-run` shows what would run, `--set section.key=value` changes one
thing for one run.

The value after `--set` is TOML, and names need no quotes: `--set sampler.name=random`,
`--set space.hidden_width.high=256`, `--set space.hidden_width=[8,32]`,
`--set 'space.loss=["bce", "mse"]'` (in quotes what has quotes, blanks or braces, which the shell
would take apart). A setting or table so given replaces the file's. Entries of `[[enqueue]]` count
from 0: `--set enqueue.0.epochs=10`.

A study that has begun can take more trials, other workers, another sampler, pruner or baseline, and
wider ranges. Its choices, fixed values, data, seeds and objectives stay: its trials so far would no
longer be comparable.
"""

PLACES = """\
A data set is looked for among those that come with sweep, in the cache (`SWEEP_DATA`, or the user's
cache folder) and in Debian's data set packages, and downloaded if it is in none of them. Images of
your own are named by their path: [data.md](data.md).
"""

SAMPLING = """\
Conditional settings: `tpe` and `optuna:tpe` learn each from the trials that have it; `qmc` and
`grid` cover them; `cmaes`, `gp` and `nsga2` draw them at random, and `cmaes` all choices too.
`cmaes` takes one objective, and needs a range outside `when`. A `grid` runs in order, unless
`budget.trials` ends it early: then in an order shuffled by `study.seed`, so that the trials spread
over all of it.

`tpe` is Optuna's algorithm with Optuna's estimators, fast enough for a GPU that finishes hundreds
of trials a second. Where a population trains, one fit serves as many asks as a quarter of the
population has trials, at most 64; trials asked for in between keep clear of one another all the
same. Whole numbers and steps of more than 32 values, such as a hidden width, are taken for
continuous and rounded. `optuna:tpe` is for comparison: an ask takes dozens of times as long, and it
learns each setting alone, instead of all that are not conditional together, where there are several
objectives; ranges that were widened on resume, too.
"""

WARM_START = """\
```toml
[warm_start]
studies = ["mine"]
best = 10
```

`sweep start wider.toml --from mine --best 10` says the same. The studies are of the same database,
and comparable: the same images (by their digest), split and objectives. Seeds, repeats and ranges
may differ. Anything else is refused with the reason, before there is a study.

- `tpe` learns from their trials that are COMPLETE or PRUNED, not marked invalid, and inside of this
  `[space]`, as if they were older trials of this study; those outside are left out and counted in a
  message. Only trials that finished before this study was created count, so a resumed study has the
  same history. Other samplers do not learn from other studies, and a message says so.
- The best configurations run first, after those of `[[enqueue]]`, and are trials of this study:
  they are trained here, and Optuna's user attribute `warm_start` names where each comes from. One
  that the space does not hold is left out, and a message says which and why.

Trials of other studies are no trials of this one: budgets, its best, pruning and pages do not count
them. If such a study was deleted, `sweep resume NAME --set 'warm_start.studies=[]'` goes on without
it.
"""

PRUNING = """\
A trial is compared with every trial that has reached the same epoch, running or finished, so the
order in which they report does not matter. `median` and `percentile` look at its best error so
far, and keep ties; `successive_halving` decides at epochs `min_resource`, `min_resource` ×
`reduction_factor`, and so on; `hyperband` does so in brackets, the first of which begins at
`min_resource` and each further one `reduction_factor` times later. A trial's bracket follows from
the study's name and its number. The best trial at an epoch always goes on; what is not finite
never does. With several objectives, pruning looks at `val_mse`.
"""

DUPLICATES = """\
Two trials of a study are duplicates when all their searched settings are equal, the seed among them
where the space has one. (Where it has none, each trial derives its seeds from its number: the first
to finish stands for all.) A duplicate of a trial that is COMPLETE and not marked invalid becomes
COMPLETE at once, with its values and metrics, the outcome `reused`, and Optuna's user attribute
`reused_from`; it trains nothing and counts towards `budget.trials`. A duplicate of a trial in
training waits for it; should that be pruned, fail or diverge, the duplicate is trained. So is a
duplicate of what was pruned or timed out before: its curve ends early, and the pruner might let it
go on now, among other trials, as the limit of time might on a machine less busy. Once every
configuration of a space is trained, the study is finished, whatever is left of its budgets; not
where a range of real numbers has no step, whose values can't be counted. `duplicates = "train"`
trains every one, each with seeds of its own; several seeds for every configuration are `repeat`.

| duplicates | |
|---|---|
| `reuse` | the value of the first counts again; the default |
| `train` | each is trained |
"""

BASELINES = """\
`baseline` is what pages, report, figures and `sweep explain` compare the best trial with. Left out,
it is the configuration that this program set out to explain: 784 ReLU units, sigmoid output, binary
cross-entropy, Adam with a learning rate of 1e-3, 5 epochs in batches of 128, weights from
`glorot_uniform`, a constant learning rate. A study names its own by settings, or by the number of a
trial:

```toml
study.baseline = { hidden_width = 32, loss = "mse" }      # or: study.baseline = 0
```

A setting that is left out is as `[space]` fixes it, otherwise as in the configuration above. Some
trial of the space must be able to have these settings. They train nothing by themselves: the
baseline is the first finished trial that has them. `[[enqueue]]` or `sweep enqueue` makes sure that
there is one, and the pages say how as long as there is none. `sweep resume NAME --set
study.baseline=7` names another.
"""

BUDGETS = """\
Each is counted in the database, over all workers and resumes:

- `trials`: trials that finished, however they ended, reused ones too.
- `max_failures`: trials that could not be trained, those of former runs too. Ends as `max_seconds`
  does, with exit code 6; `sweep resume NAME --set budget.max_failures=20` goes on.
- `max_seconds`: time for which a coordinator held the study, pauses included; for a killed one,
  until its last heartbeat, at most 7.5 s before. At the end, trials in training leave after their
  epoch, and wait. A study whose trials are all done by then is finished; what is left of its
  analyses is for `sweep analyse`.
- `max_gpu_hours`: for each GPU, time from the start of a worker on it to its end; several workers
  on one count once, CPUs not at all. Ends as `max_seconds` does.
- `target_value`: the best value of a COMPLETE trial that is not marked invalid. No trial is handed
  out after it; those handed out before go on to their end.
- `plateau_trials` and `plateau_improvement`: ends when the best value fell by less than
  `plateau_improvement` in the last `plateau_trials` finished trials, in the order in which they
  finished; one that is not COMPLETE improves nothing.
  Ends as `target_value` does.
- `max_trial_seconds`: a trial's `train_seconds`, which is the mean over its seeds and, of a
  population, its share of the device's time. It leaves after the epoch that follows the one that
  exceeds it, unless that is its last.

`target_value` and the plateau look at the first objective, `val_mse`. A trial over
`max_trial_seconds` is PRUNED with the outcome `timed out`: not FAIL, for it is no fault and doesn't
count for `max_failures`, and samplers learn from a pruned trial's curve, whereas they would propose
a failed one again. Why a study ended stands in `sweep status`, in its last event ("ended"), and on
the dashboard. `sweep resume` goes on with larger budgets (`--set budget.max_seconds=7200`).
"""

SPACE = """\
## `[space]`

Each setting is fixed, a range, or a list of choices. What is left out keeps its default.

```toml
[space]
epochs = 5                                                # fixed
hidden_width = { low = 8, high = 1024, log = true }       # a range; log spreads it evenly by ratio
batch_size = { low = 32, high = 256, step = 32 }          # a range in steps
activation = ["relu", "tanh"]                             # choices
```

A choice may bring settings of its own, at any depth, under `when` and its name; the list is then
called `choices`:

```toml
[space.optimizer]
choices = ["adam", "sgd"]
when.adam.learning_rate = { low = 1e-4, high = 1e-2, log = true }
when.sgd.learning_rate = { low = 1e-2, high = 10.0, log = true }
when.sgd.momentum = 0.9
```

Optuna knows a setting by its name, and one under `when` with the choice before it: `hidden_width`,
`sgd.learning_rate`.

`bce` needs the sigmoid output. A space that searches both outputs gives each its own losses:

```toml
[space.output_activation]
choices = ["sigmoid", "linear"]
when.sigmoid.loss = ["bce", "mse"]
when.linear.loss = ["mse", "l1"]
```
"""

DEPTH_AND_NOISE = """\
### Depth and noise

`hidden_width` is always the width of the code. `hidden_layers` puts further layers between pixels
and code, and as many between code and copy: from 784 pixels to a code of 8 with two of them, the
encoder is 784-170-37-8, each layer 4.6 times as wide as the next, and the decoder the reverse.
`layer_width_factor = 2` makes that 784-340-74-8. All hidden layers have the activation of the code.
Floors, laws and dead units speak of the code; `n_parameters` counts all layers.

`noise` disturbs the images that a network is trained on, in every step differently, and the loss
compares its copies with the clean ones (a denoising autoencoder). Validation and test images are
clean.

```toml
[space]
hidden_layers = { low = 0, high = 3 }

[space.noise]
choices = ["none", "masking", "gaussian"]
when.masking.masked_share = { low = 0.1, high = 0.7 }
when.gaussian.noise_std = { low = 0.1, high = 1.0, log = true }
```

Only the reference trainer can train either. It trains all of a study in which a trial may be
deep or noisy, so that times and rounding are comparable within the study; `--dry-run` and
`sweep status` say so. `studies/depth.toml` and `studies/denoise.toml` are examples.
"""

ENQUEUE = """\
## `[[enqueue]]`

A configuration that runs before the sampler is asked; the first one is trial 0. It names settings
as `[space]` does, without `when`; what it leaves out is sampled. A value outside of the space is an
error, and so is the same configuration twice: `study.repeat` trains one with several seeds.

```toml
[[enqueue]]
hidden_width = 784
activation = "relu"
```
"""


def render() -> str:
    """The page, as it should be."""
    sections = {name: "\n".join(_section(name, model)) for name, model in SECTIONS.items()}
    return "\n".join(
        [
            INTRODUCTION,
            sections.pop("study"),
            sections.pop("data"),
            "\n".join(_datasets()),
            SPACE,
            "\n".join(_settings()),
            DEPTH_AND_NOISE,
            *("\n".join(_choices(setting)) for setting in SETTINGS.values() if setting.choices),
            *sections.values(),
            ENQUEUE,
        ]
    )


def _section(name: str, model: type[Section]) -> Iterator[str]:
    yield f"## `[{name}]`\n"
    yield f"{model.__doc__}\n"
    yield "| key | default | |"
    yield "|---|---|---|"
    for key, field in model.model_fields.items():
        yield f"| `{key}` | {_field_default(model, key)} | {field.description} |"
    yield ""
    if name == "study":
        yield from _meanings("objective", Objective)
        yield DUPLICATES
        yield BASELINES
    if name == "budget":
        yield BUDGETS
    if issubclass(model, SamplerSection):
        yield from _options("sampler", model.OPTIONS)
        yield SAMPLING
    if name == "warm_start":
        yield WARM_START
    if issubclass(model, PrunerSection):
        yield from _options("pruner", model.OPTIONS)
        yield PRUNING


def _field_default(model: type[Section], key: str) -> str:
    if model.model_fields[key].default is PydanticUndefined:
        return "needed"
    if any(key in options for options in getattr(model, "OPTIONS", {}).values()):
        return "see below"
    return _default(model.model_fields[key].default)


def _options(word: str, options: Mapping[Any, Mapping[str, object]]) -> Iterator[str]:
    yield f"| {word} | | options and their defaults |"
    yield "|---|---|---|"
    for name, defaults in options.items():
        shown = ", ".join(f"`{key}` {_default(value)}" for key, value in defaults.items())
        yield f"| `{name}` | {_meaning(name)} | {shown or 'none'} |"
    yield ""


def _datasets() -> Iterator[str]:
    yield "| data set | | images | license |"
    yield "|---|---|---|---|"
    for name in Dataset:
        source = SOURCES[name]
        count = f"{source.n_train:,} + {source.n_test:,}"
        yield f"| `{name}` | {source.description} | {count} | {source.license} |"
    yield ""
    yield PLACES


def _settings() -> Iterator[str]:
    yield "| setting | kind | default | |"
    yield "|---|---|---|---|"
    for setting in SETTINGS.values():
        default = "each trial's own" if setting.default is None else _default(setting.default)
        yield f"| `{setting.name}` | {_kind(setting)} | {default} | {setting.about} |"
    yield ""


def _kind(setting: Setting[Any]) -> str:
    if setting.choices:
        return f"[name](#{setting.name})"
    kind = {int: "whole number", float: "number", bool: "true or false"}[setting.kind]
    return f"{kind}, {setting.limits}" if setting.limits else kind


def _choices(setting: Setting[Any]) -> Iterator[str]:
    yield f"### `{setting.name}`\n"
    yield from _meanings("name", setting.kind)


def _meaning(name: StrEnum) -> str:
    choice = CHOICES[type(name)][name]
    if not isinstance(choice, OptimizerChoice):
        return choice.about
    used = (f"`{setting}`" for setting in (*choice.settings, "weight_decay"))
    return f"{choice.about}; uses {', '.join(used)}"


def _meanings(word: str, names: type[StrEnum]) -> Iterator[str]:
    yield f"| {word} | |"
    yield "|---|---|"
    for name in names:
        yield f"| `{name}` | {_meaning(name)} |"
    yield ""


def _default(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case tuple():
            return "`[" + ", ".join(f'"{item}"' for item in value) + "]`"
        case str():
            return f'`"{value}"`'
        case _:
            return f"`{value:g}`"


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
