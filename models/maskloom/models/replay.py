"""Work of a GPU that is recorded once and then replayed as a whole, as a CUDA graph.

The kernels of one small batch end sooner than Python can launch the next ones: launched one by one, they left an H200 idle for
half of a training step and longer (docs/benchmarks/models-cuda.md).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Work = Callable[..., Tensor]


class Replayed:
    """`work` on CUDA tensors, recorded for each combination of their shapes. One thread at a time may call it.

    `work` must launch the same kernels whenever shapes are equal, on memory that stays where it is, and never wait for the GPU.
    Its first call with new shapes is no recording: libraries then choose their kernels and take what memory they need.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._recordings: dict[tuple[torch.Size, ...], _Recording | None] = {}
        # One for all: each recording leaves nothing in its memory that is wanted after it.
        self._memory = torch.cuda.graph_pool_handle()

    def __call__(self, *inputs: Tensor) -> Tensor:
        shapes = tuple(tensor.shape for tensor in inputs)
        if shapes not in self._recordings:
            self._recordings[shapes] = None
            return self._work(*inputs)
        recording = self._recordings[shapes]
        if recording is None:
            recording = self._recordings[shapes] = _Recording(self._work, inputs, self._memory)
        return recording.replay(inputs)


class _Recording:
    def __init__(self, work: Work, inputs: tuple[Tensor, ...], memory: tuple[int, int]) -> None:
        self._inputs = [tensor.clone() for tensor in inputs]
        self._graph = torch.cuda.CUDAGraph()
        # Other threads of an actor fetch masks from the GPU meanwhile, which has nothing to do with this.
        with torch.cuda.graph(self._graph, pool=memory, capture_error_mode="thread_local"):
            self._output = work(*self._inputs)

    def replay(self, inputs: tuple[Tensor, ...]) -> Tensor:
        for kept, given in zip(self._inputs, inputs, strict=True):
            kept.copy_(given)
        self._graph.replay()
        return self._output.clone()
