"""Serialise a trained model: safetensors with the configuration in their metadata."""

import json
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import safetensors
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save

from sweep.catalogue.settings import HIDDEN_LAYERS
from sweep.config import TrialConfig, layer_widths, typed_config
from sweep.errors import DataError
from sweep.messages import ImageShape
from sweep.models.header import FORMAT, METADATA_KEY, layer_names, read_metadata
from sweep.trainer.data import DeviceData, as_floats, batches
from sweep.trainer.initialisation import Layers, LayerWeights, Weights
from sweep.trainer.model import Autoencoder, TrainedAutoencoder
from sweep.trainer.pixels import to_bytes


@dataclass(frozen=True, kw_only=True)
class SavedModel:
    """The content of a weights file."""

    config: TrialConfig
    seed: int
    shape: ImageShape
    #: ``Images.sha256`` of the data set that it was trained on.
    data_sha256: str
    layers: Layers

    @property
    def weights(self) -> Weights:
        """The parameters of a two-layer network. Raises ValueError for a deeper one."""
        return Weights.of(self.layers)


@dataclass(frozen=True, kw_only=True, eq=False)
class ReconstructedImages:
    """A model's copies of some images."""

    saved: SavedModel
    #: (N, D) 8-bit pixels.
    pixels: NDArray[np.uint8]
    #: (N,) mean squared error of each image on the [0, 1] scale.
    image_mse: NDArray[np.float64]


def save_model(model: Autoencoder, config: TrialConfig, seed: int, data: DeviceData) -> bytes:
    """Write the model as safetensors; same model, same bytes."""
    tensors = {
        key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()
    }
    about = {
        "format": FORMAT,
        "config": asdict(config),
        "seed": seed,
        "shape": asdict(data.shape),
        "data_sha256": data.sha256,
    }
    return save(tensors, metadata={METADATA_KEY: json.dumps(about)})


def load_model(content: bytes) -> SavedModel:
    """Read a saved model. Raises a DataError that says what is wrong with it."""
    try:
        tensors = load(content)
        about = read_metadata(content)
        config = typed_config(about["config"])
        if not HIDDEN_LAYERS.allows(config.hidden_layers):
            raise ValueError(f"{config.hidden_layers} hidden_layers")
        names = layer_names(config.hidden_layers)
        saved = SavedModel(
            config=config,
            seed=int(about["seed"]),
            shape=ImageShape(**{name: int(n) for name, n in about["shape"].items()}),
            data_sha256=str(about["data_sha256"]),
            layers=[
                LayerWeights(tensors[f"{name}.weight"], tensors[f"{name}.bias"]) for name in names
            ],
        )
        _check_shapes(saved)
        return saved
    except (
        safetensors.SafetensorError,
        *(ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError),
    ) as error:
        raise DataError(
            f"These {len(content):,} bytes are not the weights of a trial ({error})."
            f" Expected safetensors of format '{FORMAT}'."
        ) from error


def trained_model(content: bytes) -> TrainedAutoencoder:
    """Load the network of a weights file, on the CPU. Raises DataError for any other content."""
    saved = load_model(content)
    return TrainedAutoencoder(Autoencoder(saved.config, saved.layers, torch.device("cpu"))).eval()


def reconstruct(content: bytes, images: NDArray[np.uint8]) -> ReconstructedImages:
    """Apply saved weights to images (N, D), on the CPU."""
    saved, model = _model_for(content, images)
    with torch.no_grad():
        copies, errors = [], []
        for batch in batches(torch.from_numpy(np.array(images))):
            pixels = as_floats(batch)
            copy = model.reconstruct(pixels)
            errors.append((copy - pixels).square_().mean(dim=1))
            copies.append(to_bytes(copy))
    return ReconstructedImages(
        saved=saved,
        pixels=torch.cat(copies).numpy(),
        image_mse=torch.cat(errors).double().numpy(),
    )


def encode(content: bytes, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the codes (N, H) of images (N, D) by saved weights, on the CPU."""
    encoder = TrainedAutoencoder(_model_for(content, images)[1])
    pixels = torch.from_numpy(np.array(images))
    with torch.no_grad():
        codes = [encoder.encode(as_floats(batch)) for batch in batches(pixels)]
    return torch.cat(codes).numpy()


def _model_for(content: bytes, images: NDArray[np.uint8]) -> tuple[SavedModel, Autoencoder]:
    """Load a network. Raises DataError for images of another size."""
    saved = load_model(content)
    n_inputs = saved.shape.n_inputs
    if images.ndim != 2 or images.shape[1] != n_inputs:
        raise DataError(
            f"The model takes images of {saved.shape} = {n_inputs} numbers,"
            f" given {images.shape[-1]} in an array of shape {images.shape}."
        )
    return saved, Autoencoder(saved.config, saved.layers, torch.device("cpu"))


def _check_shapes(saved: SavedModel) -> None:
    """Check the shapes of the weights against the file's metadata; a mismatch would fail later."""
    sizes = pairwise(layer_widths(saved.config, saved.shape.n_inputs))
    names = layer_names(saved.config.hidden_layers)
    for name, layer, (fan_in, fan_out) in zip(names, saved.layers, sizes, strict=True):
        expected = LayerWeights._fields, layer, ((fan_out, fan_in), (fan_out,))
        for field, tensor, shape in zip(*expected, strict=True):
            if tuple(tensor.shape) != shape or tensor.dtype != torch.float32:
                raise ValueError(
                    f"{name}.{field} is {tensor.dtype} of {tuple(tensor.shape)},"
                    f" not float32 of {shape}"
                )
