"""Each kernel's twin in torch: the same arrays in and out, slot by slot, in float64, no blocks.

Notation and layouts: ``sweep.trainer.fused.kernels``. A twin changes arrays in place, as its kernel
does, and leaves alone what its kernel leaves alone; ``tests.support.kernel_cases`` compares the two
on all arrays. Activations and losses are torch's, and their derivatives autograd's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sweep.enums import Activation, Loss, Optimizer, Output, Schedule
from sweep.trainer.fused import table_rows
from sweep.trainer.fused.kernels import tables
from sweep.trainer.fused.launches import LaunchShape
from sweep.trainer.pixels import to_bytes

Arrays = dict[str, Any]
Twin = Callable[[Arrays, LaunchShape], None]


def _words(registry: dict[Any, Any]) -> dict[int, Any]:
    return {int(code.value): word for word, code in registry.items()}


ACTIVATIONS: dict[int, Activation] = _words(table_rows.ACTIVATIONS)
OUTPUTS: dict[int, Output] = _words(table_rows.OUTPUTS)
LOSSES: dict[int, Loss] = _words(table_rows.LOSSES)
OPTIMIZERS: dict[int, Optimizer] = _words(table_rows.OPTIMIZERS)
SCHEDULES: dict[int, Schedule] = _words(table_rows.SCHEDULES)

FUNCTIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    Activation.LINEAR: lambda z: z,
    Activation.RELU: F.relu,
    Activation.LEAKY_RELU: F.leaky_relu,
    Activation.ELU: F.elu,
    Activation.GELU: F.gelu,
    Activation.MISH: F.mish,
    Activation.SILU: F.silu,
    Activation.TANH: torch.tanh,
    Activation.SIGMOID: torch.sigmoid,
}


@dataclass(kw_only=True)
class Slot:
    """What a launch's arrays have of one slot."""

    arrays: Arrays
    shape: LaunchShape
    index: int

    @cached_property
    def tiles(self) -> list[int]:
        start, count = (int(self.arrays[name][self.index]) for name in ("tile_start", "tile_count"))
        tiles: list[int] = self.arrays["tile_list"][start : start + count].tolist()
        return tiles

    @cached_property
    def units_of_tiles(self) -> list[int]:
        units: list[int] = self.arrays["tile_units"][self.tiles].tolist()
        return units

    @property
    def width(self) -> int:
        """H"""
        return sum(self.units_of_tiles)

    @cached_property
    def rows(self) -> Tensor:
        """Of its units, (H,)."""
        size, device = self.shape.config.units, self.arrays["z"].device
        parts = [
            torch.arange(tile * size, tile * size + units, device=device)
            for tile, units in zip(self.tiles, self.units_of_tiles, strict=True)
        ]
        return torch.cat(parts)

    def choice(self, column: Any) -> int:
        return int(self.arrays["choice_table"][self.index, int(column.value)])

    def setting(self, column: Any) -> float:
        return float(self.arrays["optimizer_table"][self.index, int(column.value)])

    def schedule_setting(self, column: Any) -> float:
        return float(self.arrays["schedule_table"][self.index, int(column.value)])

    def rate(self, column: Any) -> float:
        return float(self.arrays["step_table"][self.index, int(column.value)])

    @property
    def position(self) -> int:
        return int(self.arrays["position"][self.index])

    @property
    def single_tile(self) -> bool:
        return self.shape.single_tile and len(self.tiles) == 1

    def n_seen(self, later: int = 0) -> int:
        """Examples of the batch that there are; ``later`` batches ahead."""
        size = self.shape.batch_size
        left = self.arrays["n_images"] - (self.position + later) * size
        return max(0, min(size, int(left)))

    def pixels(self, later: int = 0) -> Tensor:
        """The batch's bytes (B, D), 0 beyond the last image."""
        size, n = self.shape.batch_size, self.n_seen(later)
        start = self.index * self.arrays["order_stride"] + (self.position + later) * size
        chosen = self.arrays["order"].flatten()[start : start + n].long()
        images = self.arrays["images"]
        pixels = torch.zeros((size, images.shape[1]), dtype=images.dtype, device=images.device)
        pixels[:n] = images[chosen]
        return pixels

    def x(self, later: int = 0) -> Tensor:
        return self.pixels(later).double() / 255.0

    # Arrays by unit, as (…, H)

    def read_z(self) -> Tensor:
        """(B, H)"""
        tiles = self.arrays["z"][self.tiles].double()
        return tiles.permute(1, 0, 2).flatten(1)[:, : self.width]

    def write_z(self, z: Tensor) -> None:
        """Units that are not in use get 0."""
        size = self.shape.config.units
        padded = F.pad(z, (0, len(self.tiles) * size - self.width))
        tiles = padded.unflatten(1, (len(self.tiles), size)).permute(1, 0, 2)
        self.arrays["z"][self.tiles] = tiles.to(self.arrays["z"].dtype)

    def read_grad_hidden(self) -> Tensor:
        """P, (B, H)"""
        return self.arrays["grad_hidden"][self.tiles].double().flatten(0, 1)[: self.width].T

    def write_grad_hidden(self, p: Tensor) -> None:
        size = self.shape.config.units
        padded = F.pad(p, (0, len(self.tiles) * size - self.width))
        tiles = padded.T.unflatten(0, (len(self.tiles), size))
        self.arrays["grad_hidden"][self.tiles] = tiles.to(self.arrays["grad_hidden"].dtype)

    def weights(self, name: str) -> Tensor:
        """Of "encoder" or "decoder", (H, D)."""
        return self.arrays[name][self.rows].double()

    @property
    def encoder_bias(self) -> Tensor:
        return self.arrays["encoder_bias"][self.rows].double()

    @property
    def decoder_bias(self) -> Tensor:
        return self.arrays["decoder_bias"][self.index].double()

    @property
    def parts(self) -> Tensor:
        """Of G W2^T, in G's place, (P, B, R): a view."""
        shape = self.shape
        sizes = (shape.n_parts, shape.batch_size, shape.config.units)
        place = self.arrays["grad_logits"][self.index].view(-1)
        return place[: sizes[0] * sizes[1] * sizes[2]].view(sizes)

    def columns(self, values: Tensor) -> list[Tensor]:
        """Of outputs (…, D), block by block."""
        return list(torch.split(values, self.shape.config.outputs, dim=-1))

    # Functions

    def activate(self, z: Tensor) -> Tensor:
        return FUNCTIONS[ACTIVATIONS[self.choice(tables.ACTIVATION)]](z)

    def derivative(self, z: Tensor) -> Tensor:
        z = z.clone().requires_grad_()
        (slope,) = torch.autograd.grad(self.activate(z).sum(), z)
        return slope

    @property
    def has_sigmoid(self) -> bool:
        return OUTPUTS[self.choice(tables.OUTPUT)] is Output.SIGMOID

    def reconstruct(self, o: Tensor) -> Tensor:
        return o.sigmoid() if self.has_sigmoid else o

    def losses(self, o: Tensor, x: Tensor) -> Tensor:
        """Of each pixel."""
        loss = LOSSES[self.choice(tables.LOSS)]
        if loss is Loss.BCE:
            return F.binary_cross_entropy_with_logits(o, x, reduction="none")
        y = self.reconstruct(o)
        if loss is Loss.HUBER:
            return F.huber_loss(y, x, reduction="none", delta=self.setting(tables.DELTA))
        return F.mse_loss(y, x, reduction="none") if loss is Loss.MSE else (y - x).abs()

    def step(self, name: str, at: Any, gradient: Tensor) -> None:
        """Step the parameters ``name`` [at], with their moments, along the gradient."""
        weight, first, second = (
            self.arrays[key][at].double() for key in (name, f"{name}_first", f"{name}_second")
        )
        weight, first, second = self._step_weight(weight, first, second, gradient)
        self._write(name, at, weight)
        if self.choice(tables.USES_FIRST):
            self._write(f"{name}_first", at, first)
        if self.choice(tables.USES_SECOND):
            self._write(f"{name}_second", at, second)

    def _write(self, name: str, at: Any, values: Tensor) -> None:
        self.arrays[name][at] = values.to(self.arrays[name].dtype)

    def _step_weight(
        self, weight: Tensor, first: Tensor, second: Tensor, gradient: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As torch.optim's; sources in ``sweep.trainer.fused.kernels.optimizers``."""
        optimizer = OPTIMIZERS[self.choice(tables.OPTIMIZER)]
        rate, momentum = self.rate(tables.RATE), self.setting(tables.MOMENTUM)
        eps = self.setting(tables.EPS)
        if optimizer is Optimizer.ADAMW:
            weight = weight * self.rate(tables.KEPT)
        else:
            gradient = gradient + self.setting(tables.WEIGHT_DECAY) * weight
        kept, added = self.setting(tables.SECOND_KEPT), self.setting(tables.SECOND_ADDED)
        if optimizer is Optimizer.SGD:
            if momentum:
                first = momentum * first + gradient
                nesterov = self.choice(tables.NESTEROV)
                gradient = gradient + momentum * first if nesterov else first
            return weight - rate * gradient, first, second
        if optimizer is Optimizer.RMSPROP:
            second = kept * second + added * gradient**2
            gradient = gradient / (second.sqrt() + eps)
            if momentum:
                first = momentum * first + gradient
                gradient = first
            return weight - rate * gradient, first, second
        if optimizer is Optimizer.ADAGRAD:
            second = second + gradient**2
            return weight - rate * gradient / (second.sqrt() + eps), first, second
        first = first + self.setting(tables.ONE_MINUS_BETA1) * (gradient - first)
        second = kept * second + added * gradient**2
        root = second.sqrt() / self.rate(tables.ROOT_CORRECTION) + eps
        if optimizer is Optimizer.NADAM:
            weight = weight - rate * gradient / root
        return weight - self.rate(tables.STEP_SIZE) * first / root, first, second


def _slots(arrays: Arrays, shape: LaunchShape) -> Iterator[Slot]:
    """Those that the launch works on."""
    for index in arrays["slot_list"].tolist():
        if index >= 0:
            yield Slot(arrays=arrays, shape=shape, index=index)


def begin_step(arrays: Arrays, shape: LaunchShape) -> None:
    for index in torch.nonzero(arrays["tile_count"] > 0).flatten().tolist():
        slot = Slot(arrays=arrays, shape=shape, index=index)
        done = int(arrays["steps_done"][index])
        schedule = SCHEDULES[slot.choice(tables.SCHEDULE)]
        n_steps, n_warmup = slot.choice(tables.N_STEPS), slot.choice(tables.N_WARMUP)
        factor = 1.0
        if schedule is Schedule.COSINE:
            factor = float(0.5 * (1 + torch.cos(torch.tensor(torch.pi * done / n_steps).double())))
        if schedule is Schedule.LINEAR_WARMUP:
            factor = min(1.0, (done + 1) / n_warmup)
        rate = factor * slot.schedule_setting(tables.LEARNING_RATE)
        beta1, beta2 = (slot.schedule_setting(b) for b in (tables.BETA1, tables.BETA2))
        row = arrays["step_table"][index]
        row[int(tables.RATE.value)] = rate
        row[int(tables.STEP_SIZE.value)] = rate / (1 - beta1 ** (done + 1))
        row[int(tables.ROOT_CORRECTION.value)] = (1 - beta2 ** (done + 1)) ** 0.5
        if OPTIMIZERS[slot.choice(tables.OPTIMIZER)] is Optimizer.NADAM:
            decay = slot.schedule_setting(tables.MOMENTUM_DECAY)
            mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (t * decay)) for t in (done + 1, done + 2))
            product = mu * slot.schedule_setting(tables.MOMENTUM_PRODUCT)
            row[int(tables.RATE.value)] = rate * (1 - mu) / (1 - product)
            row[int(tables.STEP_SIZE.value)] = rate * mu_next / (1 - product * mu_next)
            arrays["schedule_table"][index, int(tables.MOMENTUM_PRODUCT.value)] = product
        row[int(tables.KEPT.value)] = 1 - rate * slot.schedule_setting(tables.DECOUPLED_DECAY)
        arrays["steps_done"][index] += 1
        arrays["position"][index] += 1


def encode(arrays: Arrays, shape: LaunchShape) -> None:
    for slot in _slots(arrays, shape):
        slot.write_z(slot.x() @ slot.weights("encoder").T + slot.encoder_bias)


def decode(arrays: Arrays, shape: LaunchShape) -> None:
    for slot in _slots(arrays, shape):
        if not slot.single_tile:
            g = _loss_and_gradient(slot)
            arrays["grad_logits"][slot.index] = g.float()
            slot.step("decoder_bias", slot.index, g.sum(dim=0))


def decode_single_tile(arrays: Arrays, shape: LaunchShape) -> None:
    for slot in _slots(arrays, shape):
        if slot.single_tile:
            g, w = _loss_and_gradient(slot), slot.weights("decoder")
            h = slot.activate(slot.read_z())
            pairs = zip(slot.parts, slot.columns(g), slot.columns(w), strict=True)
            for part, g_part, w_part in pairs:
                part[:] = F.pad(g_part @ w_part.T, (0, part.shape[1] - slot.width)).float()
            slot.step("decoder", slot.rows, h.T @ g)
            slot.step("decoder_bias", slot.index, g.sum(dim=0))


def _loss_and_gradient(slot: Slot) -> Tensor:
    """Write the batch's losses; return G (B, D), 0 beyond the last image."""
    n = slot.n_seen()
    x = slot.x()[:n]
    o = slot.activate(slot.read_z()[:n]) @ slot.weights("decoder") + slot.decoder_bias
    o.requires_grad_()
    losses = slot.losses(o, x)
    (g,) = torch.autograd.grad(losses.mean(), o)
    sums = [part.sum() for part in slot.columns(losses.detach())]
    slot.arrays["losses"][slot.position, slot.index] = torch.stack(sums).float()
    return F.pad(g, (0, 0, 0, slot.shape.batch_size - n))


def hidden_gradient(arrays: Arrays, shape: LaunchShape) -> None:
    for slot in _slots(arrays, shape):
        _step_encoder_bias(slot, _hidden_gradient(slot))


def update_decoder(arrays: Arrays, shape: LaunchShape) -> None:
    for slot in _slots(arrays, shape):
        p = _hidden_gradient(slot) if shape.single_block else None  # from W2 before its step
        if not slot.single_tile:
            n = slot.n_seen()
            g = arrays["grad_logits"][slot.index, :n].double()
            slot.step("decoder", slot.rows, slot.activate(slot.read_z()[:n]).T @ g)
        if p is not None:
            _step_encoder_bias(slot, p)


def _hidden_gradient(slot: Slot) -> Tensor:
    """P (B, H), 0 beyond the last image."""
    n = slot.n_seen()
    if slot.single_tile:
        total = slot.parts.double().sum(dim=0)[:n, : slot.width]
    else:
        total = slot.arrays["grad_logits"][slot.index, :n].double() @ slot.weights("decoder").T
    p = total * slot.derivative(slot.read_z()[:n])
    return F.pad(p, (0, 0, 0, slot.shape.batch_size - n))


def _step_encoder_bias(slot: Slot, p: Tensor) -> None:
    slot.write_grad_hidden(p)
    slot.step("encoder_bias", slot.rows, p.sum(dim=0))


def update_encoder(arrays: Arrays, shape: LaunchShape) -> None:
    for slot in _slots(arrays, shape):
        slot.step("encoder", slot.rows, slot.read_grad_hidden().T @ slot.x())
        if shape.single_block:
            slot.write_z(slot.x(later=1) @ slot.weights("encoder").T + slot.encoder_bias)


def train_chain(arrays: Arrays, shape: LaunchShape) -> None:
    """A step after the other of slots of one tile; each step's whole loss is in the first cell."""
    scratch = {"grad_logits", "grad_hidden", "step_table"}
    own = {n: v.clone() if n in scratch else v for n, v in arrays.items()}
    for _ in range(arrays["chain_steps"]):
        begin_step(own, shape)
        for slot in _slots(own, shape):
            n, h = slot.n_seen(), slot.activate(slot.read_z())
            g = _loss_and_gradient(slot)
            cells = slot.arrays["losses"][slot.position, slot.index]
            cells[0], cells[1:] = cells.sum(), 0.0
            p = (g[:n] @ slot.weights("decoder").T) * slot.derivative(slot.read_z()[:n])
            slot.step("decoder", slot.rows, h.T @ g)
            slot.step("decoder_bias", slot.index, g.sum(dim=0))
            p = F.pad(p, (0, 0, 0, shape.batch_size - n))
            slot.step("encoder_bias", slot.rows, p.sum(dim=0))
            slot.step("encoder", slot.rows, p.T @ slot.x())
            z = slot.x(later=1) @ slot.weights("encoder").T + slot.encoder_bias
            z[slot.n_seen(later=1) :] = 0.0
            slot.write_z(z)


def measure(arrays: Arrays, shape: LaunchShape) -> None:
    for slot in _slots(arrays, shape):
        n, pixels = slot.n_seen(), slot.pixels()
        x = slot.x()[:n]
        o = slot.activate(slot.read_z()[:n]) @ slot.weights("decoder") + slot.decoder_bias
        y = slot.reconstruct(o)
        if arrays["keep"]:
            arrays["reconstructions"][slot.index, :n] = y.float()
        squares, zero = (y - x).square(), torch.zeros_like(x)
        stuck = (o.abs() > float(tables.OUTPUT_SATURATED_FROM.value)) & (
            (y - x).abs() > float(tables.STUCK_FROM.value)
        )
        entropy = F.binary_cross_entropy_with_logits(o, x, reduction="none")
        exact = to_bytes(y.float()) == pixels[:n]
        added = {
            tables.SQUARES: squares,
            tables.ENTROPY: entropy if slot.has_sigmoid else zero,
            tables.EXACT: exact.double(),
            tables.STUCK: squares.where(stuck, zero) if slot.has_sigmoid else zero,
        }
        for column, values in added.items():
            sums = torch.stack([part.sum() for part in slot.columns(values)])
            arrays["sums"][slot.index, :, int(column.value)] += sums
        start = slot.position * shape.batch_size
        labels = arrays["labels"][start : start + n]
        for label in range(arrays["n_classes"]):
            of_class = squares[labels == label]
            sums = torch.stack([part.sum() for part in slot.columns(of_class)])
            arrays["class_squares"][slot.index, :, label] += sums


def watch_units(arrays: Arrays, shape: LaunchShape) -> None:
    """Units that are not in use are counted too, and not looked at."""
    for slot in _slots(arrays, shape):
        limit = slot.setting(tables.SATURATED_FROM)
        size = shape.config.units
        for tile in slot.tiles:
            z, rows = arrays["z"][tile][: slot.n_seen()], slice(tile * size, (tile + 1) * size)
            arrays["active"][rows] += (z > 0).sum(dim=0, dtype=torch.int32)
            arrays["saturated"][rows] += (z.abs() > limit).sum(dim=0, dtype=torch.int32)


def summarise_tiles(arrays: Arrays, shape: LaunchShape) -> None:
    size = shape.config.units
    for slot in _slots(arrays, shape):
        for tile, units in zip(slot.tiles, slot.units_of_tiles, strict=True):
            rows = slice(tile * size, tile * size + units)
            encoder, decoder, bias, active, saturated = (
                arrays[name][rows].double()
                for name in ("encoder", "decoder", "encoder_bias", "active", "saturated")
            )
            sums = {
                tables.ENCODER_SQUARES: encoder.square().sum(),
                tables.DECODER_SQUARES: decoder.square().sum(),
                tables.DEAD: (active == 0).sum() * slot.choice(tables.CAN_DIE),
                tables.SATURATED: saturated.sum(),
                tables.ENCODER_NOT_FINITE: (~encoder.isfinite()).sum(),
                tables.ENCODER_BIAS_NOT_FINITE: (~bias.isfinite()).sum(),
                tables.DECODER_NOT_FINITE: (~decoder.isfinite()).sum(),
            }
            for column, value in sums.items():
                arrays["tile_sums"][tile, int(column.value)] = value.double()


def summarise_slots(arrays: Arrays, shape: LaunchShape) -> None:
    for slot in _slots(arrays, shape):
        row = arrays["report"][slot.index]
        n_sums = int(tables.N_TILE_SUMS.value)
        row[:n_sums] = arrays["tile_sums"][slot.tiles].sum(dim=0)
        row[int(tables.DECODER_BIAS_NOT_FINITE.value)] = (~slot.decoder_bias.isfinite()).sum()
        losses = arrays["losses"][:, slot.index].double()
        of_steps = losses.sum(dim=1)
        culprits = of_steps[~of_steps.isfinite()]
        mean = losses.sum() / (arrays["n_train"] * shape.n_inputs)
        row[int(tables.TRAIN_LOSS.value)] = culprits[0] if len(culprits) else mean
        sums = arrays["sums"][slot.index].sum(dim=0)
        for column, of in {
            tables.REPORT_SQUARES: tables.SQUARES,
            tables.REPORT_ENTROPY: tables.ENTROPY,
            tables.REPORT_EXACT: tables.EXACT,
            tables.REPORT_STUCK: tables.STUCK,
        }.items():
            row[int(column.value)] = sums[int(of.value)]


def project_errors(arrays: Arrays, shape: LaunchShape) -> None:
    for slot in _slots(arrays, shape):
        errors = _residuals(slot) @ arrays["directions"].double()
        arrays["direction_squares"][slot.index] += errors.square().sum(dim=0)


def split_errors(arrays: Arrays, shape: LaunchShape) -> None:
    for slot in _slots(arrays, shape):
        squares, pixels = _residuals(slot).square(), slot.pixels()[: slot.n_seen()]
        for column, value in {
            tables.BLACK_SQUARES: tables.BLACK,
            tables.WHITE_SQUARES: tables.WHITE,
        }.items():
            of_value = squares.where(pixels == int(value.value), torch.zeros_like(squares))
            sums = torch.stack([part.sum() for part in slot.columns(of_value)])
            arrays["value_squares"][slot.index, :, int(column.value)] += sums


def _residuals(slot: Slot) -> Tensor:
    n = slot.n_seen()
    return slot.arrays["reconstructions"][slot.index, :n].double() - slot.x()[:n]


#: By the kernel's name.
TWINS: dict[str, Twin] = {
    "begin_step": begin_step,
    "encode": encode,
    "decode": decode,
    "decode_single_tile": decode_single_tile,
    "hidden_gradient": hidden_gradient,
    "update_decoder": update_decoder,
    "update_encoder": update_encoder,
    "train_chain": train_chain,
    "measure": measure,
    "watch_units": watch_units,
    "summarise_tiles": summarise_tiles,
    "summarise_slots": summarise_slots,
    "project_errors": project_errors,
    "split_errors": split_errors,
}
