"""Traces of a service and of a run that it drives, as a collector gets them."""

from __future__ import annotations

import signal
from pathlib import Path

from maskloom.pipelines import drive
from maskloom.platform.bootstrap import open_platform
from maskloom.platform.catalog import runs
from maskloom.platform.run_facts import RunStatus
from maskloom.platform.settings import Settings
from support.asking import ask
from support.chest import ingest_chest
from support.collector import collecting
from support.commands import Shell, wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"
RUN = ("run", "semi-inf-net-quick", "--dataset", "chest", "--set", "sampler.group_size=6", "--json")


def test_requests_and_steps_are_traced_without_names_of_data(maskloom_home: Path, tmp_path: Path) -> None:
    shell = Shell(home=maskloom_home, tiny=True)
    with collecting() as (url, spans), open_platform(Settings(home=maskloom_home)) as platform:
        ingest_chest(shell, tmp_path)
        run = shell(*RUN, "--queue", "normal").json["run"]
        serving = shell.start("serve", "--listen", "127.0.0.1:0", OTEL_EXPORTER_OTLP_ENDPOINT=url)
        assert serving.stdout
        address = serving.stdout.readline().split()[-1]
        ask(f"{address}/healthz", traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
        assert ask(f"{address}/api/v1/datasets/chest").status == 401
        found = drive.find(platform, run)
        wait_until(
            lambda: platform.database.transaction(lambda c: runs.status(c, found.id)) is RunStatus.FINISHED
        )
        serving.send_signal(signal.SIGTERM)
        assert shell.end(serving).code == 0
    requests = {span.name: span for span in spans if span.service == "maskloom"}
    assert requests["GET /healthz"].trace == TRACE
    assert "401" in requests["GET /api/v1/datasets/{dataset}"].attributes["http.response.status_code"]
    steps = [span for span in spans if span.service == "maskloom-driver"]
    assert {"train", "label", "gate", "merge"} <= {span.name for span in steps}
    assert all(run in span.attributes["maskloom.run"] for span in steps)
    assert [span for span in spans if "chest" in str(span) or span.failed] == []
