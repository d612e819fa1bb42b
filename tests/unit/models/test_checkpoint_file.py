from __future__ import annotations

import pytest
import torch
from safetensors.torch import load, save

from maskloom.models import infnet
from maskloom.models.checkpoint_file import CheckpointFile, copy_weights
from maskloom.models.errors import ModelError
from maskloom.models.parameters import NetworkParameters

METADATA = {"network": '{"backbone":"resnet18","channels":"Überzahl"}'}


def test_it_is_the_librarys_file_byte_for_byte() -> None:
    network = infnet.build(NetworkParameters(weights="random")).to(memory_format=torch.channels_last)
    weights = network.state_dict()
    plain = {name: value.contiguous() for name, value in weights.items()}
    assert CheckpointFile(weights, METADATA).filled_with(weights) == save(plain, metadata=METADATA)


def test_it_is_filled_again_and_again() -> None:
    first = {"b": torch.rand(3, 2, 5, 5), "a": torch.tensor(7), "c": torch.empty(0, 4)}
    second = {"c": torch.empty(0, 4), "a": torch.tensor(8), "b": torch.rand(3, 2, 5, 5)}
    file = CheckpointFile(first, {})
    kept = file.filled_with(first)
    for weights in (second, first):
        read = load(file.filled_with(weights))
        assert read.keys() == weights.keys()
        assert all(torch.equal(read[name], weights[name]) for name in weights)
    assert file.filled_with(first) == kept


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"a": torch.ones(2)}, "1 tensors differ, the first is b"),
        ({"a": torch.ones(2), "b": torch.ones(1, 3)}, "1 tensors differ, the first is b"),
        ({"a": torch.ones(1), "b": torch.ones(3), "c": torch.ones(1)}, "2 tensors differ, the first is a"),
    ],
    ids=["missing", "reshaped", "several"],
)
def test_weights_of_another_network_change_nothing(other: dict[str, torch.Tensor], named: str) -> None:
    own = {"a": torch.zeros(2), "b": torch.zeros(3)}
    with pytest.raises(ModelError, match=named):
        copy_weights(own, other)
    assert not own["a"].any()
    assert not own["b"].any()
