"""Nodes that are told to go, as spot machines and deleted pods are: a run moves before they do, and loses nothing."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from support import leaving_nodes
from support.ray_node import RayNode
from support.servers import free_ports

pytestmark = pytest.mark.timeout(600)

HEAD, OTHERS = "127.0.0.2", ("127.0.0.3", "127.0.0.4")
PATIENCE = {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "300", "RAY_health_check_period_ms": "500"}
"""A node has long to go, and one that says nothing soon counts as dead."""


class Scene:
    """A cluster of three nodes with a core each, and a crew of two that works there."""

    def __init__(self, folder: Path, driver_on: str, ended: ExitStack) -> None:
        token = {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
        (port,) = free_ports(1)
        address = f"{HEAD}:{port}"
        self.nodes: dict[str, RayNode] = {}
        for host in (HEAD, *OTHERS):
            place = (
                ["--head", f"--port={port}", "--include-dashboard=false"]
                if host == HEAD
                else [f"--address={address}"]
            )
            self.nodes[host] = RayNode(host, [*place, "--num-cpus=1"], token | PATIENCE)
            ended.callback(self.nodes[host].stop)
        self._folder = folder
        self.driver = subprocess.Popen(
            [sys.executable, leaving_nodes.__file__, address, driver_on, str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ
            | token
            | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1", "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        ended.enter_context(self.driver)
        ended.callback(self.driver.kill)

    def notes(self, word: str) -> list[list[str]]:
        """What was noted so far with that word in second place, a list of words each, the host first."""
        try:
            lines = (self._folder / "notes").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [words for words in map(str.split, lines) if words[1] == word]

    def counts_as_dead(self, host: str) -> bool:
        """Whether the cluster's head has given the node on `host` up."""
        (log,) = self.nodes[HEAD].folder.glob("session_2*/logs/gcs_server.out")
        return any(
            f"address: {host} " in line and "marked dead" in line for line in log.read_text().splitlines()
        )

    def wait_for(self, something: Callable[[], bool]) -> None:
        """Wait for it, as long as the test may last."""
        while not something():
            assert self.driver.poll() is None, "the driver has ended"
            time.sleep(0.1)

    def end(self, work: str) -> str:
        """Have the driver end its training ("trained") or labelling ("labelled"); what it printed of it."""
        (self._folder / work).touch()
        assert self.driver.stdout
        return self.driver.stdout.readline().strip()


@pytest.fixture
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Its parameter is the host by which the driver reaches the cluster."""
    with ExitStack() as ended:
        yield Scene(tmp_path, getattr(request, "param", HEAD), ended)


def test_a_crew_leaves_a_node_that_is_told_to_go(scene: Scene) -> None:
    scene.wait_for(lambda: len(scene.notes("rank")) == 2)
    first = {host for host, *_ in scene.notes("rank")}
    assert len(first) == 2
    going = next(host for host in OTHERS if host in first)
    scene.nodes[going].ask_to_go()
    scene.wait_for(lambda: len(scene.notes("rank")) == 4)
    second = scene.notes("rank")[2:]
    assert {host for host, *_ in second} == {HEAD, *OTHERS} - {going}
    steps = {int(words[-1]) for words in second}
    assert len(steps) == 1, "the ranks go on from one state"
    assert steps.pop() > 0, "of the first gang"
    assert scene.end("trained") == "trained"
    scene.wait_for(scene.nodes[going].has_ended)  # nothing of the run keeps it

    (left,) = set(OTHERS) - {going}
    scene.wait_for(lambda: {host for host, *_ in scene.notes("labelled")} == {HEAD, left})
    scene.nodes[left].ask_to_go()
    before = len(scene.notes("labelled"))
    scene.wait_for(lambda: {host for host, *_ in scene.notes("labelled")[before:][-20:]} == {HEAD})
    began, labelled = scene.notes("began"), scene.notes("labelled")
    done = {slices for _, _, slices in labelled}
    assert all(slices in done for host, _, slices in began if host == left), "what was begun is done"
    assert len(done) == len(labelled), "nothing is done twice"
    assert scene.end("labelled") == str(leaving_nodes.SLICES)


@pytest.mark.parametrize("scene", [OTHERS[0]], indirect=True)
def test_a_driver_on_a_machine_that_slept_ends_instead_of_waiting_for_ever(scene: Scene) -> None:
    scene.wait_for(lambda: len(scene.notes("rank")) == 2)
    asleep = [psutil.Process(scene.driver.pid), *scene.nodes[OTHERS[0]].named("raylet")]
    for process in asleep:
        process.suspend()
    scene.wait_for(lambda: scene.counts_as_dead(OTHERS[0]))
    for process in asleep:
        process.resume()
    assert scene.driver.wait() != 0
    assert scene.driver.stderr
    last = scene.driver.stderr.read().strip().splitlines()[-1]
    assert "ClusterUnavailable" in last
    assert "has ended" in last
