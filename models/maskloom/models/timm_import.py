"""timm, imported beside any build of torch, and without torch's compiler, which takes long to load and is not used.

PyPI's torchvision is compiled against the CUDA build of torch. Beside the CPU build its operators do not load, and importing
it then fails with "operator torchvision::nms does not exist", because it describes operators that nobody declared. timm
imports torchvision for image transforms only, so declaring the names is enough: `torchvision.ops.nms` and `torchvision.io`
stay unusable.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from torch.library import Library

_DECLARED: list[Library] = []  # a Library takes its operators along when it is collected


def _import_torchvision() -> None:
    """Declare torchvision's two box operators if it cannot be imported without them."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        library = Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _DECLARED.append(library)
        importlib.import_module("torchvision")


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Have what is imported meanwhile find a compiler that leaves functions as they are, unless it is loaded already."""
    if "torch._dynamo" in sys.modules:
        yield
        return
    compiler: Any = ModuleType("torch._dynamo")
    compiler.utils = ModuleType("torch._dynamo.utils")
    compiler.utils.is_compile_supported = lambda _device: False
    compiler.disable = lambda function, *_, **__: function
    stand_in = {module.__name__: module for module in (compiler, compiler.utils)}
    sys.modules |= stand_in
    try:
        yield
    finally:
        for name in stand_in:
            del sys.modules[name]


with _without_compiler():
    _import_torchvision()
    import timm

__all__ = ["timm"]
