"""Read a weights file's metadata without PyTorch."""

import json
from typing import Any

FORMAT = "sweep autoencoder 1"
#: A single key: safetensors writes several in an order that changes from call to call.
METADATA_KEY = "sweep"


def read_metadata(content: bytes) -> dict[str, Any]:
    """Return the metadata of a weights file: format, config, seed, image size, data digest.

    Raises ValueError and KeyError for bytes that are not our weights. safetensors reads its header
    only from files: its length as 8 bytes, little-endian, then JSON.
    """
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    found: dict[str, Any] = json.loads(header["__metadata__"][METADATA_KEY])
    if found["format"] != FORMAT:
        raise ValueError(f"format '{found['format']}'")
    return found


def layer_names(hidden_layers: int) -> list[str]:
    """Return the names of a network's layers in a weights file, from pixels to pixels.

    A deep encoder is a ``torch.nn.Sequential`` with an activation after each layer except the last.
    """
    parts = ("encoder", "decoder")
    if not hidden_layers:
        return [*parts]
    return [f"{part}.{2 * i}" for part in parts for i in range(hidden_layers + 1)]
