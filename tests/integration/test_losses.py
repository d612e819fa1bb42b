"""A run whose disk fills up or whose object store goes away says so, and ends as if it had not once that is mended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from maskloom.platform.bootstrap import open_platform
from maskloom.platform.errors import ObjectStoreUnavailable
from maskloom.platform.settings import Settings
from support import small_run
from support.remains import facts, loose_ends
from support.servers import S3Server
from support.stage import Driver, Stage

pytestmark = pytest.mark.timeout(900)

ON_A_SMALL_DISK = """
set -e
objects="$1/objects"
cp -a "$objects" "$objects.before"
mount -t tmpfs -o size=40m,mode=755 none "$objects"
cp -a "$objects.before/." "$objects"
"$2" "$3" "$4" || echo "exit code $?"
mount -o remount,size=4g "$objects"
"$2" "$3" "$4"
cp -a "$objects" "$objects.after"
"""
"""40 MiB have room for the slices and two checkpoints, and not for a third."""


def test_a_full_disk_is_told_of_and_nothing_is_lost(stage: Stage) -> None:
    if os.geteuid():
        pytest.skip("only root may mount the small disk that is to fill up")
    with stage.copy() as home:
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", ON_A_SMALL_DISK, "sh", home, sys.executable, small_run.__file__, stage.run],
            env=os.environ | {"MASKLOOM_HOME": str(home)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        first, second = done.stdout.split("exit code")
        told = first.splitlines()[-1]
        assert '"type": "ObjectStoreUnavailable"' in told
        assert "No space left on device" in told
        assert '"event": "finished"' in second
        shutil.rmtree(home / "objects")
        (home / "objects.after").rename(home / "objects")
        assert stage.verdict(home) == []


def test_a_lost_object_store_is_told_of_and_nothing_is_lost(
    stage: Stage, s3_server: S3Server, s3_url: str, maskloom_home: Path
) -> None:
    with open_platform(Settings(home=maskloom_home, objects_url=s3_url)) as platform:
        run = small_run.prepare(platform).id
    driver = Driver(maskloom_home, run, MASKLOOM_OBJECTS_URL=s3_url)
    assert driver.told(lambda event: event["event"] == "done" and event["kind"] == "train")
    s3_server.stop()
    try:
        assert driver.wait() == ObjectStoreUnavailable.exit_code
    finally:
        s3_server.start()
    error = driver.events[-1][1]
    assert (error["event"], error["type"]) == ("error", "ObjectStoreUnavailable")
    assert s3_server.endpoint in error["message"] + error["hint"]
    again = Driver(maskloom_home, run, MASKLOOM_OBJECTS_URL=s3_url)
    assert again.wait() == 0, again.errors
    with open_platform(Settings(home=maskloom_home, objects_url=s3_url)) as platform:
        assert loose_ends(platform) == []
        assert facts(platform) == stage.undisturbed
