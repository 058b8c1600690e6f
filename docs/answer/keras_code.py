"""The question's code with other settings: what a reader changes in it, for Keras 3."""

from collections.abc import Mapping
from typing import Any

from sweep.enums import Loss, Optimizer, Schedule, WeightInit

#: As ruff formats it, which formats the pages too.
_LINES = """\
epochs, batch_size = {epochs}, {batch_size}
init = {init}

input_img = Input(shape=({n_inputs},))
encoded = Dense({hidden_width}, activation="{activation}", kernel_initializer=init)(input_img)
decoded = Dense({n_inputs}, activation="{output_activation}", kernel_initializer=init)(encoded)

autoencoder = Model(inputs=input_img, outputs=decoded)
n_steps = epochs * math.ceil(len(x_train) / batch_size)
autoencoder.compile(
    optimizer=keras.optimizers.{optimizer}(
        {rate},
{settings}
    ),
    loss={loss},
)
autoencoder.fit(
    x_train,
    x_train,
    epochs=epochs,
    batch_size=batch_size,
    shuffle=True,
    validation_data=(x_test, x_test),
)
"""


def keras_code(config: Mapping[str, Any], n_inputs: int) -> str:
    """The part of the question's code that changes; it wants ``import keras, math`` above it."""
    settings = _SETTINGS[config["optimizer"]]
    return _LINES.format(
        **{name: config[name] for name in ("epochs", "batch_size", "hidden_width")},
        **{name: str(config[name]) for name in ("activation", "output_activation")},
        n_inputs=n_inputs,
        init=_INITS.get(config["weight_init"], f'"{config["weight_init"]}"'),
        optimizer=_OPTIMIZERS[config["optimizer"]],
        rate=_RATES[config["lr_schedule"]].format(
            rate=f"{config['learning_rate']:.4g}", warmup=config.get("warmup_epochs")
        ),
        settings="\n".join(
            f"        {theirs}={_said(config[ours])}," for ours, theirs in settings.items()
        ),
        loss=_LOSSES[config["loss"]].format(delta=f"{config.get('huber_delta', 1.0):.4g}"),
    )


def _said(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else repr(value)


_OPTIMIZERS = {
    Optimizer.SGD: "SGD",
    Optimizer.ADAM: "Adam",
    Optimizer.ADAMW: "AdamW",
    Optimizer.RMSPROP: "RMSprop",
    Optimizer.ADAGRAD: "Adagrad",
    Optimizer.NADAM: "Nadam",
}
_ADAM = {"beta1": "beta_1", "beta2": "beta_2", "eps": "epsilon"}
#: Ours to Keras's. Weight decay is adamw's alone, as in `limit.toml`.
_SETTINGS: Mapping[Optimizer, Mapping[str, str]] = {
    Optimizer.SGD: {"momentum": "momentum", "nesterov": "nesterov"},
    Optimizer.ADAM: _ADAM,
    Optimizer.ADAMW: {"weight_decay": "weight_decay", **_ADAM},
    Optimizer.RMSPROP: {"rmsprop_alpha": "rho", "momentum": "momentum", "eps": "epsilon"},
    Optimizer.ADAGRAD: {"eps": "epsilon"},
    Optimizer.NADAM: _ADAM,  # momentum_decay, which Keras fixes at 1, cannot be given
}
_RATES = {
    Schedule.CONSTANT: "{rate}",
    Schedule.COSINE: "keras.optimizers.schedules.CosineDecay({rate}, n_steps)",
    Schedule.LINEAR_WARMUP: (
        "keras.optimizers.schedules.PolynomialDecay(0.0, n_steps * {warmup} // epochs, {rate})"
    ),
}
_LOSSES = {
    Loss.BCE: '"binary_crossentropy"',
    Loss.MSE: '"mean_squared_error"',
    Loss.L1: '"mean_absolute_error"',
    Loss.HUBER: "keras.losses.Huber({delta})",
}
#: Those that Keras has no name for.
_INITS = {
    WeightInit.TORCH_DEFAULT: 'keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")',
}
