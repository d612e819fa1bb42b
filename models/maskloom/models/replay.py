"""Work of a GPU that is recorded once and then replayed as a whole, as a CUDA graph.

The kernels of one small batch end sooner than Python can launch the next ones: launched one by one, they leave a GPU idle.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch
from torch import Tensor

Work = Callable[..., Tensor]
_Shapes = tuple[torch.Size, ...]

_RECORDING = threading.Lock()
"""A process can record one thing at a time."""


class Recordings:
    """Recordings of one piece of work on CUDA tensors, one for each combination of their shapes.

    The work must launch the same kernels whenever shapes are equal, on memory that stays where it is, and never wait for the
    GPU. Whoever shares recordings takes turns.
    """

    def __init__(self) -> None:
        self._known: dict[_Shapes, _Recording] = {}
        self._warm = threading.local()
        # One for all: each recording leaves nothing in its memory that is wanted after it.
        self._memory = torch.cuda.graph_pool_handle()

    def run(self, work: Work, *inputs: Tensor) -> Tensor:
        """What `work` makes of `inputs`. It is recorded when a thread does it with these shapes for the second time.

        The first time, libraries choose their kernels and take what memory they need, for each thread anew.
        """
        shapes = tuple(tensor.shape for tensor in inputs)
        if shapes not in self._known:
            done: set[_Shapes] = self._warm.__dict__.setdefault("done", set())
            if shapes not in done:
                outcome = work(*inputs)
                done.add(shapes)
                return outcome
            self._known[shapes] = _Recording(work, inputs, self._memory)
        return self._known[shapes].replay(inputs)


class _Recording:
    def __init__(self, work: Work, inputs: tuple[Tensor, ...], memory: tuple[int, int]) -> None:
        self._inputs = [tensor.clone() for tensor in inputs]
        self._graph = torch.cuda.CUDAGraph()
        # Other threads of an actor fetch masks from the GPU meanwhile, which has nothing to do with this.
        with _RECORDING, torch.cuda.graph(self._graph, pool=memory, capture_error_mode="thread_local"):
            self._output = work(*self._inputs)

    def replay(self, inputs: tuple[Tensor, ...]) -> Tensor:
        for kept, given in zip(self._inputs, inputs, strict=True):
            kept.copy_(given)
        self._graph.replay()
        return self._output.clone()
