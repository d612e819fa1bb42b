"""The actor that trains: one rank of a gang. It keeps slices that it has seen on its device, from round to round.

All it holds is a cache of the object store. Rank 0 stores checkpoints, and now and then the state of a stage, from which a new
gang goes on after any death.
"""

from __future__ import annotations

import io
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import torch
import torch.distributed as dist

from maskloom.models.infnet import InfNet, build
from maskloom.models.training import StepReport, Training
from maskloom.pipelines.jobs import TrainJob, TrainResult, TrainStatus, WorkerSettings
from maskloom.pipelines.workers.place import HeldNetwork, prepare
from maskloom.pipelines.workers.training_slices import TrainingSlices, room_for
from maskloom.platform.objects.store import open_store

CURVE_POINTS = 100


class Trainer:
    """One rank. `train` runs a stage; `status` and `stop` answer meanwhile."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._objects = open_store(settings.objects_url)
        self._device = prepare(settings)
        self._slices: dict[int, TrainingSlices] = {}
        self._held: HeldNetwork | None = None
        self._status: tuple[str, TrainStatus] | None = None
        self._stop = threading.Event()

    def open_rendezvous(self) -> str:
        """An init URL of torch.distributed at this rank's address in the cluster."""
        import ray  # noqa: PLC0415 - loaded in an actor, but not where this module is tested without Ray

        with socket.socket() as probe:
            probe.bind(("", 0))
            return f"tcp://{ray.util.get_node_ip_address()}:{probe.getsockname()[1]}"

    def join(self, rendezvous: str | None) -> None:
        """Meet the other ranks at `rendezvous` (an init URL of torch.distributed). Alone there is nobody to meet."""
        if rendezvous is not None:
            if rendezvous.startswith("file:"):
                # All ranks are on this machine, so that nobody else has to be let in.
                for library in ("GLOO", "NCCL"):
                    os.environ[f"{library}_SOCKET_IFNAME"] = _loopback()
            dist.init_process_group(
                "nccl" if self._device.type == "cuda" else "gloo",
                init_method=rendezvous,
                rank=self._settings.rank,
                world_size=self._settings.world,
            )

    def status(self, key: str) -> TrainStatus | None:
        """How far the stage of the step `key` is; None before its first step."""
        status = self._status
        return status[1] if status is not None and status[0] == key else None

    def stop(self) -> None:
        """Ask the stage to save its state and end after the step it is in."""
        self._stop.set()

    def train(self, job: TrainJob, resume: str | None) -> TrainResult:
        """Run a stage from its start, or from the state `resume` (a digest that an earlier gang saved)."""
        device = prepare(self._settings)
        self._stop.clear()
        training = self._training(job, device)
        if resume is not None:
            state = torch.load(io.BytesIO(self._objects.get(resume)), weights_only=True)
            training.restore(state)
        compute_s, images, saved = 0.0, 0, resume
        saved_at = time.monotonic()
        while training.step_index < training.total_steps:
            began = time.perf_counter()
            report = training.step()
            compute_s += time.perf_counter() - began
            images += report.images
            self._show(job, training, report, images / compute_s, saved)
            stopping = self._all_agree_to_stop()
            if stopping or time.monotonic() - saved_at > self._settings.save_every_s:
                saved = self._save(training) if self._settings.rank == 0 else None
                self._show(job, training, report, images / compute_s, saved)
                saved_at = time.monotonic()
            if stopping and training.step_index < training.total_steps:
                return TrainResult(digest=None, saved=saved)
        return self._result(job, training, compute_s, images)

    def _training(self, job: TrainJob, device: torch.device) -> Training:
        size = job.training.size
        if size not in self._slices:
            # Ranks share the memory of this machine where they share its cores; in a cluster each has a pod.
            sharing = self._settings.world if self._settings.threads else 1
            room = room_for(size, device, sharing)
            self._slices[size] = TrainingSlices(size, device, self._objects, room)
        with ThreadPoolExecutor(1) as helper:
            selected = helper.submit(self._slices[size].select, job.pairs, job.repeats)
            network = self._network(job)
            selected.result()
        return Training(
            network,
            job.training,
            self._slices[size],
            job.seed,
            rank=self._settings.rank,
            world=self._settings.world,
            device=device,
        )

    def _network(self, job: TrainJob) -> InfNet:
        held = self._held
        if job.start is None:
            held = HeldNetwork(job.network, build(job.network, seed=job.seed))
        else:
            if held is None or held.parameters != job.network:
                held = HeldNetwork.blank(job.network)
            held.take(job.start, self._objects)
        held.checkpoint = None  # the training changes it
        self._held = held
        return held.network

    def _all_agree_to_stop(self) -> bool:
        # A rank that stopped alone would leave the others waiting for its gradients.
        if self._settings.world == 1:
            return self._stop.is_set()
        wish = torch.tensor([int(self._stop.is_set())], device=self._device)
        dist.all_reduce(wish, op=dist.ReduceOp.MAX)
        return bool(wish.item())

    def _save(self, training: Training) -> str:
        buffer = io.BytesIO()
        torch.save(training.state(), buffer)
        return self._objects.put(buffer.getvalue())

    def _show(
        self, job: TrainJob, training: Training, report: StepReport, images_per_s: float, saved: str | None
    ) -> None:
        status = TrainStatus(
            step=training.step_index,
            total=training.total_steps,
            loss=report.loss,
            dice=report.dice,
            images_per_s=images_per_s,
            saved=saved,
        )
        self._status = (job.key, status)

    def _result(self, job: TrainJob, training: Training, compute_s: float, images: int) -> TrainResult:
        if self._settings.rank != 0:
            return TrainResult(digest=None)
        assert self._held is not None
        data = self._held.file(training.weights())
        history = training.history
        every = max(1, -(-len(history) // CURVE_POINTS))
        curve = tuple(
            (
                min(start + every, len(history)),
                _mean([loss for loss, _ in history[start : start + every]]),
                _mean([dice for _, dice in history[start : start + every]]),
            )
            for start in range(0, len(history), every)
        )
        digest = self._objects.put(data)
        if not job.training.average:
            self._held.checkpoint = digest
        return TrainResult(
            digest=digest,
            size_bytes=len(data),
            steps=training.total_steps,
            curve=curve,
            images_per_s=images / compute_s if compute_s else 0.0,
            compute_s=compute_s,
        )


def _loopback() -> str:
    """The name of the network interface of 127.0.0.1."""
    interfaces = psutil.net_if_addrs().items()
    return next(name for name, addresses in interfaces if any(a.address == "127.0.0.1" for a in addresses))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
