"""What the service tells those who look after it: metrics and its log."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from shutil import which

import pytest

from support.asking import ask
from support.commands import wait_until
from support.servers import PostgresServer
from support.service import CLOSED, OPEN, Service, figures, served


@pytest.fixture(scope="module")
def service(postgres_server: PostgresServer) -> Iterator[Service]:
    with served(postgres_server) as made:
        yield made


def test_metrics_follow_what_happens(service: Service) -> None:
    lead = service.as_("lea")
    before = figures(service)
    wanted = {"dataset": OPEN, "settings": ["network.weights=random"], "seed": 12}
    assert lead.ask("POST", "/runs", wanted).status == 202
    assert lead.ask("GET", "/runs/nonsense").status == 404
    after = figures(service)
    grown = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    assert grown["maskloom_runs{'status': 'queued'}"] == 1
    assert grown["maskloom_queue_runs{}"] == 1
    asked = "maskloom_request_seconds_count{'method': '%s', 'route': '/api/v1/runs%s', 'status': '%d'}"
    assert grown[asked % ("POST", "", 202)] == 1
    assert grown[asked % ("GET", "/{run}", 404)] == 1
    assert after["maskloom_step_errors_total{}"] == 0


def test_metrics_have_the_gpus_that_the_driver_tells_of(service: Service) -> None:
    smi = which("nvidia-smi")
    told = subprocess.run([smi, "-L"], capture_output=True, text=True, check=True).stdout if smi else ""
    found = [name for name in figures(service) if name.startswith("maskloom_gpu_busy_ratio")]
    assert len(found) == len(told.splitlines())


def test_metrics_name_nothing_that_is_somebodys(service: Service) -> None:
    said = ask(f"{service.url}/metrics").text
    for name in (OPEN, CLOSED, service.run.id, *service.digests, "lea"):
        assert name not in said


def test_the_log_names_the_request_and_not_the_data(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "maskloom"):
        answer = service.as_("vera").ask("GET", f"/datasets/{OPEN}/slices/{service.digests[0]}")
        assert answer.status == 200
        # A request is told of once its answer is on its way, so the answer may be here first.
        wait_until(lambda: "{digest} 200 in" in caplog.text)
    assert OPEN not in caplog.text
    assert service.digests[0] not in caplog.text
