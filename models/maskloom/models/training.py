"""One stage of training, a step at a time, that can be stopped and taken up again at any step.

A trainer (pipelines) makes a `Training` for each stage over its `Slices`, calls `step` until `step_index` is `total_steps`,
saves `state` now and then, and keeps `weights` at the end. All randomness derives from (seed, step): a stage that was restored
ends, on a CPU with a fixed number of threads, in the same weights bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from maskloom.models import augment, schedule
from maskloom.models.averaging import WeightAverage
from maskloom.models.batch_norm import synchronise
from maskloom.models.blocks import resize
from maskloom.models.errors import ModelError
from maskloom.models.infnet import InfNet, placed
from maskloom.models.intensity import standardise, to_grey
from maskloom.models.losses import deep_supervision
from maskloom.models.parameters import TrainingParameters
from maskloom.models.precision import is_bf16
from maskloom.models.randomness import generator
from maskloom.models.replay import Recordings
from maskloom.models.training_data import Slices

_OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """What a step did, over all workers."""

    loss: float
    """Mean over images and scales."""
    dice: float
    """Mean over images and scales of Dice at 0.5 in training mode; 1 where mask and prediction are both empty."""
    images: int
    """Image passes: batch size times scales."""


class Training:
    """The stage that `parameters` and `data`, as it stands now, describe.

    `network` is taken over: moved to the device, trained in place. With `world` > 1 every worker makes its `Training` at
    the same time, with equal data, inside an initialised process group, and takes each step together with the others.
    Raises ModelError for parameters or data that do not go together.
    """

    def __init__(
        self,
        network: InfNet,
        parameters: TrainingParameters,
        data: Slices,
        seed: int,
        *,
        rank: int = 0,
        world: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        if data.size != parameters.size:
            raise ModelError(f"The slices are {data.size} pixels wide and training wants {parameters.size}.")
        if parameters.batch_size % world:
            raise ModelError(
                f"A batch of {parameters.batch_size} does not divide among {world} workers: change one of the two."
            )
        self._samples = data.samples()
        self._orders: dict[int, Tensor] = {}
        self.total_steps = schedule.total_steps(parameters, len(self._samples))
        if self.total_steps and not len(self._samples):
            raise ModelError("There is nothing to train on: the training data are empty.")
        self.step_index = 0
        self.history: list[tuple[float, float]] = []
        self._parameters, self._data, self._seed = parameters, data, seed
        self._half = is_bf16(parameters.precision)
        self._world, self._device = world, torch.device(device)
        self._on_gpu = self._device.type == "cuda"
        share = parameters.batch_size // world
        self._own = slice(rank * share, (rank + 1) * share)
        self._sizes = [max(32, round(scale * parameters.size / 32) * 32) for scale in parameters.scales]
        self._network = placed(network, self._device).train()
        self._module: nn.Module = self._network
        if world > 1:
            synchronise(self._network)
            self._module = DistributedDataParallel(self._network, gradient_as_bucket_view=True)
        rate = parameters.learning_rate
        self._optimiser = _OPTIMISERS[parameters.optimiser](
            self._network.parameters(),
            lr=torch.tensor(rate, device=device) if self._on_gpu else rate,
            weight_decay=parameters.weight_decay,
            fused=True,
            capturable=self._on_gpu,
        )
        self._recordings = self._new_recordings()
        self._average = WeightAverage(self._network, parameters.average) if parameters.average else None

    def step(self) -> StepReport:
        """Train on the next batch: one optimiser step, or one per scale."""
        grey, mask = self._batch()
        self._set_rate(schedule.learning_rate(self._parameters, self.step_index, len(self._samples)))
        sizes = self._step_sizes()
        outcomes = torch.stack([self._at_size(grey, mask, size) for size in sizes]).mean(0)
        if self._world > 1:
            dist.all_reduce(outcomes)
        loss, dice = (outcomes / self._world).tolist()
        self.history.append((loss, dice))
        self.step_index += 1
        return StepReport(loss=loss, dice=dice, images=self._parameters.batch_size * len(sizes))

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, as CPU copies and plain values that `torch.load(weights_only=True)` reads."""
        return _copied(
            {
                "step_index": self.step_index,
                "history": self.history,
                "network": self._network.state_dict(),
                "optimiser": self._optimiser.state_dict(),
                "average": self._average.state() if self._average else None,
            }
        )

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state` of the same stage."""
        self._network.load_state_dict(state["network"])
        # What holds for this device may not be what held for that on which the state was saved.
        own = {"param_groups": self._optimiser.state_dict()["param_groups"]}
        self._optimiser.load_state_dict(state["optimiser"] | own)
        self._recordings = self._new_recordings()  # the old ones know the optimiser's former tensors
        if self._average:
            self._average.restore(state["average"])
        self.step_index = state["step_index"]
        self.history = [(loss, dice) for loss, dice in state["history"]]

    def weights(self) -> dict[str, Tensor]:
        """The state dict to keep, for a plain InfNet: the average if there is one. Not a copy: the next step changes it."""
        return self._average.weights() if self._average else self._network.state_dict()

    def _batch(self) -> tuple[Tensor, Tensor]:
        """This worker's images and masks of the step, augmented: float32 (b, 1, S, S) in 0..1."""
        draws = augment.draw(
            self._parameters.augment, self._parameters.batch_size, self._seed, self.step_index
        )
        images, masks = self._data.take(self._indices(self.step_index))
        if self.step_index + 1 < self.total_steps:
            self._data.prepare(self._indices(self.step_index + 1))
        grey = to_grey(images, self._network.intensity)
        own = draws.part(self._own.start, self._own.stop)
        return augment.apply(grey, masks.float() / 255, own, self._parameters.augment)

    def _indices(self, step: int) -> Tensor:
        """The slices of this worker's share of a step's batch, from an endless stream of shuffled epochs."""
        batch, samples = self._parameters.batch_size, len(self._samples)
        first = step * batch
        parts = [
            self._shuffled(epoch)[max(first - epoch * samples, 0) : first + batch - epoch * samples]
            for epoch in range(first // samples, (first + batch - 1) // samples + 1)
        ]
        return self._samples[torch.cat(parts)[self._own]]

    def _shuffled(self, epoch: int) -> Tensor:
        """The order of the samples in an epoch. The newest two are kept: of a million samples each takes a while."""
        if epoch not in self._orders:
            self._orders = {old: order for old, order in self._orders.items() if old >= epoch - 1}
            random = generator(self._seed, "epoch", epoch)
            self._orders[epoch] = torch.randperm(len(self._samples), generator=random)
        return self._orders[epoch]

    def _step_sizes(self) -> list[int]:
        if self._parameters.scale_choice == "each":
            return self._sizes
        random = generator(self._seed, "scale", self.step_index)
        return [self._sizes[int(torch.randint(len(self._sizes), (), generator=random))]]

    def _set_rate(self, rate: float) -> None:
        for group in self._optimiser.param_groups:
            if self._on_gpu:
                group["lr"].fill_(rate)  # where recordings read it
            else:
                group["lr"] = rate

    def _new_recordings(self) -> Recordings | None:
        # DDP's exchange of gradients is not recorded.
        return Recordings() if self._on_gpu and self._world == 1 else None

    def _at_size(self, grey: Tensor, mask: Tensor, size: int) -> Tensor:
        """One optimiser step at one scale; this worker's (loss, Dice)."""
        grey, mask = resize(grey, (size, size)), resize(mask, (size, size))
        if self._recordings:
            outcome = self._recordings.run(self._optimise, grey, mask)
        else:
            outcome = self._optimise(grey, mask)
        if self._average:
            self._average.update()
        return outcome

    def _optimise(self, grey: Tensor, mask: Tensor) -> Tensor:
        images = standardise(grey, self._network.backbone.mean, self._network.backbone.std)
        self._optimiser.zero_grad()
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            logits = self._module(images)
        loss = deep_supervision(logits, mask, self._parameters.bce)
        loss.backward()
        if self._parameters.clip:
            nn.utils.clip_grad_value_(self._network.parameters(), self._parameters.clip)
        self._optimiser.step()
        with torch.no_grad():
            return torch.stack([loss.detach(), _dice(logits.s3, mask)])


def _dice(logits: Tensor, mask: Tensor) -> Tensor:
    predicted, wanted = resize(logits.float(), mask.shape[2:]) > 0, mask > 0.5
    overlap = (predicted & wanted).sum((1, 2, 3)).float()
    total = (predicted.sum((1, 2, 3)) + wanted.sum((1, 2, 3))).float()
    return torch.where(total > 0, 2 * overlap / total.clamp(min=1), 1.0).mean()


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(item) for item in value)
    return value
