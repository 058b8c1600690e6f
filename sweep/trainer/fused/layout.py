"""Allocate slots and tiles to trials, like memory.

Notation: K slots, T tiles of R hidden units. A slot owns a list of tiles, anywhere, so all free
tiles are usable whatever their order, and nothing is ever moved.
"""

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush


@dataclass(frozen=True, kw_only=True)
class SlotPlace:
    """The place of one slot."""

    slot: int
    #: In the order of the units.
    tiles: tuple[int, ...]
    hidden_width: int


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The free slots and tiles of a population."""

    n_slots: int
    n_tiles: int
    #: R, hidden units of a tile.
    tile_units: int
    _slots: list[int] = field(default_factory=list)
    _tiles: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._slots.extend(range(self.n_slots))
        self._tiles.extend(range(self.n_tiles))
        heapify(self._slots)
        heapify(self._tiles)

    @property
    def n_free_slots(self) -> int:
        """Return the number of free slots."""
        return len(self._slots)

    @property
    def n_free_tiles(self) -> int:
        """Return the number of free tiles."""
        return len(self._tiles)

    def tiles_of(self, hidden_width: int) -> int:
        """Return the number of tiles of a slot of this width."""
        return -(-hidden_width // self.tile_units)

    def ever_fits(self, hidden_width: int, n: int) -> bool:
        """Return whether an empty population has n places of this width."""
        return n <= self.n_slots and n * self.tiles_of(hidden_width) <= self.n_tiles

    def take(self, hidden_width: int, n: int) -> tuple[SlotPlace, ...] | None:
        """Take n places of this width; None if there are fewer."""
        n_tiles = self.tiles_of(hidden_width)
        if n > self.n_free_slots or n * n_tiles > self.n_free_tiles:
            return None
        return tuple(self._take_one(hidden_width, n_tiles) for _ in range(n))

    def give_back(self, places: tuple[SlotPlace, ...]) -> None:
        """Free slots and their tiles."""
        for place in places:
            heappush(self._slots, place.slot)
            for tile in place.tiles:
                heappush(self._tiles, tile)

    def _take_one(self, hidden_width: int, n_tiles: int) -> SlotPlace:
        tiles = tuple(heappop(self._tiles) for _ in range(n_tiles))
        return SlotPlace(slot=heappop(self._slots), tiles=tiles, hidden_width=hidden_width)
