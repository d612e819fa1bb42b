"""Ray inside the process and Ray that somebody else started: the same actors, tasks and deaths through the same code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from support import cluster_tasks, lost_node
from support.ray_head import RayHead
from support.stage import until_gone

FOREIGN = ("RAY_AUTH_TOKEN", "RAY_AUTH_MODE", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER")
"""What an earlier test in this process may have left in the environment."""


@contextmanager
def driver(
    address: str, folder: Path, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A process that uses a cluster, and what it told of that."""
    inherited = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    inherited["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parents[1]), inherited.get("PYTHONPATH", "")]
    )
    with subprocess.Popen(
        [sys.executable, cluster_tasks.__file__, address, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=inherited | environment,
    ) as process:
        assert process.stdin
        assert process.stdout
        yield process, json.loads(process.stdout.readline())
        process.stdin.close()
        process.wait()


@pytest.fixture(scope="module")
def head() -> Iterator[RayHead]:
    started = RayHead()
    yield started
    started.stop()


@pytest.fixture(scope="module", params=["inside", "separate"])
def used(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A driver that still holds its cluster, and what it told."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "inside":
        with driver("-", folder) as made:
            yield made
    else:
        head: RayHead = request.getfixturevalue("head")
        with driver(head.address, folder, RAY_AUTH_TOKEN=head.token) as made:
            yield made


@pytest.fixture
def told(used: tuple[subprocess.Popen[str], dict[str, Any]]) -> dict[str, Any]:
    return used[1]


def test_every_task_is_done_once_by_the_actors(told: dict[str, Any]) -> None:
    assert told["squares"] == [[number, number * number] for number in range(20)]
    assert told["met"] == list(range(20))
    assert told["processes"] == 2


def test_a_dead_actor_is_replaced_and_its_tasks_done_again(told: dict[str, Any]) -> None:
    assert told["after a death"] == [[number, number] for number in range(8)]


def test_what_a_frozen_actor_holds_is_done_by_another(told: dict[str, Any]) -> None:
    assert told["beside a frozen one"] == [[number, number] for number in range(8)]


def test_tasks_are_drawn_as_they_are_needed(told: dict[str, Any]) -> None:
    assert 1 < told["most drawn"] <= 6, (
        "two for each actor, one that has come, and one more that is looked at"
    )


def test_who_has_no_place_yet_keeps_nobody_waiting(told: dict[str, Any]) -> None:
    assert told["beside one without a place"] == list(range(6))


def test_actors_that_cannot_be_made_are_given_up(told: dict[str, Any]) -> None:
    assert told["that cannot be made"].startswith("WorkerLost: workers die before they are ready")
    assert "no such device" in told["that cannot be made"]


def test_an_actors_error_arrives_as_it_was_raised(told: dict[str, Any]) -> None:
    assert told["error of a call"] == "SettingsError: this cannot be used Use another."
    assert told["error of a task"] == "SettingsError: this cannot be used Use another."


def test_a_task_that_kills_three_actors_is_given_up(told: dict[str, Any]) -> None:
    assert told["deadly task"].startswith("WorkerLost: a worker died 3 times at the same task")
    assert told["deaths"] == 3


def test_actors_wait_asleep_and_keep_their_memory(told: dict[str, Any]) -> None:
    wanted = {"OMP_WAIT_POLICY": "PASSIVE", "MALLOC_MMAP_MAX_": "0", "MALLOC_ARENA_MAX": "1"}
    assert {name: told["environment"].get(name) for name in wanted} == wanted


def test_seats_are_gpus_of_their_own_where_there_are_any(told: dict[str, Any]) -> None:
    first, second = told["seats"]
    assert first[0] == first[1], "a seat's two actors share its GPU"
    assert second[0] == second[1]
    if told["gpus"]:
        assert {first[0], second[0]} == {"0", "1"}
    else:
        assert first == second == ["", ""]


def test_what_runs_inside_the_process_is_for_this_machine_alone(tmp_path: Path) -> None:
    with driver("-", tmp_path) as (process, told):
        family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
        listening = {
            connection.laddr.port: connection.laddr.ip
            for connection in psutil.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN and connection.pid in family
        }
        assert len(listening) > 3
        assert {ip.removeprefix("::ffff:") for ip in listening.values()} == {"127.0.0.1"}, listening
        assert len(told["token"]) == 64


def test_without_the_token_a_cluster_refuses(head: RayHead, tmp_path: Path) -> None:
    for stranger in ({"RAY_AUTH_TOKEN": "0" * 64}, {"RAY_AUTH_MODE": "disabled"}):
        with driver(head.address, tmp_path, **stranger) as (_, answer):
            assert answer["refused"].startswith(f"ClusterUnavailable: Ray does not answer at {head.address}")
            assert "RAY_AUTH_TOKEN" in answer["refused"]
            assert head.token not in answer["refused"]


def test_an_address_where_nobody_listens_is_told_of(tmp_path: Path) -> None:
    with driver("127.0.0.2:1", tmp_path, RAY_AUTH_TOKEN="0" * 64) as (_, answer):
        assert answer["refused"].startswith("ClusterUnavailable: nobody listens at 127.0.0.2:1")


def test_the_cluster_of_a_driver_that_is_killed_ends(tmp_path: Path) -> None:
    with driver("-", tmp_path) as (process, _):
        family = psutil.Process(process.pid).children(recursive=True)
        # Ray's agents look for their parent about once a minute only.
        cluster = [member for member in family if member.name() in {"gcs_server", "raylet"}]
        assert len(cluster) == 2
        process.kill()
        process.wait()
        until_gone(cluster)


def test_a_driver_whose_own_node_is_gone_may_be_started_again() -> None:
    """Ray ends its actors as those of a dead process, and would end every other that it starts."""
    said = subprocess.run(
        [sys.executable, lost_node.__file__],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
        env={name: value for name, value in os.environ.items() if name not in FOREIGN}
        | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    error, message, hint = json.loads(said.stdout)
    assert error == "ClusterUnavailable"
    assert "has ended" in message
    assert "run the command again" in hint
