from __future__ import annotations

import dataclasses
import sys

import pytest
import torch
from torch import Tensor

from maskloom.models import infnet
from maskloom.models.errors import ModelError
from maskloom.models.inference import Predictor, resize_to, uncertainty
from maskloom.models.intensity import standardise, to_grey
from maskloom.models.parameters import NetworkParameters, PredictionParameters

PREDICTION = PredictionParameters(size=64, batch_size=2)


@pytest.fixture(scope="module")
def network() -> infnet.InfNet:
    """A network whose maps vary: untrained, with its last layer's scale turned up."""
    made = infnet.build(NetworkParameters())
    with torch.no_grad():
        for name in ("reverse3", "reverse4", "reverse5"):
            getattr(made, name).out.norm.weight.fill_(20)
    return made.eval()


@pytest.fixture(scope="module")
def slices() -> Tensor:
    random = torch.Generator().manual_seed(4)
    coarse = 255 * torch.rand(5, 1, 8, 8, generator=random)
    return torch.nn.functional.interpolate(coarse, (64, 64), mode="bilinear").to(torch.uint8)


def predict(network: infnet.InfNet, slices: Tensor, **changes: object) -> Tensor:
    return Predictor(network, dataclasses.replace(PREDICTION, **changes)).probabilities(slices)


def test_probabilities_are_the_networks_last_map(network: infnet.InfNet, slices: Tensor) -> None:
    maps = predict(network, slices)
    assert maps.shape == (5, 1, 64, 64)
    assert maps.dtype == torch.float32
    assert maps.amax() - maps.amin() > 0.3, "the fixture's maps must vary for these tests to mean anything"
    with torch.inference_mode():
        images = standardise(slices / 255, network.backbone.mean, network.backbone.std)
        logits = network(images).s3
        expected = torch.sigmoid(torch.nn.functional.interpolate(logits, (64, 64), mode="bilinear"))
    torch.testing.assert_close(maps, expected, atol=1e-5, rtol=0)


def test_batches_make_no_difference(network: infnet.InfNet, slices: Tensor) -> None:
    torch.testing.assert_close(
        predict(network, slices, batch_size=5), predict(network, slices, batch_size=2), atol=1e-5, rtol=0
    )
    assert predict(network, slices[:0]).shape == (0, 1, 64, 64)


def test_flip_averages_both_views(network: infnet.InfNet, slices: Tensor) -> None:
    once, mirrored = predict(network, slices), predict(network, slices.flip(3)).flip(3)
    both = predict(network, slices, flip=True)
    torch.testing.assert_close(both, (once + mirrored) / 2, atol=1e-6, rtol=0)
    assert (once - both).abs().max() > 1e-3


def test_stretch_reaches_0_and_1_on_every_slice(network: infnet.InfNet, slices: Tensor) -> None:
    maps = predict(network, slices, stretch=True)
    assert maps.amin((1, 2, 3)).tolist() == [0] * 5
    assert maps.amax((1, 2, 3)).tolist() == pytest.approx([1] * 5)


def test_bfloat16_stays_near(network: infnet.InfNet, slices: Tensor) -> None:
    difference = (predict(network, slices, precision="bf16") - predict(network, slices)).abs()
    assert 0 < difference.mean() < 0.02


@pytest.mark.parametrize(("precision", "mean_difference"), [("fp32", 1e-5), ("bf16", 0.02)])
def test_openvino_gives_torchs_maps(
    precision: str, mean_difference: float, network: infnet.InfNet, slices: Tensor
) -> None:
    pytest.importorskip("openvino")
    maps = predict(network, slices, engine="openvino", precision=precision, flip=True)
    assert maps.dtype == torch.float32
    assert (maps - predict(network, slices, flip=True)).abs().mean() < mean_difference


def test_missing_openvino_names_the_extra(network: infnet.InfNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match=r"pip install 'maskloom\[openvino\]'.*engine to 'torch'"):
        Predictor(network, dataclasses.replace(PREDICTION, engine="openvino"))


def test_openvino_is_for_the_cpu(network: infnet.InfNet) -> None:
    with pytest.raises(ModelError, match="runs on the CPU, not on 'meta'"):
        Predictor(network, dataclasses.replace(PREDICTION, engine="openvino"), "meta")


@pytest.mark.parametrize(
    "images", [torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 32, 64, dtype=torch.uint8)], ids=["type", "size"]
)
def test_other_slices_are_refused(images: Tensor, network: infnet.InfNet) -> None:
    with pytest.raises(ModelError, match=r"Slices to predict are uint8 \(N, 1, 64, 64\)"):
        Predictor(network, PREDICTION).probabilities(images)


def test_plain_intensity_keeps_grey_values() -> None:
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    torch.testing.assert_close(to_grey(images, "plain"), images / 255)


def test_percentiles_make_dark_and_bright_scanners_alike() -> None:
    bright = torch.arange(240, dtype=torch.uint8).repeat(10).view(1, 1, 40, 60)
    dark = bright // 4 + 7
    stretched = to_grey(torch.cat([bright, dark]), "percentile")
    assert stretched.amin((1, 2, 3)).tolist() == [0, 0]
    assert stretched.amax((1, 2, 3)).tolist() == [1, 1]
    assert (stretched[0] - stretched[1]).abs().max() < 0.03


def test_percentiles_are_numpys() -> None:
    random = torch.Generator().manual_seed(0)
    images = (torch.rand(3, 1, 200, 200, generator=random) ** 2 * 255).to(torch.uint8)
    low, high = torch.quantile(images.flatten(1).float(), torch.tensor([0.005, 0.995]), dim=1)
    expected = ((images - low.view(-1, 1, 1, 1)) / (high - low).view(-1, 1, 1, 1)).clamp(0, 1)
    torch.testing.assert_close(to_grey(images, "percentile"), expected)


def test_a_slice_of_one_grey_value_becomes_black() -> None:
    assert to_grey(torch.full((1, 1, 32, 32), 90, dtype=torch.uint8), "percentile").abs().max() == 0


def test_a_map_comes_to_its_slices_size() -> None:
    ramp = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    resized = resize_to(ramp, (50, 130))
    assert resized.shape == (1, 1, 50, 130)
    assert resized[0, 0, 10].diff().min() >= 0
    assert 0 <= resized.min() <= resized.max() <= 1


def disc(radius: float, inside: float = 1.0, sharpness: float = 4.0) -> Tensor:
    """A lesion in the middle of a 200x200 slice: `inside` within the radius, falling off over its outline."""
    rows, columns = torch.meshgrid(torch.arange(200), torch.arange(200), indexing="ij")
    distance = ((rows - 100) ** 2 + (columns - 100) ** 2).sqrt()
    return (inside * torch.sigmoid(sharpness * (radius - distance)))[None, None]


def score(probabilities: Tensor) -> float:
    return uncertainty(probabilities).item()


def test_uncertainty_of_what_is_certain_is_near_0() -> None:
    assert score(torch.zeros(1, 1, 200, 200)) == 0
    assert score(torch.full((1, 1, 200, 200), 0.02)) == 0
    assert score(torch.ones(1, 1, 200, 200)) == 0
    assert score(disc(40)) < 0.02


def test_uncertainty_is_what_dice_can_be_expected_to_lack() -> None:
    """Against the mean Dice of the mask with many masks drawn from the probabilities."""
    probabilities = disc(40, inside=0.8, sharpness=0.5)
    mask = probabilities >= 0.5
    drawn = torch.rand(200, 200, 200, generator=torch.Generator().manual_seed(0)) < probabilities[0]
    dice = 2 * (drawn & mask[0]).sum((1, 2)) / (drawn.sum((1, 2)) + mask.sum())
    assert score(probabilities) == pytest.approx(1 - dice.mean().item(), abs=0.02)


def test_uncertainty_of_a_lesion_left_out_of_the_mask_is_near_1() -> None:
    assert score(disc(40, inside=0.4)) > 0.95
    assert score(torch.full((1, 1, 200, 200), 0.5)) == pytest.approx(1 / 3, abs=0.001)


def test_uncertainty_orders_slices_as_a_reader_would() -> None:
    blurred = disc(40, sharpness=0.15)
    assert score(disc(40)) < score(blurred) < score(disc(40, inside=0.6)) < score(disc(40, inside=0.45))
    assert score(disc(40, sharpness=0.5)) < score(disc(12, sharpness=0.5)), (
        "a small lesion is more easily wrong"
    )


def test_a_few_doubtful_pixels_score_little() -> None:
    speck = torch.zeros(1, 1, 200, 200)
    speck[0, 0, 50, 50:54] = 0.5
    assert score(speck) < 0.05


def test_every_slice_has_its_own_uncertainty() -> None:
    maps = torch.cat([disc(40), disc(40, inside=0.5)])
    assert uncertainty(maps).tolist() == pytest.approx([score(maps[:1]), score(maps[1:])])
