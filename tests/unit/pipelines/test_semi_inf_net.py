"""What the method asks for, step by step: which network starts from which, on which data, and what labels the pool."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from maskloom.pipelines import recipes
from maskloom.pipelines.recipes import SemiInfNet
from maskloom.pipelines.semi_inf_net import semi_inf_net, supervised
from maskloom.pipelines.slice_lists import SliceList
from maskloom.pipelines.steps.gate import Gate, Gated
from maskloom.pipelines.steps.label import Label, PseudoLabels
from maskloom.pipelines.steps.merge import Merge
from maskloom.pipelines.steps.rest import Rest
from maskloom.pipelines.steps.sample import Groups, Sample
from maskloom.pipelines.steps.train import Train, Trained
from maskloom.platform.facts import DatasetVersion

EXPERTS = DatasetVersion(digest="experts", dataset="lungs", parent=None, size=2)
POOL = DatasetVersion(digest="pool", dataset="lungs", parent=None, size=4)
SLICES = "abcd"


class Recorder:
    """Stands where a `Flow` does: notes every step, and answers with what the step could have made."""

    def __init__(self, refused: str = "") -> None:
        self.round: int | None = None
        self.trained: list[tuple[str, str | None, str]] = []
        self.labelled: list[tuple[str, str]] = []
        self._refused = refused
        self._orders = {"the pool": SLICES}
        self._kept: dict[str, str] = {}

    def do(self, step: Any) -> Any:
        match step:
            case Sample():
                return Groups(order=SliceList(order="the pool", first=0, size=4), group_size=2)
            case Train():
                self.trained.append((step.data.digest, step.start and step.start.digest, step.only))
                name = f"network {len(self.trained)}"
                return Trained(
                    digest=name, size_bytes=1, steps=1, slices=1, curve=(), images_per_s=1, compute_s=1
                )
            case Label():
                slices = self._orders[step.slices.order][step.slices.first :][: step.slices.size]
                self.labelled.append((slices, step.model.digest))
                return PseudoLabels(digest=slices, count=len(slices), empty=0)
            case Gate():
                kept = "".join(name for name in step.labels.digest if name not in self._refused)
                self._kept[step.labels.digest] = kept
                refused = len(step.labels.digest) - len(kept)
                return Gated(digest=step.labels.digest, kept=len(kept), refused=refused)
            case Merge():
                added = self._kept[step.gated.digest]
                digest = f"{step.base.digest}+{added}" if added else step.base.digest
                return replace(step.base, digest=digest)
            case Rest():
                judged = "".join(gated.digest for gated in step.gated)
                self._orders["the rest"] = "".join(
                    name for name in judged if step.which == "all" or name in self._refused
                )
                return SliceList(order="the rest", first=0, size=len(self._orders["the rest"]))
        raise AssertionError(f"no such step: {step}")


def the(name: str) -> SemiInfNet:
    recipe = recipes.named(name)
    assert isinstance(recipe, SemiInfNet)
    return recipe


def run(recipe: SemiInfNet, refused: str = "") -> tuple[Recorder, Trained]:
    flow = Recorder(refused)
    return flow, semi_inf_net(flow, recipe, EXPERTS, POOL, seed=0)  # type: ignore[arg-type]


def test_the_paper_pretrains_anew_and_finishes_on_the_experts() -> None:
    flow, model = run(the("semi-inf-net"))
    assert flow.trained == [
        ("experts", None, "all"),
        ("experts+ab", "network 1", "all"),
        ("experts+ab+cd", "network 2", "all"),
        ("experts+ab+cd", None, "pool"),
        ("experts", "network 4", "all"),
    ]
    assert model.digest == "network 5"
    assert flow.labelled == [("ab", "network 1"), ("cd", "network 2")]


def test_the_quick_recipe_goes_on_from_its_rounds_and_labels_all_anew() -> None:
    flow, _ = run(the("semi-inf-net-quick"))
    assert flow.trained[3] == ("experts+ab+cd", "network 3", "pool")
    assert flow.labelled[-1] == ("abcd", "network 5")


def test_what_a_gate_refused_is_labelled_by_the_finished_network() -> None:
    flow, _ = run(the("semi-inf-net"), refused="bc")
    assert flow.trained[1:3] == [("experts+a", "network 1", "all"), ("experts+a+d", "network 2", "all")]
    assert flow.labelled[-1] == ("bc", "network 5")


def test_without_a_label_that_passes_there_is_no_pretraining() -> None:
    flow, model = run(the("semi-inf-net"), refused="abcd")
    assert [only for _, _, only in flow.trained] == ["all"] * 4
    assert model.digest == "network 4"
    assert flow.labelled[-1] == ("abcd", "network 4")


def test_supervised_trains_once_on_the_experts() -> None:
    flow = Recorder()
    recipe = recipes.named("supervised")
    model = supervised(flow, recipe, EXPERTS, seed=0)  # type: ignore[arg-type]
    assert (flow.trained, model.digest) == ([("experts", None, "all")], "network 1")
