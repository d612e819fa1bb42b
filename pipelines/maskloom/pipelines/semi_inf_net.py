"""READ FIRST: the whole of Semi-Inf-Net, on one page (Fan et al., IEEE TMI 39(8), 2020, section III-E and algorithm 1).

Train Inf-Net on the expert masks. Then, round by round, let the newest network label a group of unlabelled slices, take what
the gate lets through into the training set, corrected by readers where there is a review, and fine-tune on all of it. When
the pool is empty, train on its labels alone (the paper: anew), and finish on the expert masks and what readers checked.
Each `flow.do` is durable: done once, whatever dies (`flow.py`). What a step does is in `steps/`, what readers do in `review/`,
and every number is in `recipes.py`.
"""

from __future__ import annotations

from functools import partial

from maskloom.pipelines.flow import Flow
from maskloom.pipelines.recipes import SemiInfNet, Supervised
from maskloom.pipelines.review.rounds import Reviews
from maskloom.pipelines.steps.gate import Gate, Gated
from maskloom.pipelines.steps.label import Label
from maskloom.pipelines.steps.merge import Merge
from maskloom.pipelines.steps.rest import Rest
from maskloom.pipelines.steps.sample import Sample
from maskloom.pipelines.steps.train import Train, Trained
from maskloom.platform.facts import DatasetVersion


def semi_inf_net(
    flow: Flow, recipe: SemiInfNet, labelled: DatasetVersion, pool: DatasetVersion, seed: int
) -> Trained:
    """The trained network; the labels of the pool are facts in the catalog by then."""
    train = partial(Train, network=recipe.network, seed=seed)
    label = partial(Label, dataset=labelled.dataset, network=recipe.network, prediction=recipe.prediction)

    reviews = Reviews(flow, recipe.review, labelled, label, seed)

    model = flow.do(train(data=labelled, stage=recipe.supervised))
    mixed = labelled
    judged: list[Gated] = []
    groups = flow.do(Sample(pool=pool, sampler=recipe.sampler, seed=seed))
    for flow.round, group in enumerate(groups, start=1):
        pseudo = flow.do(label(slices=group, model=model))
        gated = flow.do(Gate(labels=pseudo, gate=recipe.gate, experts=labelled))
        read = reviews.of_round(pseudo, gated, model)
        mixed = flow.do(Merge(base=mixed, gated=gated, corrected=read.corrected, without=read.without))
        model = flow.do(train(data=mixed, stage=recipe.fine_tune, start=model))
        judged.append(gated)
    flow.round = None
    mixed, experts = reviews.finish(mixed)

    if mixed != labelled:
        start = model if recipe.pretrain_from == "rounds" else None
        model = flow.do(train(data=mixed, only="pool", stage=recipe.pretrain, start=start))
    model = flow.do(train(data=experts, stage=recipe.final, start=model))

    which, without, checked = recipe.final_labels, reviews.without, reviews.checked
    rest = flow.do(Rest(which=which, groups=groups, gated=tuple(judged), without=without, checked=checked))
    if rest.size:
        flow.do(label(slices=rest, model=model))
    return model


def supervised(flow: Flow, recipe: Supervised, labelled: DatasetVersion, seed: int) -> Trained:
    """The network that the expert masks alone give: what every other method is compared with."""
    return flow.do(Train(data=labelled, stage=recipe.supervised, network=recipe.network, seed=seed))
