"""A crew whose nodes leave: its trainers and labellers do nothing but note where they work.

`python leaving_nodes.py ADDRESS HOST FOLDER` trains and labels on the cluster at ADDRESS, which it reaches by its node on HOST,
until FOLDER has a file `trained`, or `labelled`, and prints what came of it. FOLDER/notes has a line for whatever begins and
ends.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from maskloom.pipelines import crew
from maskloom.pipelines.jobs import LabelJob, TrainResult, TrainStatus, WorkerSettings
from maskloom.pipelines.recipes import named, with_settings
from maskloom.pipelines.stopping import Stop
from maskloom.platform.cluster import Cluster
from maskloom.platform.settings import Settings

SLICES = 4_000


class _Noting:
    def __init__(self, settings: WorkerSettings) -> None:
        import ray

        self._folder = Path(settings.objects_url)
        self._host = ray.util.get_node_ip_address()
        self.rank = settings.rank

    def note(self, *words: object) -> None:
        with (self._folder / "notes").open("a") as notes:
            notes.write(" ".join(map(str, (self._host, *words))) + "\n")

    def works_on(self, kind: str) -> bool:
        goes_on = not (self._folder / kind).exists()
        time.sleep(0.1 * goes_on)
        return goes_on


class Trainer(_Noting):
    """A rank that counts its steps."""

    def __init__(self, settings: WorkerSettings) -> None:
        super().__init__(settings)
        self._stop = threading.Event()
        self._steps = 0

    def open_rendezvous(self) -> str:
        return "nowhere"

    def join(self, _rendezvous: str) -> None:
        """Nobody has anything to say to the others."""

    def status(self, _key: str) -> TrainStatus:
        return TrainStatus(step=self._steps, total=0, loss=0, dice=0, images_per_s=0, saved=None)

    def stop(self) -> None:
        self._stop.set()

    def train(self, _job: Any, saved: str | None) -> TrainResult:
        self._stop.clear()
        self._steps = int(saved or 0)
        self.note("rank", self.rank, "from", self._steps)
        while self.works_on("trained"):
            self._steps += 1
            if self._stop.is_set():
                return TrainResult(digest=None, saved=str(self._steps))
        return TrainResult(digest="trained")


class Labeller(_Noting):
    """Takes its time for each task."""

    def label(self, job: LabelJob) -> list[str]:
        self.note("began", job.slices[0])
        if self.works_on("labelled"):
            self.note("labelled", job.slices[0])
        return list(job.slices)


class _ByNode(Cluster):
    """A cluster that is reached by a certain node, where Ray takes the head's if it is on the same machine."""

    def __init__(self, address: str, host: str) -> None:
        super().__init__(address)
        self._host = host

    def _where(self) -> dict[str, Any]:
        return super()._where() | {"_node_ip_address": self._host}


def main(address: str, host: str, folder: Path) -> None:
    crew.TRAINER, crew.LABELLER = (f"support.leaving_nodes:{actor.__name__}" for actor in (Trainer, Labeller))
    recipe = with_settings(named("semi-inf-net-quick"), ["prediction.batch_size=1"])
    settings = Settings(home=folder, ray_address=address, ray_placement="spread")
    cluster = _ByNode(address, host)
    platform: Any = SimpleNamespace(
        settings=settings, cluster=cluster, objects=SimpleNamespace(url=str(folder))
    )
    train: Any = SimpleNamespace(key="", training=SimpleNamespace(batch_size=2))
    label = LabelJob(
        network=recipe.network,
        prediction=recipe.prediction,
        checkpoint="",
        slices=[str(number) for number in range(SLICES)],
    )
    work: Any = SimpleNamespace(
        stop=Stop(), saved_digest=lambda: None, save_progress=lambda _: None, report=lambda *_, **__: None
    )
    both = crew.Crew(platform, workers=2)
    print(both.train(train, work).digest, flush=True)
    print(sum(len(labels) for labels in both.label(label, (), work)), flush=True)
    both.close()
    cluster.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
