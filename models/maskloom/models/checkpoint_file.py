"""Weights to and from a safetensors file in memory (https://github.com/huggingface/safetensors#format).

The package `safetensors` reads these files, and would write them byte for byte the same. But it asks every tensor in turn:
60 ms there and back for the hundreds of small ones of a network, in rounds that have 150 ms for all but training.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from maskloom.models.errors import ModelError

_TYPES = {torch.float32: "F32", torch.int64: "I64"}


class CheckpointFile:
    """The file of one network's weights, laid out once and filled as often as they change. Equal weights, equal bytes.

    `weights` gives names, shapes and types (float32 and int64 are all that networks hold); `metadata` stands in the file.
    """

    def __init__(self, weights: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
        # Wide types first, so that every tensor is aligned to its elements.
        ordered = sorted(weights.items(), key=lambda item: (-item[1].element_size(), item[0]))
        header: dict[str, object] = {"__metadata__": dict(metadata)}
        ends = [0]
        for name, value in ordered:
            start, end = ends[-1], ends[-1] + value.numel() * value.element_size()
            shape = list(value.shape)
            header[name] = {"dtype": _TYPES[value.dtype], "shape": shape, "data_offsets": [start, end]}
            ends.append(end)
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % 8)
        head = struct.pack("<Q", len(text)) + text
        self._file = np.empty(len(head) + ends[-1], np.uint8)
        self._file[: len(head)] = np.frombuffer(head, np.uint8)
        self._head = head
        data = torch.from_numpy(self._file[len(head) :])
        self._tensors = {
            name: data[start:end].view(value.dtype).view(value.shape)
            for (name, value), start, end in zip(ordered, ends, ends[1:], strict=False)
        }

    def filled_with(self, weights: Mapping[str, Tensor]) -> bytes:
        """The file with `weights`, whatever their device and layout. Raises ModelError if they are another network's."""
        copy_weights(self._tensors, weights)
        return self._file.tobytes()

    def read(self, file: bytes) -> Mapping[str, Tensor]:
        """The weights in `file`, on the CPU, until the next `filled_with` or `read`.

        Raises ModelError if it is the file of another network.
        """
        if len(file) != len(self._file) or not file.startswith(self._head):
            raise ModelError("This checkpoint holds another network than the one that was asked for.")
        self._file[:] = np.frombuffer(file, np.uint8)
        return self._tensors


def copy_weights(target: Mapping[str, Tensor], source: Mapping[str, Tensor]) -> None:
    """Copy each tensor of `source` into the one of the same name, in half the time of `load_state_dict`.

    Raises ModelError, with nothing copied, if names, shapes or types differ.
    """
    differing = [
        name
        for name in sorted(target.keys() | source.keys())
        if name not in target or name not in source or _form(target[name]) != _form(source[name])
    ]
    if differing:
        raise ModelError(
            "These weights do not belong to this Inf-Net, with another backbone or other channels: "
            f"{len(differing)} tensors differ, the first is {differing[0]}."
        )
    with torch.no_grad():
        torch._foreach_copy_(list(target.values()), [source[name] for name in target])


def _form(value: Tensor) -> tuple[torch.Size, torch.dtype]:
    return value.shape, value.dtype
