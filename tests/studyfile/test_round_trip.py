"""What is written reads back equal, and nothing but StudyFileError comes out of reading."""

import contextlib
import random
from typing import Any

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.catalogue.settings import SETTINGS, Setting
from sweep.enums import Pruner, Sampler
from sweep.errors import StudyFileError
from sweep.studyfile import loads, to_toml, with_trials
from sweep.studyfile.sections import SECTIONS, PrunerSection, SamplerSection
from tests.support.study_factories import CONDITIONAL, SMALL_GRID, make_study_file, study_text

# --- equal ---------------------------------------------------------------------------------------


def test_every_section_reads_back_equal() -> None:
    more = """
        budget.trials = 10
        budget.max_failures = 3
        budget.max_seconds = 1e16
        budget.max_gpu_hours = 0.5
        budget.target_value = 1e-3
        budget.plateau_trials = 5
        budget.plateau_improvement = 1e-4
        budget.max_trial_seconds = 60
        study.duplicates = "train"
        workers = { per_gpu = 2, retries = 0, gpus = "0,1" }
        data = { name = "./a folder/\\u007f\\u2713", validation_fraction = 0.2, train_limit = 100 }
        pruner = { name = "percentile", percentile = 25, n_warmup_steps = 1 }
        sampler = { name = "nsga2", population_size = 20 }
        study.objectives = ["val_mse", "train_seconds"]
        study.description = '''a "quoted" \\ text
        of two lines'''
        """
    study_file = make_study_file(CONDITIONAL, more=more)
    assert loads(to_toml(study_file), "copy") == study_file


def test_conditions_on_numbers_read_back_equal() -> None:
    study_file = make_study_file(SMALL_GRID, "sampler.name=grid")
    assert loads(to_toml(study_file), "copy") == study_file


def test_what_was_not_given_is_not_written() -> None:
    assert "workers" not in to_toml(make_study_file())


@pytest.mark.parametrize("n_trials", [6, 40])
def test_a_file_with_the_trials_of_now_is_the_same_otherwise(n_trials: int) -> None:
    more = "budget = { trials = 30, max_seconds = 60 }\nworkers = { per_gpu = 2 }"
    study_file = make_study_file(CONDITIONAL, more=more)
    found = with_trials(to_toml(study_file), n_trials)
    assert loads(found, "copy") == make_study_file(
        CONDITIONAL, f"budget.trials={n_trials}", more=more
    )
    assert f"trials = {n_trials} # as of now; 30 in its own file\n" in found


def test_a_grid_without_a_budget_gets_one_where_its_trials_are_others() -> None:
    grid = to_toml(make_study_file(SMALL_GRID, "sampler.name=grid", more="[[enqueue]]"))
    assert loads(with_trials(grid, 3), "copy").budget.trials == 3


@pytest.mark.parametrize("n_trials", [30, None])
def test_a_file_whose_trials_did_not_change_is_left_as_it_is(n_trials: int | None) -> None:
    text = to_toml(make_study_file(more="budget.trials = 30"))
    assert with_trials(text, n_trials) == text


@pytest.mark.parametrize("text", ['study = "', "budget = 3"])
def test_what_somebody_put_in_place_of_a_file_is_left_as_it_is(text: str) -> None:
    assert with_trials(text, 36) == text


def value_of(setting: Setting) -> st.SearchStrategy[Any]:
    if setting.choices:
        return st.sampled_from(setting.choices)
    if setting.kind is bool:
        return st.booleans()
    if setting.kind is int:
        return st.integers(max(1, int(setting.low)), int(min(setting.high, 10_000)))
    return st.floats(0.001, 0.9, allow_nan=False)


@st.composite
def draw_searched(draw: st.DrawFn, setting: Setting) -> dict[str, Any]:
    if not setting.choices and setting.kind is not bool and draw(st.booleans()):
        low, high = sorted(draw(st.lists(value_of(setting), min_size=2, max_size=2, unique=True)))
        return {"low": low, "high": high, "log": draw(st.booleans())}
    choices = draw(st.lists(value_of(setting), min_size=1, max_size=4, unique=True))
    return {"choices": choices}


@st.composite
def spaces(draw: st.DrawFn) -> dict[str, Any]:
    """Spaces that are valid but for the rules between settings."""
    names = draw(st.lists(st.sampled_from(sorted(SETTINGS)), min_size=1, max_size=8, unique=True))
    space: dict[str, Any] = {}
    for name in names:
        setting = SETTINGS[name]
        space[name] = draw(value_of(setting) | draw_searched(setting))
    deciding = [
        name for name in names if isinstance(space[name], dict) and "choices" in space[name]
    ]
    for name in deciding[:2]:
        choice = space[name]["choices"][0]
        if isinstance(choice, str):
            inner = draw(st.sampled_from(sorted(set(SETTINGS) - set(names))))
            space[name]["when"] = {choice: {inner: draw(value_of(SETTINGS[inner]))}}
    return space


@given(spaces())
@settings(max_examples=60, deadline=None)
def test_any_space_reads_back_equal_and_resolves(space: dict[str, Any]) -> None:
    text = tomlkit.dumps({"study": {"name": "x"}, "budget": {"trials": 5}, "space": space})
    try:
        study_file = loads(text, "generated")
    except StudyFileError:
        return  # a rule between settings; what is left is checked
    assert loads(to_toml(study_file), "copy") == study_file
    rng = random.Random(0)
    config, _ = study_file.space.resolve(
        lambda name, domain: rng.choice(getattr(domain, "choices", None) or (domain.low,))
    )
    assert not (config.output_activation == "linear" and config.loss == "bce")


# --- fuzz ----------------------------------------------------------------------------------------

KEYS = sorted(
    {
        *SECTIONS,
        *SETTINGS,
        *(key for model in SECTIONS.values() for key in model.model_fields),
        *(name for setting in SETTINGS.values() for name in setting.choices),
        *("space", "enqueue", "low", "high", "log", "step", "choices", "when", "true", "0"),
    }
)
SCALARS = (
    st.sampled_from(KEYS)
    | st.text(max_size=5)
    | st.booleans()
    | st.integers(-5, 2000)
    | st.integers()
    | st.floats()
    | st.datetimes()
    | st.dates()
)


def nest(key: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    values = st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(key, inner, max_size=4),
        max_leaves=12,
    )
    return st.dictionaries(key, values, max_size=5)


def reads_or_refuses(text: str, *overrides: str) -> None:
    with contextlib.suppress(StudyFileError):
        loads(text, "fuzz", overrides)
        return
    with pytest.raises(StudyFileError) as caught:
        loads(text, "fuzz", overrides)
    problems = caught.value.problems
    assert problems
    assert all(line.isprintable() for line in problems), problems
    assert not any("Input should be" in line for line in problems)


@given(nest(st.sampled_from(KEYS)))
@settings(max_examples=150, deadline=None)
def test_tables_of_known_words_are_read_or_refused(tables: dict[str, Any]) -> None:
    reads_or_refuses(tomlkit.dumps(tables))


@given(st.sampled_from([*SECTIONS, "space", "enqueue"]), nest(st.sampled_from(KEYS)))
@settings(max_examples=150, deadline=None)
def test_a_file_with_one_wild_section_is_read_or_refused(name: str, table: dict[str, Any]) -> None:
    tables = {"study": {"name": "x"}, "space": {"epochs": 3}, "budget": {"trials": 3}}
    reads_or_refuses(tomlkit.dumps({**tables, name: [table] if name == "enqueue" else table}))


@given(nest(st.sampled_from([*SETTINGS, "low", "high", "log", "step", "choices", "when"])))
@settings(max_examples=150, deadline=None)
def test_a_wild_space_is_read_or_refused(space: dict[str, Any]) -> None:
    tables = {"study": {"name": "x"}, "budget": {"trials": 3}, "sampler": {"name": "grid"}}
    reads_or_refuses(tomlkit.dumps({**tables, "space": space}))


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text_is_read_or_refused(content: bytes) -> None:
    reads_or_refuses(content.decode("latin-1"))


@given(st.lists(st.sampled_from(KEYS) | st.text(max_size=4), max_size=4), st.text(max_size=12))
@settings(max_examples=150, deadline=None)
def test_any_override_is_taken_or_refused(keys: list[str], value: str) -> None:
    reads_or_refuses(study_text(CONDITIONAL), f"{'.'.join(keys)}={value}")


def test_every_sampler_and_pruner_has_its_options_listed() -> None:
    assert set(SamplerSection.OPTIONS) == set(Sampler)
    assert set(PrunerSection.OPTIONS) == set(Pruner)


def test_comments_stand_above_their_keys_and_change_nothing() -> None:
    study_file = make_study_file(
        CONDITIONAL,
        more="""budget.trials = 10
        sampler.name = "random"
        enqueue = [{ activation = "relu" }, { activation = "tanh" }]""",
    )
    comments = {
        "": "From elsewhere.\nIn two lines.",
        "space.activation": "because " * 20,
        "space.optimizer": "all of them",
        "space.optimizer.when.adam.beta1": "wider",
        "sampler": "as it was",
        "enqueue.1": "the second",
    }
    text = to_toml(study_file, comments)
    assert loads(text, "test.toml") == study_file
    lines = text.splitlines()
    assert lines[:2] == ["# From elsewhere.", "# In two lines."]
    assert max(map(len, lines)) <= 100
    assert lines[lines.index("# wider") + 1].startswith("beta1 = ")
    assert lines[lines.index("# as it was") - 1] == "[sampler]"
    assert lines[lines.index("# all of them") - 1] == "[space.optimizer]"
    entries = text.split("[[enqueue]]\n")
    assert entries[2].startswith("# the second\n")
