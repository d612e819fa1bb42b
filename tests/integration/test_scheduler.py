"""`maskloom serve`, as processes: queued runs are driven to their ends, whoever is killed. Runs compute next to nothing."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Connection

from maskloom.pipelines import drive
from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.catalog import runs, tickets
from maskloom.platform.run_facts import Priority, Ticket
from maskloom.platform.settings import Settings
from maskloom.services.records import run_record
from support.chest import ingest_chest
from support.commands import Shell, wait_until
from support.folder_reader import FolderReader
from support.servers import remove_home, short_folder

RUN = ("run", "semi-inf-net-quick", "--dataset", "chest", "--set", "sampler.group_size=6", "--json")
QUEUED = (*RUN, "--queue", "normal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Home(Shell):
    """Commands, and the catalog they work on: to ask a command how a run stands, again and again, would take all the CPU."""

    platform: Platform


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Home]:
    """A home with 6 slices with expert masks and 12 without: two rounds."""
    home = short_folder()
    with open_platform(Settings(home=home)) as platform:
        shell = Home(home=home, tiny=True, platform=platform)
        ingest_chest(shell, tmp_path)
        yield shell
    remove_home(home)


@contextmanager
def serving(shell: Home, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A scheduler, that is asked to end, and ends well, where the test has not killed it."""
    process = shell.start("serve", "--role", "scheduler", "--role", "bridge", *arguments, **environment)
    try:
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert shell.end(process).code == 0
    finally:
        process.kill()
        process.communicate()


def queue(shell: Home, *settings: str) -> str:
    said = shell(*QUEUED, *settings)
    assert said.code == 0, said.err
    return str(said.json["run"])


def record(shell: Home, run: str) -> dict[str, Any]:
    return run_record(shell.platform, drive.find(shell.platform, run))


def status(shell: Home, run: str) -> str:
    return str(record(shell, run)["status"])


def driver(shell: Home, run: str) -> psutil.Process:
    """The process that drives the run, once it does."""
    found: list[int] = []

    def drives() -> bool:
        driver = record(shell, run)["driver"]
        found[:] = [driver["pid"]] if driver else []
        return bool(found)

    wait_until(drives)
    return psutil.Process(found[0])


def drivers_of(run: str) -> list[psutil.Process]:
    """Every process that was started to drive the run.

    A child of a driver is none: until it becomes the program that it is to run, it goes by the driver's command line.
    """
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            if {"maskloom.services.scheduler.driver", run} <= set(process.cmdline()):
                found[process.pid] = process, process.ppid()
    return [process for process, parent in found.values() if parent not in found]


def until_gone(process: psutil.Process) -> None:
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def test_queued_runs_are_driven_to_their_ends(shell: Home) -> None:
    undisturbed = shell(*RUN, "--seed", "7").json
    first, second = queue(shell), queue(shell, "--seed", "1")
    assert [status(shell, run) for run in (first, second)] == ["queued", "queued"]
    watching = shell.start("watch", second)
    with serving(shell):
        assert shell.end(watching).code == 0
        wait_until(lambda: status(shell, first) == "finished")
    assert record(shell, second)["rounds_done"] == undisturbed["rounds_done"] == 2
    said = shell(*QUEUED)
    assert "There was nothing left to do" in said.err
    assert status(shell, first) == "finished", "queued again, it stays so"


def test_another_scheduler_goes_on_with_the_runs_of_a_killed_one(shell: Home) -> None:
    run = queue(shell)
    with serving(shell, TINY_HOLD="train") as first:
        orphan = driver(shell, run)
        assert orphan.ppid() == first.pid
        with serving(shell) as second:
            first.send_signal(signal.SIGKILL)
            first.wait()
            until_gone(orphan)
            wait_until(lambda: status(shell, run) == "finished")
            assert second.poll() is None
    assert record(shell, run)["errors"] == []


def test_one_run_has_one_driver_whatever_number_of_schedulers(shell: Home) -> None:
    run = queue(shell)
    with serving(shell, "--runs", "2", TINY_HOLD="train"), serving(shell, "--runs", "2", TINY_HOLD="train"):
        only = driver(shell, run)
        assert queue(shell) == run, "queued as it is already: nothing changes"
        other = queue(shell, "--seed", "1")
        assert driver(shell, other).pid != only.pid
        assert driver(shell, run).pid == only.pid
        assert len(drivers_of(run)) == 1


def test_a_paused_run_makes_room_and_goes_on_when_it_is_queued_again(shell: Home) -> None:
    first = queue(shell)
    with serving(shell, TINY_HOLD="label"):
        held = driver(shell, first)
        second = queue(shell, "--seed", "1")
        assert shell("pause", first).code == 0
        until_gone(held)
        assert status(shell, first) == "paused"
        driver(shell, second)
        assert shell("cancel", second).code == 0
        (shell.home / "go").touch()
        assert "It is queued, with high priority" in shell("resume", first, "--queue", "high").out
        wait_until(lambda: status(shell, first) == "finished")
        assert status(shell, second) == "cancelled"


def test_a_run_that_is_paused_and_queued_again_between_two_looks_goes_on(shell: Home) -> None:
    run = queue(shell)
    with serving(shell, TINY_HOLD="label"):
        held = driver(shell, run)

        def pause_and_resume(connection: Connection) -> None:
            drive.request(connection, drive.find(shell.platform, run), "paused")
            tickets.queue(connection, run, Ticket(owner="ada", priority=Priority.HIGH, workers=1))

        shell.platform.database.transaction(pause_and_resume)
        until_gone(held)
        assert driver(shell, run).pid != held.pid
        wait_until(lambda: status(shell, run) == "running")
        (shell.home / "go").touch()
        wait_until(lambda: status(shell, run) == "finished")


def test_a_run_that_is_cancelled_while_its_driver_starts_stays_so(shell: Home) -> None:
    run = queue(shell)
    with serving(shell, TINY_HOLD="label"):
        wait_until(lambda: bool(drivers_of(run)))
        (starting,) = drivers_of(run)
        shell.platform.database.transaction(
            lambda c: drive.request(c, drive.find(shell.platform, run), "cancelled")
        )
        until_gone(starting)
    events = shell.platform.database.transaction(lambda c: runs.events(c, run))
    assert [kind for kind, _, _ in events] == ["queued", "cancelled"]


def test_a_driver_that_dies_is_replaced_but_not_for_ever(shell: Home) -> None:
    run = queue(shell)
    with serving(shell, TINY_HOLD="label"):
        pids = set()
        for _ in range(3):
            one = driver(shell, run)
            wait_until(lambda: record(shell, run)["counts"]["steps"] >= 2)
            pids.add(one.pid)
            one.kill()
            until_gone(one)
            wait_until(lambda gone=one.pid: (record(shell, run)["driver"] or {}).get("pid") != gone)  # type: ignore[misc]
        wait_until(lambda: status(shell, run) == "failed")
        assert len(pids) == 3
        (shell.home / "go").touch()
        assert shell("resume", run, "--queue", "normal").code == 0
        wait_until(lambda: status(shell, run) == "finished")


def test_a_run_that_does_not_move_is_said_and_its_driver_replaced_but_not_for_ever(shell: Home) -> None:
    run = queue(shell)
    with serving(shell, "--timeout", "6", TINY_HOLD="label"):
        first = driver(shell, run)
        wait_until(lambda: record(shell, run)["still_s"] is not None)
        until_gone(first)
        assert driver(shell, run).pid != first.pid
        wait_until(lambda: status(shell, run) == "failed")
    events = shell.platform.database.transaction(lambda c: runs.events(c, run))
    assert [(kind, detail["stuck"]) for kind, detail, _ in events if kind == "died"] == [("died", True)] * 2
    assert "the last one was killed because nothing moved" in events[-1][1]["error"]


def test_a_scheduler_that_is_stopped_gives_its_runs_back(shell: Home) -> None:
    run = queue(shell)
    with serving(shell, TINY_HOLD="train"):
        held = driver(shell, run)
    until_gone(held)
    assert status(shell, run) == "queued"
    with serving(shell):
        wait_until(lambda: status(shell, run) == "finished")


def test_a_run_that_waits_for_readers_holds_nothing_and_goes_on_when_they_are_done(shell: Home) -> None:
    run = queue(shell, "--review", "required")
    with serving(shell):
        wait_until(lambda: status(shell, run) == "waiting")
        other = queue(shell, "--seed", "1")
        wait_until(lambda: status(shell, other) == "finished")
        reader = FolderReader(shell.home / "reviews" / run / "reader")
        for count in (6, 12):
            wait_until(lambda count=count: len(reader.slices()) == count)  # type: ignore[misc]
            for slice_ in reader.slices()[count - 6 :]:
                reader.accept(slice_)
        wait_until(lambda: status(shell, run) == "finished")


def test_a_run_is_driven_in_the_background_or_queued_but_not_both(shell: Home) -> None:
    said = shell(*QUEUED, "--detach")
    assert said.code == 2
    assert "choose one" in said.err
