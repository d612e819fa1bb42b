"""The bridge as an ML backend of Label Studio: slices are predicted when they are opened."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from maskloom.pipelines import drive
from maskloom.pipelines.live import LivePredictor
from maskloom.platform.facts import Split
from maskloom.services.bridge.brush import decode
from support.asking import Answer, ask
from support.bridge import Bridge, bridged
from support.painted import DATASET
from support.real_networks import drive_on, untrained_recipe
from support.registry import promoted, registered
from support.servers import PostgresServer


@pytest.fixture(scope="module")
def bridge(postgres_server: PostgresServer) -> Iterator[Bridge]:
    with bridged(postgres_server) as made:
        yield made


def posted(bridge: Bridge, path: str, body: object, run: str | None = None, **headers: str) -> Answer:
    url = f"{bridge.served.backend(run or bridge.run.id)}/{path}"
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(url, "POST", body=data, **({"Authorization": bridge.login()} | headers))


def predicted(bridge: Bridge, *tasks: object, run: str | None = None) -> list[Any]:
    """The results for tasks, asked for as Label Studio does."""
    body = {
        "tasks": [{"id": number, "project": 1, "data": data} for number, data in enumerate(tasks)],
        "project": "1.1700000000",
        "label_config": "<View/>",
        "params": {"login": None, "password": None, "context": None},
    }
    answer = posted(bridge, "predict", body, run)
    assert answer.status == 200, answer.text
    results: list[Any] = answer.json["results"]
    return results


def test_a_slice_is_predicted_as_label_studio_wants_it(bridge: Bridge) -> None:
    digest = bridge.digests[Split.UNLABELLED][0]
    (result,) = predicted(bridge, {"slice": digest, "ct": "http://127.0.0.1:1/ignored"})
    live = LivePredictor(bridge.platform, bridge.run).predict(digest)
    assert live is not None
    assert result["model_version"] == live.version == f"{bridge.run.id}/1"
    assert result["score"] == pytest.approx(1 - live.uncertainty)
    (region,) = result["result"]
    value = region.pop("value")
    assert region == {
        "id": digest[:12],
        "type": "brushlabels",
        "from_name": "mask",
        "to_name": "ct",
        "original_width": 96,
        "original_height": 96,
        "image_rotation": 0,
    }
    assert (value["format"], value["brushlabels"]) == ("rle", ["infection"])
    assert np.array_equal(decode(value["rle"], 96, 96), live.mask)


def test_what_is_no_slice_for_readers_gets_no_prediction(bridge: Bridge) -> None:
    known = bridge.digests[Split.UNLABELLED][1]
    strangers = [
        {"slice": bridge.digests[Split.TEST][0]},
        {"slice": bridge.others["lossy.jpg"]},  # of another data set
        {"slice": bridge.platform.objects.put(b"a mask")},
        {"slice": "0" * 64},
        {"slice": known.upper()},
        {"slice": known[:63] + "\0"},
        {"slice": f"../{known}"},
        {"slice": 7},
        {"slice": [known]},
        {"ct": "http://127.0.0.1:1/"},
        {},
    ]
    results = predicted(bridge, *strangers, {"slice": known})
    assert results[:-1] == [[]] * len(strangers)
    assert results[-1]["result"]
    # Label Studio stores nothing for an empty list, while an empty prediction would be taken for a slice without lesion.
    assert predicted(bridge, strangers[0]) == [[]]


def test_before_the_first_network_there_is_no_prediction(bridge: Bridge) -> None:
    known = {"slice": bridge.digests[Split.UNLABELLED][0]}
    assert predicted(bridge, known, known, run=bridge.bare.id) == [[], []]
    assert posted(bridge, "setup", {}, bridge.bare.id).json == {"model_version": ""}


def test_a_connection_is_set_up(bridge: Bridge, caplog: pytest.LogCaptureFixture) -> None:
    health = ask(f"{bridge.served.backend(bridge.run.id)}/health", Authorization=bridge.login())
    assert (health.status, health.json["status"]) == (200, "UP")
    sent = {
        "project": "1.17",
        "schema": "<View/>",
        "hostname": "http://x",
        "access_token": "a-token-of-theirs",
    }
    with caplog.at_level(logging.DEBUG):
        answer = posted(bridge, "setup", sent | {"extra_params": None})
    assert (answer.status, answer.json) == (200, {"model_version": f"{bridge.run.id}/1"})
    assert "a-token-of-theirs" not in caplog.text


PATHS = [("GET", "health"), ("POST", "setup"), ("POST", "predict")]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_only_label_studio_is_answered(bridge: Bridge, method: str, path: str) -> None:
    url = f"{bridge.served.backend(bridge.run.id)}/{path}"
    strangers = [
        {},
        {"Authorization": bridge.login(password="")},
        {"Authorization": bridge.login(password="0" * 64)},
        {"Authorization": bridge.login(user="admin")},
        {"Authorization": f"Bearer {bridge.password}"},
        {"Authorization": "Basic !!!"},
        {"X_Maskloom_Secret": bridge.password},
    ]
    for headers in strangers:
        answer = ask(url, method, body=b"{}", **headers)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Basic")
        assert bridge.password not in answer.text


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_run_that_does_not_exist_is_not_found(bridge: Bridge, method: str, path: str) -> None:
    for run in ("0" * 12, bridge.run.id[:6], bridge.run.id + "0", "%00", "..", "%F0%9F%92%A9", "a%2Fb"):
        url = f"{bridge.served.backend(run)}/{path}"
        answer = ask(url, method, body=b'{"tasks": []}', Authorization=bridge.login())
        assert answer.status == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b"[" * 100_000,
        {"tasks": None},
        {"tasks": {"data": {}}},
        {"tasks": [1]},
        {"tasks": [{"data": "secret patient"}]},
        {"tasks": [{}] * 1001},
    ],
    ids=lambda body: repr(body)[:30],
)
def test_a_request_that_makes_no_sense_is_refused(bridge: Bridge, body: object) -> None:
    answer = posted(bridge, "predict", body)
    assert answer.status == 422
    assert "secret patient" not in answer.text


def test_a_request_that_is_too_long_is_not_read(bridge: Bridge) -> None:
    for path in ("predict", "setup"):
        answer = posted(bridge, path, b"", Content_Length=str(100 << 20))
        assert answer.status == 413


def test_a_mask_without_lesion_is_a_prediction_without_regions(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maskloom.pipelines import live

    monkeypatch.setattr(live, "binary", np.zeros_like)
    (result,) = predicted(bridge, {"slice": bridge.digests[Split.UNLABELLED][0]})
    assert result["result"] == []
    assert 0 <= result["score"] <= 1


def test_more_runs_than_are_kept_in_memory_are_answered(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maskloom.services.bridge.server import backend

    monkeypatch.setattr(backend, "_KEPT", 1)
    known = {"slice": bridge.digests[Split.UNLABELLED][0]}
    for _again in range(2):
        assert predicted(bridge, known, run=bridge.bare.id) == [[]]
        assert predicted(bridge, known)[0]["result"]


def test_what_label_studio_tells_a_backend_asks_for_a_look(bridge: Bridge) -> None:
    bridge.looked.clear()
    assert posted(bridge, "webhook", {"action": "START_TRAINING"}, Authorization="").status == 401
    assert not bridge.looked.is_set()
    assert posted(bridge, "webhook", {"action": "START_TRAINING"}).status == 204
    assert bridge.looked.is_set()


def test_a_bridge_that_follows_the_champion_asks_its_network(postgres_server: PostgresServer) -> None:
    with bridged(postgres_server, network="champion") as bridge:
        known = {"slice": bridge.digests[Split.UNLABELLED][0]}
        (own,) = predicted(bridge, known)
        assert own["model_version"] == f"{bridge.run.id}/1", "there is no champion yet"
        for seed in (7, 8):
            run, _ = drive.create(bridge.platform, untrained_recipe(), DATASET, seed=seed)
            drive_on(bridge.platform, run, bridge.truth, {})
            name = f"seed-{seed}"
            registered(bridge.platform, run, name)
            promoted(bridge.platform, name, "to see who follows")
            for asked in (bridge.run, bridge.bare):
                (result,) = predicted(bridge, known, run=asked.id)
                assert result["model_version"].startswith(f"{run.id}/")
        assert posted(bridge, "predict", {"tasks": []}, run="0" * 12).status == 404
        assert predicted(bridge, {"slice": bridge.digests[Split.TEST][0]}) == [[]]
