"""Checks of the Helm chart without a cluster: a real helm renders it with each value set of helm/maskloom/ci.

`kuberay-1.7.0-raycluster.json` is the schema of KubeRay's RayCluster (v1), out of its custom resource definition (Apache-2.0).
"""

from __future__ import annotations

import pytest

from support.chart import VALUE_SETS, Rendered, rendered


@pytest.fixture(params=VALUE_SETS)
def chart(request: pytest.FixtureRequest) -> Rendered:
    """The chart with one of the value sets."""
    return rendered(request.param)
