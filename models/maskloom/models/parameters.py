"""What shapes a network, its training and its predictions, as plain values.

Imports nothing, so that reading a recipe, or replaying a finished run, loads no torch. Every value here is
part of a step's identity: change one and the step is another step. Paper: Fan et al., IEEE TMI 39(8), 2020
(Inf-Net).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Intensity = Literal["plain", "percentile"]
Precision = Literal["auto", "fp32", "bf16"]
"""`auto` becomes `bf16` when a run is created where it is computed quickly, else `fp32`; a run then keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkParameters:
    """Which Inf-Net, and how it sees a slice's grey values."""

    backbone: str = "tf_efficientnet_lite0"
    """Any timm model with `features_only` and features at strides 4, 8, 16 and 32."""
    weights: Literal["imagenet", "random"] = "imagenet"
    """`imagenet` never downloads: it needs weights that an installed package carries (EfficientNet-Lite0), or
    a file under MASKLOOM_WEIGHTS for any other backbone."""
    channels: int = 32
    """Channels of the receptive-field blocks and the parallel partial decoder (paper: 32)."""
    intensity: Intensity = "plain"
    """`plain`: grey values 0..255 as they are. `percentile`: each slice stretched so that its 0.5 and 99.5
    percentiles become 0 and 1, which makes dark and bright scanners alike. Both then take the backbone's own
    mean and deviation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentParameters:
    """Random changes of a training image, drawn per image from (seed, step). All off: the paper."""

    flip_horizontal: bool = False
    flip_vertical: bool = False
    gamma: float = 1.0
    """Grey values in 0..1 to the power of a draw from [1/gamma, gamma], log-uniform."""
    brightness: float = 0.0
    """A draw from [-brightness, brightness] added to grey values in 0..1."""
    contrast: float = 0.0
    """Grey values times a draw from [1 - contrast, 1 + contrast] about their mean."""
    rotate_degrees: float = 0.0
    zoom: float = 0.0
    """Scale by a draw from [1 - zoom, 1 + zoom]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingParameters:
    """One stage of training. Either `epochs` or `steps` says how long, never both."""

    epochs: int | None = None
    """Passes over the training set: ceil(images / batch_size) batches each."""
    steps: int | None = None
    """Batches, whatever the size of the training set."""
    batch_size: int = 16
    """Over all workers together; must divide by their number."""
    size: int = 352
    """Edge of the square that slices are resized to, a multiple of 32 (paper: 352)."""
    scales: tuple[float, ...] = (0.75, 1.0, 1.25)
    """Each batch also at these multiples of `size`, rounded to 32 (352: 256, 352, 448)."""
    scale_choice: Literal["each", "one"] = "each"
    """`each`: one optimiser step per scale and batch (paper). `one`: one scale a batch, drawn from (seed,
    step)."""
    optimiser: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    schedule: Literal["constant", "step", "cosine", "published"] = "constant"
    """`step`: x0.1 after half of the stage (paper). `cosine`: down to 1 % after a warm-up over the first 5 %.
    `published`: x0.1 at every epoch after 50, compounding, as the published program does by mistake."""
    clip: float = 0.5
    """Gradients clamped element-wise to +-clip (published program: 0.5); 0 is off."""
    bce: Literal["weighted", "published"] = "weighted"
    """`published`: in effect unweighted, as a truthy string passed as `reduce` makes it in the published
    program."""
    epochs_one_short: bool = False
    """Stop one epoch early, as the published program's loop does by mistake."""
    average: float = 0.0
    """Decay of an exponential moving average of the weights, which is then what the stage ends with; 0 is
    off."""
    expert_repeat: int = 1
    """How often an expert-labelled slice stands in the training set for each time a pseudo-labelled one
    does."""
    augment: AugmentParameters = AugmentParameters()
    precision: Precision = "fp32"


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionParameters:
    """How a network turns a slice into a probability map."""

    size: int = 352
    flip: bool = False
    """Average with the prediction of the mirrored slice."""
    stretch: bool = False
    """Min-max stretch each map to 0..1, as the published program does: a slice without lesions then gets
    one."""
    batch_size: int = 8
    engine: Literal["auto", "torch", "openvino"] = "torch"
    """`auto` becomes `openvino` when a run is created on a machine that has it and no GPU, else `torch`; a run then keeps
    its engine. OpenVINO takes seconds to take in new weights, so it pays for large groups only."""
    precision: Precision = "fp32"
