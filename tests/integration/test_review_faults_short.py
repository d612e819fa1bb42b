"""The short form of `make test-review-faults`: a real Label Studio and a bridge process, both killed, and garbage for both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from faults.review_campaign import edit_some, feed, knock, problems_of, submit_through_faults
from faults.review_scene import Scene, scene
from maskloom.services.bridge import processes
from support.servers import PostgresServer

pytestmark = pytest.mark.timeout(900)

GOOD, EDITED, BAD, AMONG = 48, 4, 45, 3


@pytest.fixture
def staged(postgres_server: PostgresServer) -> Iterator[Scene]:
    with scene(postgres_server, GOOD + BAD + AMONG) as made:
        yield made


def test_all_that_was_done_is_taken_in_once_and_in_order_and_garbage_never(staged: Scene) -> None:
    slices = sorted(staged.tasks)
    submit_through_faults(staged, slices[:GOOD], seed=1)
    edit_some(staged, EDITED)
    assert problems_of(staged) == []
    assert staged.restarts >= 1, "Label Studio was killed"
    assert len(staged.receiver.milliseconds) > GOOD / 4, "webhooks came through where nothing kept them"
    bridge = staged.bridge_pid
    fed = feed(staged, slices[GOOD : GOOD + BAD], slices[-AMONG:], seed=2)
    assert sum(each.sent for each in fed) == BAD
    assert sum(each.met for each in fed) + sum(each.refused for each in fed) == BAD
    statuses = knock(staged)
    for name in ("a webhook without the secret", "a webhook with another secret"):
        assert statuses[name] == 403
    assert statuses["a prediction without the password"] == 401
    assert statuses["a prediction for no JSON"] in {400, 422}
    assert {statuses["a webhook of 100 MB"], statuses["a prediction for 100 MB"]} <= {413, "hung up"}
    assert processes.answers(f"http://{staged.settings.bridge_listen}/healthz")
    assert staged.bridge_pid == bridge, "nothing has crashed it"
