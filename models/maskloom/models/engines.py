"""What runs a network for prediction: torch, or OpenVINO (CPU only, an optional extra), which is faster on long jobs.

`inference.Predictor` chooses one. Each is made for the weights the network has at that moment: torch at once, OpenVINO in
some seconds, which pay off from a few hundred slices on.
"""

from __future__ import annotations

import io
import warnings
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from maskloom.models.blocks import resize
from maskloom.models.errors import ModelError
from maskloom.models.infnet import InfNet, placed
from maskloom.models.intensity import standardise
from maskloom.models.parameters import Precision, PredictionParameters
from maskloom.models.precision import is_bf16
from maskloom.models.replay import Recordings


class Engine(Protocol):
    """Grey values float32 (B, 1, S, S) in 0..1 on the device -> probabilities, the same shape, type and device."""

    def __call__(self, grey: Tensor) -> Tensor: ...


class GreyToProbability(nn.Module):
    """A network from grey values to sigmoid(S_3) at the input's size: what an engine computes."""

    def __init__(self, network: InfNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, grey: Tensor) -> Tensor:
        backbone = self.network.backbone
        logits = self.network(standardise(grey, backbone.mean, backbone.std)).s3
        return torch.sigmoid(resize(logits.float(), grey.shape[2:]))


class TorchEngine:
    """torch in channels_last, with autocast where the precision is bf16; recorded and replayed on a GPU."""

    def __init__(self, network: InfNet, precision: Precision, device: torch.device) -> None:
        self._model = GreyToProbability(placed(network, device).eval())
        self._recordings = Recordings() if device.type == "cuda" else None
        self._half = is_bf16(precision)
        self._device = device

    def __call__(self, grey: Tensor) -> Tensor:
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            return self._recordings.run(self._model, grey) if self._recordings else self._model(grey)


class OpenVinoEngine:
    """The network compiled by OpenVINO for this CPU, for batches of any size at the slices' size `size`.

    Raises ModelError where OpenVINO is not installed.
    """

    def __init__(self, network: InfNet, precision: Precision, size: int) -> None:
        try:
            import openvino  # noqa: PLC0415 -- an optional extra
        except ModuleNotFoundError as error:
            raise ModelError(
                "The prediction engine 'openvino' is not installed. Install it with `pip install 'maskloom[openvino]'`, "
                "or set the engine to 'torch'."
            ) from error
        core = openvino.Core()
        # Two thirds of the time of converting the traced module directly; both give the same figures.
        model = core.read_model(_onnx(GreyToProbability(network.cpu().eval()), size))
        hints = {
            "INFERENCE_PRECISION_HINT": "bf16" if is_bf16(precision) else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",  # one whole batch at a time, on all threads
        }
        self._request: Any = core.compile_model(model, "CPU", hints).create_infer_request()

    def __call__(self, grey: Tensor) -> Tensor:
        probabilities = self._request.infer({0: grey.numpy()}, share_inputs=True)[0]
        return torch.from_numpy(probabilities.copy())


def make(network: InfNet, parameters: PredictionParameters, device: torch.device) -> Engine:
    """The engine that `parameters` name. Raises ModelError if it is not installed or does not run on the device."""
    if parameters.engine == "torch":
        return TorchEngine(network, parameters.precision, device)
    if parameters.engine == "auto":
        raise ModelError("The prediction engine 'auto' has to be settled as 'torch' or 'openvino' first.")
    if device.type != "cpu":
        raise ModelError(
            f"The prediction engine 'openvino' runs on the CPU, not on '{device}': set it to 'torch'."
        )
    return OpenVinoEngine(network, parameters.precision, parameters.size)


def _onnx(model: nn.Module, size: int) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter that replaces this one needs another package and takes several times as long.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            model,
            (torch.zeros(1, 1, size, size),),
            file,
            dynamo=False,
            opset_version=17,
            input_names=["grey"],
            dynamic_axes={"grey": {0: "batch"}},
        )
    return file.getvalue()
