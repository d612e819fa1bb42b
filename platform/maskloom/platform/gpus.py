"""The GPUs of this machine, as NVIDIA's driver tells of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pynvml

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU now: `busy`, the share of the last moment in which it worked (0..1), and its memory in bytes."""

    index: int
    busy: float
    memory_used: int
    memory: int


def gpus() -> list[Gpu]:
    """Those of this machine; none where there is no driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [_gpu(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError as error:
        _log.warning("NVIDIA's driver does not tell of its GPUs: %s", error)
        return []
    finally:
        pynvml.nvmlShutdown()


def _gpu(index: int) -> Gpu:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    busy = pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
    return Gpu(index=index, busy=busy, memory_used=memory.used, memory=memory.total)
