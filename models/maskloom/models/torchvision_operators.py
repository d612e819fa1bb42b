"""Makes torchvision importable beside a CPU build of torch. Stands before every import of timm.

PyPI's torchvision is compiled against the CUDA build of torch. Beside the CPU build its operators do not load, and importing
it then fails with "operator torchvision::nms does not exist", because it describes operators that nobody declared. timm
imports torchvision for image transforms only, so declaring the names is enough: `torchvision.ops.nms` and `torchvision.io`
stay unusable.
"""

from __future__ import annotations

import importlib

from torch.library import Library

_DECLARED: list[Library] = []  # a Library takes its operators along when it is collected


def declare_where_missing() -> None:
    """Declare torchvision's two box operators if torchvision cannot be imported without them."""
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
