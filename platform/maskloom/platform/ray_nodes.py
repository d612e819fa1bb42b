"""What Ray knows of the nodes of the cluster that this process is connected to."""

from __future__ import annotations

from maskloom.platform.errors import ClusterUnavailable


def check_own() -> None:
    """Raise ClusterUnavailable when the node by which this process reached the cluster has ended, or counts as dead.

    Ray has then ended, or forgotten, what this process has started, and may leave it waiting for ever.
    """
    import ray  # noqa: PLC0415

    own = ray.get_runtime_context().get_node_id()
    if not any(node["NodeID"] == own and node["Alive"] for node in ray.nodes()):
        raise ClusterUnavailable(
            "the node of the Ray cluster by which this process reached it has ended",
            hint="Check that Ray runs on this machine, then run the command again: it goes on where it stopped.",
        )


def leaving() -> set[str]:
    """Ids of the nodes that are about to go, as Ray was told."""
    from ray._private.state import state  # noqa: PLC0415 - nothing public tells it

    return set(state.get_draining_nodes())
