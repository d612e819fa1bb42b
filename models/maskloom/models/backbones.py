"""The networks that Inf-Net stands on: any timm model with features at strides 4, 8, 16 and 32.

`infnet.build` calls `create`. Weights come from installed packages and local files only; nothing here downloads.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from maskloom.models.errors import ModelError
from maskloom.models.timm_import import timm
from maskloom.models.weights import LITE0, locate

STRIDES = (4, 8, 16, 32)

_LITE0_REPEATS = (1, 2, 2, 3, 3, 4, 1)
_LITE0_OUTER = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_LITE0_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LITE0_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


class Backbone(nn.Module):
    """Features of a slice at four scales.

    `channels` are those of f2..f5; `mean` and `std`, (1, 3, 1, 1), are those of the images (in 0..1) that the backbone's
    ImageNet weights were trained on.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, features: nn.Module, name: str) -> None:
        super().__init__()
        strides = list(features.feature_info.reduction())
        layout = getattr(features, "output_fmt", "NCHW")
        if not set(STRIDES) <= set(strides) or layout != "NCHW":
            raise ModelError(
                f"Backbone '{name}' gives {layout} features at strides {strides}, and Inf-Net needs NCHW features at "
                f"{list(STRIDES)}: choose a convolutional backbone such as {LITE0}, resnet50, res2net50d or "
                "vgg16."
            )
        self.features = features
        self._picks = [strides.index(stride) for stride in STRIDES]
        widths = features.feature_info.channels()
        self.channels: tuple[int, ...] = tuple(widths[pick] for pick in self._picks)
        config = features.pretrained_cfg
        for statistic in ("mean", "std"):
            value = torch.tensor(config[statistic]).view(1, 3, 1, 1)
            self.register_buffer(statistic, value, persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(B, 3, H, W) standardised images -> f2..f5, (B, channels[i], H / stride, W / stride)."""
        features = self.features(images)
        f2, f3, f4, f5 = (features[pick] for pick in self._picks)
        return f2, f3, f4, f5


def create(name: str, weights: Literal["imagenet", "random"]) -> Backbone:
    """The backbone `name`, with ImageNet weights or as torch's random state draws it.

    Raises ModelError for an unknown name, for features at other strides and for weights that are not on this machine.
    """
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        raise ModelError(
            f"timm knows no backbone '{name}'" + (f"; did you mean {', '.join(near)}?" if near else ".")
        )
    try:
        features = timm.create_model(name, features_only=True, pretrained=False)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise ModelError(
            f"timm cannot give the features of '{name}': {error}. Choose another backbone."
        ) from error
    backbone = Backbone(features, name)
    if weights == "imagenet":
        found = _read(locate(name))
        _load(backbone.features, _as_timm_names_lite0(found) if name == LITE0 else found, name)
    return backbone


def _load(features: nn.Module, weights: dict[str, Tensor], name: str) -> None:
    # timm flattens some models for their features, so that `features.0.weight` becomes `features_0.weight`.
    weights = {key.replace(".", "_"): value for key, value in weights.items()}
    wanted = {
        key: value for key, value in features.state_dict().items() if not key.endswith("num_batches_tracked")
    }
    unfit = [
        key
        for key, value in wanted.items()
        if (found := weights.get(key.replace(".", "_"))) is None or found.shape != value.shape
    ]
    if unfit:
        raise ModelError(
            f"The weights for '{name}' do not fit: {len(unfit)} of {len(wanted)} tensors are missing or of another "
            f"shape, the first '{unfit[0]}'. They must be the state dict that timm itself saves for '{name}'."
        )
    features.load_state_dict({key: weights[key.replace(".", "_")] for key in wanted}, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file  # noqa: PLC0415 -- timm brings it; only this path needs it

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _as_timm_names_lite0(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """EfficientNet-Lite0's weights as its package names them, under timm's names (the `tf_` variant pads as they expect)."""
    places = [(stage, block) for stage, repeats in enumerate(_LITE0_REPEATS) for block in range(repeats)]
    renamed = {}
    for key, value in weights.items():
        part, _, rest = key.partition(".")
        if part != "_blocks":
            renamed[f"{_LITE0_OUTER[part]}.{rest}"] = value
            continue
        index, layer, tensor = rest.split(".", maxsplit=2)
        stage, block = places[int(index)]
        names = _LITE0_FIRST if stage == 0 else _LITE0_BLOCK
        renamed[f"blocks.{stage}.{block}.{names[layer]}.{tensor}"] = value
    return renamed
