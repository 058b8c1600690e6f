"""Bad study files: each problem is named, with what was given and what would do."""

from pathlib import Path

import pytest

from sweep.errors import StudyFileError
from sweep.studyfile import load, loads
from tests.support.study_factories import CONDITIONAL, WIDTHS, study_text


def problems(text: str, *overrides: str) -> tuple[str, ...]:
    with pytest.raises(StudyFileError) as caught:
        loads(text, "bad.toml", overrides)
    assert caught.value.exit_code == 4
    return caught.value.problems


def test_all_problems_of_a_file_come_at_once() -> None:
    text = """
        [studdy]
        name = "x"
        [space]
        hidden_width = { low = 512, high = 64 }
        optimizer = "adamm"
        [pruner]
        name = "median"
        percentile = 10.0
        """
    with pytest.raises(StudyFileError) as caught:
        loads(text, "mine.toml")
    assert str(caught.value).splitlines() == [
        "mine.toml: 6 problems",
        "  studdy: unknown section. Did you mean 'study'? Known: study, data, space, sampler, "
        "warm_start, pruner, budget, workers, enqueue.",
        "  study.name: missing; a study file must give it.",
        "  pruner: 'median' has no option percentile. "
        "It takes n_startup_trials, n_warmup_steps, interval_steps.",
        "  space.hidden_width: low (512) must be below high (64).",
        "  space.optimizer: unknown optimizer 'adamm'. Did you mean 'adam'? "
        "Known: sgd, adam, adamw, rmsprop, adagrad, nadam.",
        "  budget.trials: missing; give the number of trials, such as trials = 100. "
        "Only a grid may omit it.",
    ]


SECTIONS = {
    "study.name=a b": "study.name: must be letters, digits, '.', '_' and '-', and begin with",
    "study.seed=-1": "study.seed: must be at least 0, got -1.",
    "study.seed=1.5": "study.seed: must be a whole number, got 1.5.",
    "study.repeat=true": "study.repeat: must be a whole number, got true.",
    "study.repeat=0": "study.repeat: must be at least 1, got 0.",
    "study.objectives=val_mse": "study.objectives: must be a list, got 'val_mse'.",
    "study.objectives=['val_mes']": "study.objectives.0: unknown objective 'val_mes'. Did you mean",
    "study.objectives=['hidden_width']": "study.objectives: val_mse must come first",
    "study.objectives=[]": "study.objectives: val_mse must come first",
    "study.objectives=['val_mse', 'val_mse']": "study.objectives: names one twice.",
    "study.description=5": "study.description: must be a text in quotes, got 5.",
    "data.name=fashion-mist": "data.name: unknown data set 'fashion-mist'. Did you mean 'fashion-m",
    "data.name=''": "data.name: must not be empty.",
    "data.validation_fraction=1.0": "data.validation_fraction: must be below 1.0, got 1.0.",
    "data.validation_fraction=nan": "data.validation_fraction: must be a finite number, got nan.",
    "data.train_limit=0": "data.train_limit: must be at least 1, got 0.",
    "sampler.name=tpee": "sampler.name: unknown sampler 'tpee'. Did you mean 'tpe'? Known: tpe, ",
    "sampler.popsize=5": "sampler: 'tpe' has no option popsize. It takes n_startup_trials, n_ei",
    "sampler.n_startup_trial=5": "sampler.n_startup_trial: unknown key. Did you mean 'n_startup_t",
    "sampler={name='qmc', qmc_type='sobl'}": "sampler.qmc_type: must be 'sobol' or 'halton', got",
    "pruner.name=medain": "pruner.name: unknown pruner 'medain'. Did you mean 'median'?",
    "pruner={name='median', n_warmup_steps=-1}": "pruner.n_warmup_steps: must be at least 0, got",
    "budget.trials=0": "budget.trials: must be at least 1, got 0.",
    "budget.trails=5": "budget.trails: unknown key. Did you mean 'trials'?",
    "budget.n_trials=5": "budget.n_trials: unknown key. Did you mean 'trials'?",
    "budget.timeout=5": "budget.timeout: unknown key. Did you mean 'max_seconds'?",
    "study.trials=5": "study.trials: unknown key. Did you mean 'budget.trials'?",
    "pruner.name=asha": "pruner.name: unknown pruner 'asha'. Did you mean 'successive_halving'?",
    "sampler.method=random": "sampler.method: unknown key. Did you mean 'name'?",
    "search_space.epochs=5": "search_space: unknown section. Did you mean 'space'?",
    "trial.timeout=5": "trial: unknown section.",
    "study.duplicates=reus": "study.duplicates: unknown value of duplicates 'reus'. Did you",
    "budget.target_value=0": "budget.target_value: must be above 0.0, got 0.",
    "budget.plateau_trials=5": "budget.plateau_improvement: missing beside plateau_trials.",
    "budget.plateau_improvement=0.1": "budget.plateau_trials: missing beside plateau_improvement.",
    "budget.max_seconds=inf": "budget.max_seconds: must be a finite number, got inf.",
    "workers.gpus='0,,1'": "workers.gpus: must be 'all', 'cpu', or GPU numbers such as '0,1', got",
    "workers.retries=1979-05-27": "workers.retries: must be a whole number, got 1979-05-27.",
}


@pytest.mark.parametrize(("override", "expected"), SECTIONS.items(), ids=SECTIONS)
def test_a_bad_value_of_a_section_is_named(override: str, expected: str) -> None:
    key, _, value = override.partition("=")
    if "." not in key:  # a whole section
        text = study_text(more=f"budget.trials = 10\n{key} = {value}")
        (problem,) = problems(text)
    else:
        (problem,) = problems(study_text(), override)
    assert problem.startswith(expected)


SPACES = {
    "": "space: empty, so there is nothing to train.",
    "hiden_width = 5": "space.hiden_width: unknown setting. Did you mean 'hidden_width'?",
    "hidden_width = 0": "space.hidden_width: must be at least 1 and at most 65,536, got 0.",
    "hidden_width = 8.0": "space.hidden_width: must be a whole number, got 8.0.",
    "hidden_width = []": "space.hidden_width: choices is empty",
    "hidden_width = [8, '16']": "space.hidden_width: must be a whole number, got '16'.",
    "hidden_width = '8,32'": "space.hidden_width: must be a whole number, got '8,32'. Several "
    "values are a list: [8,32].",
    "n_layers = 2": "space.n_layers: unknown setting. Did you mean 'hidden_layers'?",
    "lr = 1e-3": "space.lr: unknown setting. Did you mean 'learning_rate'?",
    "n_trials = 5": "space.n_trials: unknown setting. Did you mean 'budget.trials'?",
    "activation = 'swish'": "space.activation: unknown activation 'swish'. Did you mean 'silu'?",
    "loss = 'binary_crossentropy'": "space.loss: unknown loss 'binary_crossentropy'. Did you mean",
    "epochs = { min = 2, max = 5 }": "space.epochs.min: unknown key. Did you mean 'low'?",
    "epochs = { values = [2, 5] }": "space.epochs.values: unknown key. Did you mean 'choices'?",
    "hidden_width = {}": "space.hidden_width: needs low and high, or choices; to fix it, write",
    "epochs = { low = 2 }": "space.epochs: high is missing; a range needs low and high.",
    "epochs = { low = 5, high = 5 }": "space.epochs: low and high are both 5. To fix it, write ep",
    "epochs = { low = 0, high = 5 }": "space.epochs.low: must be at least 1 and at most 100,000,",
    "epochs = { low = 1, high = 5, lgo = true }": "space.epochs.lgo: unknown key. Did you mean 'l",
    "epochs = { low = 1, high = 5, log = 1 }": "space.epochs.log: must be true or false, got 1.",
    "epochs = { low = 1, high = 5, step = 0 }": "space.epochs.step: must be a whole number above",
    "epochs = { low = 1, high = 6, step = 2 }": "space.epochs: steps of 2 from 1 miss high (6). "
    "Use high = 5 or 7.",
    "epochs = { low = 1, high = 5, step = 9 }": "space.epochs: step (9) is longer than the range",
    "epochs = { low = 1, high = 5, step = 2, log = true }": "space.epochs: log and step exclude",
    "epochs = { low = 1, high = 5, choices = [1] }": "space.epochs: has both choices and low.",
    "epochs = { low = 1, high = 5, when = { a = {} } }": "space.epochs.when: depends on a range;",
    "momentum = { low = 0, high = 0.9, log = true }\noptimizer = 'sgd'": "space.momentum: a log ra",
    "momentum = 1.0": "space.momentum: must be at least 0 and below 1, got 1.0.",
    "learning_rate = { low = 1e-3, high = 1, step = 1e-12 }": "space.learning_rate: step (1e-12)",
    "learning_rate = nan": "space.learning_rate: must be above 0 and at most 1,000,000, got nan.",
    "nesterov = 1": "space.nesterov: must be true or false, got 1.",
    "loss = { choices = [] }": "space.loss: choices is empty",
    "loss = { choices = 'mse' }": "space.loss: choices must be a list of values, got 'mse'.",
    "loss = { choices = ['mse', 'mse'] }": "space.loss: choices repeat 'mse'. Name each once.",
    "loss = { choices = ['mse', 'mes'] }": "space.loss: unknown loss 'mes'. Did you mean 'mse'?",
    "loss = { low = 1, high = 2 }": "space.loss.low: loss has no range. List its values",
    "loss = { huber_delta = 1.0 }": "space.loss.huber_delta: a setting that depends on a choice go",
    "loss = { choices = ['mse'], when = 1 }": "space.loss.when: must hold a table for each choice",
    "loss = { choices = ['mse'], when.mse = 1 }": "space.loss.when.mse: must be a table of settin",
    "loss = { choices = ['mse'], when.mes = {} }": "space.loss.when.mes: not one of the choices. "
    "Did you mean 'mse'? Known: mse.",
    "loss = { choices = ['mse'], when.mse.loss = 'l1' }": "space.loss.when.mse.loss: already dete",
    "loss = { choices = ['mse'], when.mse.epochs = 3 }\nepochs = 5": "space.loss.when.mse.epochs: "
    "epochs is also given at space.epochs, and a trial can have both.",
}


@pytest.mark.parametrize(("space", "expected"), SPACES.items(), ids=SPACES)
def test_a_bad_space_is_named(space: str, expected: str) -> None:
    found = problems(study_text(space))
    assert [problem for problem in found if problem.startswith(expected)], found


WITH_LINEAR = {
    "both searched": """
        output_activation = { choices = ['sigmoid', 'linear'] }
        loss = { choices = ['bce'] }
        """,
    "loss left at its default": "output_activation = 'linear'",
    "bce under a choice that linear may meet": """
        output_activation = { choices = ['sigmoid', 'linear'] }
        activation = { choices = ['relu', 'tanh'], when.relu.loss = 'bce', when.tanh.loss = 'mse' }
        """,
}


@pytest.mark.parametrize("space", WITH_LINEAR.values(), ids=WITH_LINEAR)
def test_bce_with_linear_output_is_refused_with_the_way_to_write_it(space: str) -> None:
    (problem,) = problems(study_text(space))
    assert "bce needs the sigmoid output" in problem
    assert '[space.output_activation.when.linear] loss = ["mse", "l1"]' in problem


def test_losses_given_for_each_output_are_accepted() -> None:
    space = """
        output_activation = { choices = ['sigmoid', 'linear'], when.linear.loss = 'mse' }
        """  # the sigmoid output keeps the default, bce
    assert loads(study_text(space), "good.toml").space.grid_size() == 2


NESTEROV = {
    "no momentum": "optimizer = 'sgd'\nnesterov = true",
    "momentum may be 0": "optimizer = 'sgd'\nnesterov = true\nmomentum = { low = 0, high = 0.9 }",
    "no momentum in one branch": """
        optimizer = { choices = ['adam', 'sgd'], when.adam.momentum = 0.9 }
        nesterov = { choices = [true, false] }
        """,
}


@pytest.mark.parametrize("space", NESTEROV.values(), ids=NESTEROV)
def test_nesterov_without_momentum_is_refused(space: str) -> None:
    (problem,) = problems(study_text(space))
    assert problem.startswith("space.nesterov: nesterov needs a momentum above 0")


def test_a_setting_searched_where_nothing_uses_it_is_refused() -> None:
    (problem,) = problems(study_text("momentum = { low = 0.1, high = 0.9 }"))
    assert problem.startswith(
        "space.momentum: searched without effect: only sgd or rmsprop uses momentum"
    )


LAYER_WIDTHS = "layer_width_factor = { low = 0.5, high = 2.0, log = true }"


@pytest.mark.parametrize("layers", ["", "hidden_layers = 0\n", "hidden_layers.choices = [0]\n"])
def test_widths_of_layers_that_no_trial_has_are_refused(layers: str) -> None:
    (problem,) = problems(study_text(layers + LAYER_WIDTHS))
    assert problem.startswith(
        "space.layer_width_factor: searched without effect: only hidden_layers 1 to 4 uses "
        "layer_width_factor, and hidden_layers is 0 here"
    )


@pytest.mark.parametrize("layers", ["2", "{ low = 0, high = 1 }", "{ choices = [0, 3] }"])
def test_widths_of_layers_that_some_trials_have_are_searched(layers: str) -> None:
    study_file = loads(study_text(f"hidden_layers = {layers}\n{LAYER_WIDTHS}"), "good.toml")
    assert "layer_width_factor" in study_file.space.domains()


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("hidden_layers = 5", "space.hidden_layers: must be at least 0 and at most 4, got 5."),
        ("hidden_layers = 1.5", "space.hidden_layers: must be a whole number, got 1.5."),
        ("layer_width_factor = 0", "space.layer_width_factor: must be at least 0.1 and at most 10"),
        ('noise = "gausian"', "space.noise: unknown noise 'gausian'. Did you mean 'gaussian'?"),
        ("masked_share = 1.0", "space.masked_share: must be above 0 and below 1, got 1.0."),
        (
            "noise_std = { low = 0.1, high = 0.5 }",
            "space.noise_std: searched without effect: only gaussian uses noise_std, and noise is",
        ),
    ],
)
def test_what_depth_and_noise_cannot_be_is_refused(space: str, said: str) -> None:
    (problem,) = problems(study_text(space))
    assert problem.startswith(said)


def test_one_optuna_name_for_two_domains_is_refused() -> None:
    space = """
        output_activation = { choices = ['sigmoid'], when.sigmoid.epochs = { low = 1, high = 5 } }
        [space.optimizer]
        choices = ['adam', 'sgd']
        when.adam.lr_schedule = { choices = ['cosine'], when.cosine.batch_size.choices = [64] }
        when.sgd.lr_schedule = { choices = ['cosine'], when.cosine.batch_size.choices = [32] }
        """
    (problem,) = problems(study_text(space))
    assert "Optuna stores this as 'cosine.batch_size'" in problem


def test_a_grid_over_a_range_without_steps_is_refused() -> None:
    found = problems(study_text(CONDITIONAL), "sampler.name=grid")
    assert [problem.partition(":")[0] for problem in found] == [
        "space.hidden_width",
        "space.optimizer.when.adam.learning_rate",
        "space.optimizer.when.adam.beta1",
        "space.optimizer.when.sgd.learning_rate",
    ]


def test_a_grid_too_large_to_walk_is_refused() -> None:
    space = "hidden_width = { low = 1, high = 2000 }\nepochs = { low = 1, high = 1000 }"
    (problem,) = problems(study_text(space), "sampler.name=grid")
    assert problem.startswith("space: the grid has 2000000 points; the limit is 1,000,000")


def test_cmaes_wants_one_objective_and_a_range() -> None:
    space = "activation = { choices = ['relu', 'tanh'] }"
    both = ["sampler.name=cmaes", "study.objectives=['val_mse', 'hidden_width']"]
    found = problems(study_text(space), *both)
    assert [problem.partition(".")[0] for problem in found] == ["sampler", "sampler"]


def test_a_sampler_without_its_packages_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (problem,) = problems(study_text(), "sampler.name=cmaes")
    assert "[samplers]" in problem
    loads(study_text(), "finished.toml", ["sampler.name=cmaes"], check_packages=False)


ENQUEUED = {
    "hidden_wdith = 8": "enqueue.0.hidden_wdith: unknown setting. Did you mean 'hidden_width'?",
    "hidden_width = 4": "enqueue.0.hidden_width: 4 is not in space.hidden_width, which has 8 to 10",
    "hidden_width = '8'": "enqueue.0.hidden_width: must be a whole number, got '8'.",
    "activation = 'gelu'": "enqueue.0.activation: 'gelu' is not in space.activation, which has ch",
    "optimizer = 'sgd'\nmomentum = 0.5": "enqueue.0.momentum: 0.5 is not 0.9, to which space.opt",
    "optimizer = 'sgd'\nbeta1 = 0.85": "enqueue.0.beta1: 0.85, but [space] does not have beta1 in",
    "learning_rate = 5e-3": "enqueue.0.learning_rate: 0.005 is not in space.optimizer.when.sgd.le",
    "seed = 3": "enqueue.0.seed: 3, but [space] does not have seed",
}


@pytest.mark.parametrize(("configuration", "expected"), ENQUEUED.items(), ids=ENQUEUED)
def test_an_enqueued_configuration_outside_the_space_is_refused(
    configuration: str, expected: str
) -> None:
    found = problems(f"{study_text(CONDITIONAL)}\n[[enqueue]]\n{configuration}")
    assert any(problem.startswith(expected) for problem in found), found


@pytest.mark.parametrize(
    ("space", "given", "has"),
    [
        ("weight_decay = { low = 0, high = 10, step = 1 }", "2.5", "0.0 to 10.0 in steps of 1"),
        ("weight_decay = { low = 0, high = 10 }", "11.5", "0.0 to 10.0"),
        ("epochs = { low = 2, high = 10, step = 2 }", "3", "2 to 10 in steps of 2"),
        ("epochs = { low = 2, high = 10 }", "11", "2 to 10"),
    ],
)
def test_a_value_outside_a_range_is_refused_with_the_range_s_steps(
    space: str, given: str, has: str
) -> None:
    name = space.partition(" ")[0]
    (problem,) = problems(f"{study_text(space)}\n[[enqueue]]\n{name} = {given}")
    assert problem == f"enqueue.0.{name}: {given} is not in space.{name}, which has {has}."


def test_a_problem_hides_none_of_its_section_or_of_what_needs_another() -> None:
    text = """
        data = { name = "fashion-mist", train_limit = -5 }
        space.epochs = 1.5
        enqueue = [{ learning_rat = 0.1 }]
        budget.trials = 1
        study.name = "x"
        """
    found = " ".join(problems(text))
    for part in ("data.name", "data.train_limit", "space.epochs", "enqueue.0.learning_rat:"):
        assert part in found


def test_a_configuration_enqueued_twice_is_refused() -> None:
    twice = "[[enqueue]]\nhidden_width = 64\n" * 2
    (problem,) = problems(study_text() + twice)
    assert problem.startswith("enqueue.1: equal to enqueue.0.")


def test_an_enqueue_that_is_no_list_of_tables_is_refused() -> None:
    (problem,) = problems(study_text(more="budget.trials = 1\nenqueue = [5]"))
    assert problem == "enqueue: must be tables, each headed [[enqueue]]."


# --- what is no study file at all ---------------------------------------------------------------


def test_wrong_toml_is_refused_with_its_line() -> None:
    (problem,) = problems('[study]\nname = "x"\nseed = = 5\n')
    assert problem == "line 3, column 8: not TOML: invalid value."


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000, "a = " + "9" * 5000], ids=["deep", "long number"]
)
def test_toml_that_python_cannot_hold_is_refused(text: str) -> None:
    assert problems(text)[0].startswith("not TOML: ")


def test_a_number_too_long_to_print_is_refused() -> None:
    (problem,) = problems(study_text("hidden_width = 0x" + "f" * 5000))
    assert problem.endswith("got a number of about 6020 digits.")


def test_settings_nested_without_end_are_refused() -> None:
    path = "optimizer.when.sgd." * 500
    assert problems(study_text(f"{path}momentum = 0.9"))[1].endswith("Omit this 'optimizer'.")


def file_problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(StudyFileError, match=r"1 problem\n") as caught:
        load(path)
    assert caught.value.source == str(path)
    return caught.value.problems


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert file_problems(tmp_path / "none.toml") == ("no such file. Check the path.",)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert file_problems(tmp_path)[0].startswith("is a folder.")


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert file_problems(tmp_path / "file" / "study.toml") == ("cannot be read: Not a directory.",)


def test_a_binary_file_is_refused_with_the_line_where_text_ends(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_bytes(b"# fine\n\x89PNG\xff")
    assert file_problems(tmp_path / "study.toml")[0].startswith("line 2: not UTF-8 text.")


def test_an_endless_file_is_refused() -> None:
    assert file_problems(Path("/dev/zero"))[0].startswith("too large for a study file")


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(study_text(WIDTHS), encoding="utf-8-sig")
    assert load(tmp_path / "study.toml").study.name == "test"
