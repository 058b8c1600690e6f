"""Write the study file of ``sweep new``: ready to run, and meant to be changed."""

import json
from collections.abc import Iterable
from enum import StrEnum
from string import Template

from sweep.enums import Activation, Dataset, Loss, Optimizer, Pruner, Sampler

_TEMPLATE = Template("""\
#:schema ./$schema
# `sweep start $path --dry-run` shows what would run, `sweep start $path` runs it.
# The schema in the first line describes every section and setting; editors that know TOML (Even
# Better TOML in VS Code, taplo) complete names from it and show what they mean.

[study]
name = $name
description = ""  # what the study is to find out; the report shows it
seed = 0
# repeat = 3  # seeds of each trial, whose mean counts: more trustworthy, as many times slower

[data]
name = $data  # one of $datasets, or a path with a '/'

# What the trials are made of: a value is fixed, a range or a list is searched. A setting that is
# left out has its default.
[space]
hidden_width = { low = 16, high = 512, log = true }  # log: evenly in the logarithm
activation = ["relu", "gelu", "tanh"]  # of $activations
loss = ["bce", "mse"]  # of $losses
epochs = 5  # searched: { low = 2, high = 10 }
batch_size = 128

# A choice brings along settings of its own: each optimizer its learning rate. Others:
# $optimizers.
[space.optimizer]
choices = ["adam", "sgd"]

[space.optimizer.when.adam]
learning_rate = { low = 3e-4, high = 1e-2, log = true }

[space.optimizer.when.sgd]
learning_rate = { low = 0.3, high = 30.0, log = true }
momentum = 0.9

# Configurations that run first; settings that one leaves out are the sampler's choice.
[[enqueue]]
hidden_width = 256
activation = "relu"
loss = "bce"
optimizer = "adam"
learning_rate = 1e-3

[sampler]
name = "tpe"  # or $samplers

[pruner]
name = "none"  # or $pruners: ends trials early that do badly

[budget]
trials = 20
# max_seconds = 3600
""")


def new_study_text(path: str, name: str, data: str, schema: str) -> str:
    """Return a commented study file for commands that call it ``path``.

    ``schema`` is in its folder.
    """
    return _TEMPLATE.substitute(
        path=path,
        schema=schema,
        name=_text(name),
        data=_text(data),
        datasets=_join_names(Dataset),
        activations=_join_names(Activation),
        losses=_join_names(Loss),
        optimizers=_join_names(set(Optimizer) - {Optimizer.ADAM, Optimizer.SGD}),
        samplers=_join_names(set(Sampler) - {Sampler.TPE}),
        pruners=_join_names(set(Pruner) - {Pruner.NONE}),
    )


def _text(value: str) -> str:
    """Write a basic TOML string; a JSON string is one."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _join_names(names: Iterable[StrEnum]) -> str:
    return ", ".join(sorted(names))
