"""List the tiles and slots that a launch processes."""

from collections.abc import Iterable, Sequence
from enum import Enum

import torch
from torch import Tensor

from sweep.trainer.fused.layout import SlotPlace
from sweep.trainer.fused.transfers import to_device

#: Pointers are aligned to 16 bytes at multiples of this; Triton recompiles for others.
_ALIGNED = 4


class SlotKinds(Enum):
    """Kinds of slots in a schedule: of one tile, of several tiles, or both."""

    SINGLE_TILE = "single tile"
    SEVERAL_TILES = "several tiles"
    BOTH = "both"


def kinds_of(places: Iterable[SlotPlace]) -> SlotKinds | None:
    """Return which kinds these places are; None if there are none."""
    single = {len(place.tiles) == 1 for place in places}
    if len(single) == 2:
        return SlotKinds.BOTH
    if not single:
        return None
    return SlotKinds.SINGLE_TILE if single.pop() else SlotKinds.SEVERAL_TILES


def share_out(
    places: Sequence[SlotPlace], n_groups: int, group_slots: int
) -> list[list[SlotPlace]]:
    """Divide places into groups with about equal numbers of tiles, and limited numbers of slots.

    The widest place goes first, always to the group with the fewest tiles.
    """
    groups: list[list[SlotPlace]] = [[] for _ in range(n_groups)]
    tiles = [0] * n_groups
    for place in sorted(places, key=lambda place: (-place.hidden_width, place.slot)):
        with_room = [i for i in range(n_groups) if len(groups[i]) < group_slots]
        least = min(with_room, key=tiles.__getitem__)
        groups[least].append(place)
        tiles[least] += len(place.tiles)
    return groups


class TileSchedule:
    """Lists of tiles and slots, in arrays that never move, so that a graph sees changes.

    Wide slots come first, so that the last programs to finish are short ones. The arrays are
    described in ``sweep.trainer.fused.kernels``.
    """

    def __init__(
        self, n_slots: int, n_tiles: int, device: torch.device, *, listed_slots: int | None = None
    ) -> None:
        longest = -(-max(n_slots, n_tiles) // _ALIGNED) * _ALIGNED
        #: One block of memory, so that a new schedule is copied at once.
        self._all = torch.full((6, longest), -1, dtype=torch.int32, device=device)
        self.tile_list, self.tile_slot, self.tile_units = self._all[:3, :n_tiles]
        self.tile_start, self.tile_count = self._all[3:5, :n_slots]
        #: No longer than needed: a launch has programs for each entry.
        self.slot_list = self._all[5, : listed_slots or n_slots]
        self.tile_count.zero_()

    @property
    def arrays(self) -> dict[str, Tensor]:
        """The arrays by the names of kernel parameters."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def assign(self, places: Sequence[SlotPlace], tile_units: int) -> None:
        """Process these places from the next launch on."""
        tiles, slots = [-1] * len(self.tile_list), [-1] * len(self.slot_list)
        owner, units = list(tiles), list(tiles)
        start, count, n = [0] * len(self.tile_start), [0] * len(self.tile_count), 0
        widest_first = sorted(places, key=lambda place: (-place.hidden_width, place.slot))
        for i, place in enumerate(widest_first):
            slots[i], start[place.slot], count[place.slot] = place.slot, n, len(place.tiles)
            for j, tile in enumerate(place.tiles):
                tiles[n], owner[tile] = tile, place.slot
                units[tile] = min(tile_units, place.hidden_width - j * tile_units)
                n += 1
        lists = torch.full(self._all.shape, -1, dtype=torch.int32)
        lists[:3, : len(tiles)] = torch.tensor([tiles, owner, units])
        lists[3:5, : len(start)] = torch.tensor([start, count])
        lists[5, : len(slots)] = torch.tensor(slots)
        self._all.copy_(to_device(lists, self._all.device))
