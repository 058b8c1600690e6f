"""Which tiles and slots a launch works on."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sweep.trainer.fused.layout import Place
from sweep.trainer.fused.transfers import to_device

#: Elements whose multiples begin at 16 bytes: Triton compiles again for a pointer that does not.
_ALIGNED = 4


class TileSchedule:
    """Lists of tiles and slots. The arrays stay where they are, so that a graph sees changes.

    Wide slots come first, so that the last programs to finish are short ones. What each array
    holds: ``sweep.trainer.fused.kernels``.
    """

    def __init__(self, n_slots: int, n_tiles: int, device: torch.device) -> None:
        longest = -(-max(n_slots, n_tiles) // _ALIGNED) * _ALIGNED
        #: One block of memory, so that a new schedule is one copy.
        self._all = torch.full((6, longest), -1, dtype=torch.int32, device=device)
        self.tile_list, self.tile_slot, self.tile_units = self._all[:3, :n_tiles]
        self.slot_list, self.tile_start, self.tile_count = self._all[3:, :n_slots]
        self.tile_count.zero_()

    @property
    def arrays(self) -> dict[str, Tensor]:
        """The arrays by the names of kernel parameters."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

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
        lists = torch.full(self._all.shape, -1, dtype=torch.int32)
        lists[:3, : len(tiles)] = torch.tensor([tiles, owner, units])
        lists[3:, : len(slots)] = torch.tensor([slots, start, count])
        self._all.copy_(to_device(lists, self._all.device))
