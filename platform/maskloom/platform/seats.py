"""Places for actors in a Ray cluster, reserved for one run, and the notice that their nodes are about to go."""

from __future__ import annotations

import time
from collections.abc import Mapping
from threading import Thread
from typing import Any

from maskloom.platform import ray_nodes
from maskloom.platform.errors import ClusterUnavailable

_LOOK_EVERY_S = 1.0
_PATIENCE_S = 5.0


class Seats:
    """A placement group with a bundle for each seat, or None for no place in particular, and what an actor takes of a seat."""

    def __init__(self, group: Any, share: Mapping[str, float]) -> None:
        self._group = group
        self._share = share
        self._leaving: frozenset[int] = frozenset()
        self._trouble: ClusterUnavailable | None = None
        self._look: Thread | None = None
        self._next_look = 0.0

    @classmethod
    def reserved(cls, seats: int, *, gpus: bool, spread: bool) -> Seats:
        """Seats for two actors each on a GPU, or else a core, of their own. Ray is asked for them; nobody waits."""
        from ray.util.placement_group import placement_group  # noqa: PLC0415

        kind = "GPU" if gpus else "CPU"
        group = placement_group([{kind: 1.0}] * seats, strategy="SPREAD" if spread else "PACK")
        return cls(group, {"num_cpus": 0, "num_gpus": 0.5} if gpus else {"num_cpus": 0.5})

    def options(self, seat: int) -> dict[str, Any]:
        """Ray's options for an actor on that seat."""
        if self._group is None:
            return dict(self._share)
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy  # noqa: PLC0415

        place = PlacementGroupSchedulingStrategy(self._group, placement_group_bundle_index=seat)
        return {**self._share, "scheduling_strategy": place}

    def leaving(self) -> frozenset[int]:
        """The seats whose node is about to go, as Ray was told: a spot machine, a pod that is deleted.

        It answers at once, by a look of about a second ago: the cluster's head may be away for longer than a caller can wait.
        Raises ClusterUnavailable when this process has lost the cluster.
        """
        if self._trouble is not None:
            raise self._trouble
        looks = self._look is not None and self._look.is_alive()
        if self._group is not None and not looks and time.monotonic() > self._next_look:
            self._look = Thread(target=self._look_at_nodes, name="seats", daemon=True)
            self._look.start()
        return self._leaving

    def give_back(self) -> None:
        """Leave the seats to others; who still sits there ends."""
        if self._group is not None:
            from ray.util.placement_group import remove_placement_group  # noqa: PLC0415

            if self._look is not None:
                self._look.join(_PATIENCE_S)
            remove_placement_group(self._group)

    def _look_at_nodes(self) -> None:
        from ray.util import placement_group_table  # noqa: PLC0415

        try:
            ray_nodes.check_own()
        except ClusterUnavailable as trouble:
            self._trouble = trouble
            return
        going = ray_nodes.leaving()
        nodes = placement_group_table(self._group)["bundles_to_node_id"] if going else {}
        self._leaving = frozenset(seat for seat, node in nodes.items() if node in going)
        self._next_look = time.monotonic() + _LOOK_EVERY_S


ANYWHERE = Seats(None, {"num_cpus": 0})
