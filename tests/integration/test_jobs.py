"""Jobs under `maskloom serve`, as processes: each is done once, whoever is killed."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Connection

from maskloom.platform.bootstrap import Platform, open_platform
from maskloom.platform.catalog import accounts, jobs, slices
from maskloom.platform.facts import Split
from maskloom.platform.job_facts import Job, JobKind, JobState, JobStatus
from maskloom.platform.settings import Settings
from maskloom.services.intake import parcel
from maskloom.services.intake.parcel import Parcel
from support import transfers
from support.commands import Shell, wait_until

DATASET = "lungs"


@pytest.fixture
def platform(maskloom_home: Path) -> Iterator[Platform]:
    with open_platform(Settings(home=maskloom_home)) as opened:
        yield opened


@contextmanager
def serving(platform: Platform, **environment: str) -> Iterator[subprocess.Popen[str]]:
    shell = Shell(home=platform.settings.home)
    process = shell.start("serve", "--role", "scheduler", **environment)
    try:
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert shell.end(process).code == 0
    finally:
        process.kill()
        process.communicate()


def upload(platform: Platform, name: str) -> str:
    """A job that takes in four slices."""
    drawn = transfers.slices(4, patient=1)
    digests = platform.objects.put_many([image for image, _ in drawn.values()])
    sent = parcel.store(platform, Parcel(images=dict(zip(drawn, digests, strict=True))))
    wanted = {"split": Split.UNLABELLED, "files": 4, "parcel": sent}
    job = Job(id=name, kind=JobKind.UPLOAD, dataset=DATASET, owner="lea", wanted=wanted)

    def add(connection: Connection) -> None:
        slices.add_dataset(connection, DATASET)
        accounts.add(connection, "lea")
        jobs.add(connection, job)

    platform.database.transaction(add)
    return name


def state(platform: Platform, job: str) -> JobState:
    return platform.database.transaction(lambda c: jobs.state(c, job))


def workers(job: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            if {"maskloom.services.jobs.worker", job} <= set(process.cmdline()):
                found.append(process)
    return found


def test_another_one_does_the_job_of_a_killed_one(platform: Platform) -> None:
    job = upload(platform, "taken-over")
    stop = {"MASKLOOM_FAILPOINT": "committing:upload", "MASKLOOM_FAILPOINT_SIGNAL": "SIGSTOP"}
    with serving(platform, **stop) as first:
        wait_until(lambda: any(one.status() == psutil.STATUS_STOPPED for one in workers(job)))
        assert state(platform, job).status is JobStatus.RUNNING
        first.kill()
        first.wait()
        for worker in workers(job):
            worker.kill()
        wait_until(lambda: state(platform, job).status is JobStatus.QUEUED)
        with serving(platform):
            wait_until(lambda: state(platform, job).status is JobStatus.DONE)
    outcome = state(platform, job).outcome
    assert outcome["added"] + outcome["known"] == 4
    found = platform.database.transaction(lambda c: slices.of_dataset(c, DATASET))
    assert len(found) == 4


def test_a_job_whose_process_dies_again_and_again_fails(platform: Platform) -> None:
    job = upload(platform, "deadly")
    with serving(platform, MASKLOOM_FAILPOINT="committing:upload"):
        wait_until(lambda: state(platform, job).status is JobStatus.FAILED)
        assert "died 3 times" in state(platform, job).error
