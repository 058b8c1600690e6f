"""Deep networks: the reference trainer against one written with torch's own modules."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import jacrev

from sweep.config import TrialConfig, layer_widths
from sweep.enums import Activation, Loss, Optimizer, Output, Trainer, WeightInit
from sweep.trainer import Diverged, data_order, encode, load_model, reconstruct, trained_model
from sweep.trainer.fused.checks import check_trial
from sweep.trainer.fused.layout import Layout
from sweep.trainer.randomness import initial_layers, initial_weights
from tests.support.factories import make_images
from tests.support.trainer_factories import SHORT, analyse, make_data, make_spec, start, train

#: 36 pixels: layers of 22, 13, 8, 13, 22 and 36 units.
DEEP = replace(SHORT, hidden_layers=2, batch_size=40)
WIDTHS = (36, 22, 13, 8, 13, 22, 36)
SEED = 7

MODULES: dict[Activation, Callable[[], nn.Module]] = {
    Activation.LINEAR: nn.Identity,
    Activation.RELU: nn.ReLU,
    Activation.LEAKY_RELU: partial(nn.LeakyReLU, 0.01),
    Activation.ELU: nn.ELU,
    Activation.GELU: nn.GELU,
    Activation.SILU: nn.SiLU,
    Activation.TANH: nn.Tanh,
    Activation.SIGMOID: nn.Sigmoid,
    Activation.MISH: nn.Mish,
}


def plain_network(activation: Activation) -> nn.Sequential:
    """Two further layers on each side of the code, with the trial's first weights."""
    linears = [nn.Linear(*sizes) for sizes in pairwise(WIDTHS)]
    for linear, (weight, bias) in zip(linears, initial_layers(DEEP, 36, SEED), strict=True):
        linear.weight.data, linear.bias.data = weight.clone(), bias.clone()
    parts = [part for linear in linears for part in (linear, MODULES[activation]())]
    return nn.Sequential(*parts[:-1], nn.Sigmoid())


@pytest.mark.parametrize("activation", Activation)
def test_a_deep_network_trains_as_one_of_torchs_own_modules(activation: Activation) -> None:
    config, data = replace(DEEP, activation=activation), make_data()
    pixels = data.train.float() / 255
    network = plain_network(activation)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    for epoch in (1, 2):
        for rows in data_order(SEED, epoch, len(pixels)).split(config.batch_size):
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy(network(pixels[rows]), pixels[rows]).backward()
            optimizer.step()

    content = train(config, data).result().weights
    assert content is not None
    for got, expected in zip(
        (tensor for layer in load_model(content).layers for tensor in layer),
        network.parameters(),
        strict=True,
    ):
        torch.testing.assert_close(got, expected.detach(), rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize(
    ("settings", "n_inputs", "widths"),
    [
        ({"hidden_width": 8}, 784, (784, 8, 784)),
        ({"hidden_width": 8, "hidden_layers": 1}, 784, (784, 79, 8, 79, 784)),
        ({"hidden_width": 8, "hidden_layers": 2}, 784, (784, 170, 37, 8, 37, 170, 784)),
        (
            {"hidden_width": 8, "hidden_layers": 2, "layer_width_factor": 2.0},
            *(784, (784, 340, 74, 8, 74, 340, 784)),
        ),
        ({"hidden_width": 8, "layer_width_factor": 2.0}, 784, (784, 8, 784)),
        ({"hidden_width": 784, "hidden_layers": 1}, 784, (784, 784, 784, 784, 784)),
        ({"hidden_width": 64, "hidden_layers": 1}, 16, (16, 32, 64, 32, 16)),
        (
            {"hidden_width": 1, "hidden_layers": 1, "layer_width_factor": 0.1},
            *(4, (4, 1, 1, 1, 4)),
        ),
    ],
)
def test_widths_lead_from_the_pixels_to_the_code_in_equal_ratios(
    settings: dict[str, float], n_inputs: int, widths: tuple[int, ...]
) -> None:
    assert layer_widths(TrialConfig(**settings), n_inputs) == widths  # type: ignore[arg-type]


def test_layers_are_drawn_by_the_seed_alone_and_each_by_its_own_size() -> None:
    config = TrialConfig(hidden_width=50, hidden_layers=1, weight_init=WeightInit.HE_NORMAL)
    one, again = (initial_layers(config, 800, seed=1) for _ in range(2))
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(one, again, strict=True))
    for weight, bias in one:
        assert float(weight.std()) == pytest.approx((2 / weight.shape[1]) ** 0.5, rel=0.03)
        assert not bias.any()
    assert not torch.equal(one[0].weight, initial_layers(config, 800, seed=2)[0].weight)


def test_a_deep_network_has_no_two_layers() -> None:
    with pytest.raises(ValueError, match="unpack"):
        initial_weights(DEEP, 36, SEED)


def test_a_deep_network_survives_its_file_and_copies_and_encodes_as_measured() -> None:
    result = train(DEEP).result()
    content, images = result.weights, make_images().test_images
    assert content is not None
    assert load_model(content).config == DEEP
    again = reconstruct(content, images)
    assert again.image_mse.mean() == pytest.approx(result.results[0].test_mse)
    codes = encode(content, images)
    assert codes.shape == (len(images), 8)
    with torch.no_grad():
        pixels = trained_model(content).decode(torch.from_numpy(codes))
    copies = (pixels * 255).round().to(torch.uint8).numpy()
    assert np.array_equal(copies, again.pixels)


def test_parameters_and_norms_are_of_all_layers() -> None:
    result = train(DEEP).result()
    (measured,) = result.results
    sizes = list(pairwise(WIDTHS))
    assert measured.n_parameters == sum((fan_in + 1) * fan_out for fan_in, fan_out in sizes)
    assert result.weights is not None and measured.diagnostics is not None
    weights = [layer.weight.double() for layer in load_model(result.weights).layers]
    encoder = torch.cat([weight.flatten() for weight in weights[:3]])
    decoder = torch.cat([weight.flatten() for weight in weights[3:]])
    assert measured.diagnostics.encoder_norm == pytest.approx(float(encoder.norm()))
    assert measured.diagnostics.decoder_norm == pytest.approx(float(decoder.norm()))


def test_a_deep_linear_network_is_decomposed_as_the_map_that_it_is() -> None:
    linear = {"activation": Activation.LINEAR, "output_activation": Output.LINEAR}
    config, data = replace(DEEP, loss=Loss.MSE, **linear), make_data()
    content = train(config, data).result().weights
    assert content is not None
    found = analyse(content, data)
    assert found.decomposition is not None and found.probe is not None
    model = trained_model(content).double()
    whole = jacrev(model.autoencoder)(torch.zeros(36, dtype=torch.float64))
    assert isinstance(whole, Tensor)
    expected = torch.linalg.svdvals(whole)[:8].tolist()
    assert found.decomposition.end_to_end == pytest.approx(expected)
    assert found.decomposition.code_rank <= 8


def test_a_deep_network_that_diverges_says_in_which_layer() -> None:
    # One step an epoch: the loss is taken before it, so only the weights can tell.
    huge = {"optimizer": Optimizer.SGD, "learning_rate": 3e38, "weight_decay": 3e38}
    with pytest.raises(Diverged, match=r"encoder\.0\.weight is no longer finite in epoch 1$"):
        start(replace(DEEP, batch_size=1000, **huge)).train_epoch()


@pytest.mark.parametrize("settings", [{"hidden_layers": 2}, {"noise": "masking"}])
def test_trainers_of_two_layers_refuse_what_they_cannot_train(settings: dict[str, int]) -> None:
    config = replace(SHORT, **settings)
    ((name, value),) = settings.items()
    said = f"{name} {value}: only the reference trainer can train that"
    with pytest.raises(ValueError, match=said):
        start(config, trainer=Trainer.CPU)
    with pytest.raises(ValueError, match=said):
        check_trial(
            make_spec(config), Layout(n_slots=1, n_tiles=1, tile_units=32), SHORT.batch_size
        )
