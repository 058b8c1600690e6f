"""Launch the kernels that train and measure a population.

Notation: K slots, N training images, D inputs, P blocks of outputs, C classes. What each slot does
is decided elsewhere; this module has what they share.
"""

from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor

from sweep.trainer.fused.arrays import PopulationArrays
from sweep.trainer.fused.kernel_config import KernelConfig
from sweep.trainer.fused.launches import Launch, LaunchShape, launch_kernel
from sweep.trainer.fused.layout import Layout, SlotPlace
from sweep.trainer.fused.schedule import SlotKinds, TileSchedule, kinds_of, share_out


class DeviceImages(NamedTuple):
    """Images to measure."""

    #: (n, D) uint8
    pixels: Tensor
    #: (n,) int32 counted from 0, and the number of classes; 0 measures without classes.
    labels: Tensor
    n_classes: int


class Measured(NamedTuple):
    """Measurements, still on the device."""

    #: (K, N_REPORT) float64
    report: Tensor
    #: (K, P, C) float64, sums of squared errors by class.
    class_squares: Tensor
    #: (K, P, N_VALUES) float64, on black and on white pixels; 0 if not requested.
    value_squares: Tensor


class Population:
    """The arrays of all slots, and the kernels over them."""

    def __init__(
        self,
        layout: Layout,
        train: Tensor,  # (N, D) uint8
        *,
        batch_size: int,
        n_evaluated: int,
        n_classes: int,
        config: KernelConfig,
        precision: str,
        launch: Launch | None = None,
    ) -> None:
        self.layout, self.train, self.device = layout, train, train.device
        self._launch_with = launch
        self.shape = LaunchShape(
            n_slots=layout.n_slots,
            n_tiles=layout.n_tiles,
            batch_size=batch_size,
            n_inputs=train.shape[1],
            precision=precision,
            config=config,
        )
        self.steps_per_epoch = ceil(len(train) / batch_size)
        self.arrays = PopulationArrays(
            self.shape,
            self.device,
            n_train=len(train),
            n_evaluated=n_evaluated,
            n_classes=n_classes,
            steps_per_epoch=self.steps_per_epoch,
        )
        n_branches, k, t = config.branches, layout.n_slots, layout.n_tiles
        #: Slots that train side by side, step by step.
        self.branches = [
            TileSchedule(k, t, self.device, listed_slots=ceil(k / n_branches))
            for _ in range(n_branches)
        ]
        #: Slots of one tile that take many steps in a launch.
        self.chained = TileSchedule(k, t, self.device) if self.shape.chains else None
        self.measuring = TileSchedule(k, t, self.device)
        #: Kinds of the slots that train step by step; None if there are none.
        self.kinds: SlotKinds | None = None

    def assign_training(self, places: Sequence[SlotPlace]) -> None:
        """Train these places from the next launch on."""
        units = self.shape.config.units
        chained = [place for place in places if self.chained and len(place.tiles) == 1]
        stepped = [place for place in places if place not in chained]
        groups = share_out(stepped, len(self.branches), len(self.branches[0].slot_list))
        for branch, group in zip(self.branches, groups, strict=True):
            branch.assign(group, units)
        if self.chained:
            self.chained.assign(chained, units)
        self.kinds = kinds_of(stepped)

    # Arguments of kernels, by name

    def training_arguments(self, schedule: TileSchedule | None = None) -> dict[str, object]:
        """Return the kernels' arguments for a training step of these slots, or the first branch."""
        order = self.arrays.order
        schedule = schedule or self.branches[0]
        return {
            **self.arrays.by_name,
            **schedule.arrays,
            "images": self.train,
            "n_images": len(self.train),
            "order": order,
            "order_stride": order.stride(0),
            "n_slots": self.layout.n_slots,
            "chain_steps": self.shape.config.chain_steps,
        }

    def measuring_arguments(self, images: DeviceImages, *, keep: bool = False) -> dict[str, object]:
        """Return the kernels' arguments to measure images in order, and to summarise afterwards."""
        return {
            **self.arrays.by_name,
            **self.measuring.arrays,
            "images": images.pixels,
            "n_images": len(images.pixels),
            "labels": images.labels,
            "n_classes": images.n_classes,
            "order": self.arrays.in_line,
            "order_stride": 0,
            "position": self.arrays.page,
            "reconstructions": self.arrays.grad_logits,
            "keep": int(keep),
            "n_slots": self.layout.n_slots,
            "n_train": len(self.train),
            "n_steps": self.steps_per_epoch,
            "n_parts": self.shape.n_parts,
        }

    # Launches

    def start_epoch(self) -> None:
        """Prepare the first step of an epoch."""
        self.arrays.position.zero_()
        if self.shape.single_block:
            for schedule in (*self.branches, *([self.chained] if self.chained else [])):
                self._launch("encode", self.training_arguments(schedule))
        self.arrays.position.sub_(1)

    def train_step(self) -> None:
        """Take one step of every slot that trains step by step."""
        for branch in self.branches:
            self.train_branch(branch)

    def train_branch(self, branch: TileSchedule, kinds: SlotKinds = SlotKinds.BOTH) -> None:
        """Take one step of the slots of a branch, which are of these kinds."""
        arguments = self.training_arguments(branch)
        for kernel in self.step_kernels(kinds):
            self._launch(kernel, arguments)

    def train_chain(self, n_steps: int) -> None:
        """Take several steps of the slots of one tile in one launch."""
        if self.chained is None:
            return
        arguments = self.training_arguments(self.chained)
        most = self.shape.config.chain_steps
        for done in range(0, n_steps, most):
            chain = {"chain_steps": min(most, n_steps - done)}
            self._launch("train_chain", arguments | chain)

    def step_kernels(self, kinds: SlotKinds = SlotKinds.BOTH) -> list[str]:
        """List the launches of a training step, in order, for slots of these kinds."""
        shape = self.shape
        single = shape.single_tile and kinds is not SlotKinds.SEVERAL_TILES
        several = not shape.single_tile or kinds is not SlotKinds.SINGLE_TILE
        return [
            "begin_step",
            *([] if shape.single_block else ["encode"]),
            *(["decode"] if several else []),
            *(["decode_single_tile"] if single else []),
            *([] if shape.single_block else ["hidden_gradient"]),
            "update_decoder",
            "update_encoder",
        ]

    def measure_step(
        self, images: DeviceImages, *, watch: bool = False, keep: bool = False, split: bool = False
    ) -> None:
        """Add one batch of images, in order, to the sums of every measured slot."""
        self.arrays.page.add_(1)
        arguments = self.measuring_arguments(images, keep=keep or split)
        watched, parted = ["watch_units"] if watch else [], ["split_errors"] if split else []
        for kernel in ("encode", *watched, "measure", *parted):
            self._launch(kernel, arguments)

    def project_step(
        self,
        images: DeviceImages,
        directions: Tensor,  # (D, D) in columns
    ) -> None:
        """Add one batch's squared errors along each direction to those of every measured slot."""
        self.measure_step(images, keep=True)
        arguments = self.measuring_arguments(images) | {"directions": directions}
        self._launch("project_errors", arguments)

    def measure(
        self, images: DeviceImages, step: Callable[[], None], *, summarise: bool
    ) -> Measured:
        """Measure all images, a step for each batch; if asked, summarise the weights too."""
        arrays = self.arrays
        for tensor in (
            *(arrays.page, arrays.sums, arrays.class_squares, arrays.value_squares),
            *(arrays.active, arrays.saturated),
        ):
            tensor.zero_()
        arrays.page.sub_(1)
        for _ in range(self._n_batches(images)):
            step()
        arguments = self.measuring_arguments(images)
        for kernel in (*(["summarise_tiles"] if summarise else []), "summarise_slots"):
            self._launch(kernel, arguments)
        sums = (arrays.report, arrays.class_squares, arrays.value_squares)
        return Measured(*(of.clone() for of in sums))

    def project(self, images: DeviceImages, step: Callable[[], None]) -> Tensor:
        """Return squared errors (K, D) float64 of the measured slots along each direction."""
        self.arrays.page.fill_(-1)
        self.arrays.direction_squares.zero_()
        for _ in range(self._n_batches(images)):
            step()
        return self.arrays.direction_squares.clone()

    def reconstruct(self, images: DeviceImages, slots: Sequence[int]) -> Tensor:
        """Return reconstructions of images by the measured slots, (slots, n, D)."""
        self.arrays.page.fill_(-1)
        parts = []
        for _ in range(self._n_batches(images)):
            self.measure_step(images, keep=True)
            parts.append(self.arrays.grad_logits[self.arrays.index(slots)])
        return torch.cat(parts, dim=1)[:, : len(images.pixels)]

    def _n_batches(self, images: DeviceImages) -> int:
        return ceil(len(images.pixels) / self.shape.batch_size)

    def _launch(self, kernel: str, arguments: dict[str, object]) -> None:
        launch_kernel(kernel, self.shape, arguments, self._launch_with)
