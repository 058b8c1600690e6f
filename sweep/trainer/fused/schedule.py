"""Which tiles and slots a launch works on."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sweep.trainer.fused.layout import Place
from sweep.trainer.fused.transfers import to_device


class TileSchedule:
    """Lists of tiles and slots. The arrays stay where they are, so that a graph sees changes.

    Wide slots come first, so that the last programs to finish are short ones. What each array
    holds: ``sweep.trainer.fused.kernels``.
    """

    def __init__(self, n_slots: int, n_tiles: int, device: torch.device) -> None:
        def empty(n: int) -> Tensor:
            return torch.full((n,), -1, dtype=torch.int32, device=device)

        self.tile_list, self.tile_slot, self.tile_units = (empty(n_tiles) for _ in range(3))
        self.slot_list, self.tile_start = empty(n_slots), empty(n_slots)
        self.tile_count = torch.zeros_like(self.tile_start)

    @property
    def arrays(self) -> dict[str, Tensor]:
        """All of them, by the names of kernel parameters."""
        return dict(vars(self))

    def assign(self, places: Sequence[Place], tile_units: int) -> None:
        """Work on these places from the next launch on."""
        tiles, slots = [-1] * len(self.tile_list), [-1] * len(self.slot_list)
        owner, units = list(tiles), list(tiles)
        start, count, n = [0] * len(slots), [0] * len(slots), 0
        widest_first = sorted(places, key=lambda place: (-place.hidden_width, place.slot))
        for i, place in enumerate(widest_first):
            slots[i], start[place.slot], count[place.slot] = place.slot, n, len(place.tiles)
            for j, tile in enumerate(place.tiles):
                tiles[n], owner[tile] = tile, place.slot
                units[tile] = min(tile_units, place.hidden_width - j * tile_units)
                n += 1
        for tensor, values in (
            (self.tile_list, tiles),
            (self.tile_slot, owner),
            (self.tile_units, units),
            (self.slot_list, slots),
            (self.tile_start, start),
            (self.tile_count, count),
        ):
            tensor.copy_(to_device(torch.tensor(values, dtype=torch.int32), tensor.device))
