"""`make image-check`: builds both images with buildah, and tries them. Needs root and Debian; takes minutes.

Looked at is whether any secret has got into a layer, how large they are, and whether what they are for starts in them: as
their own user, on a read-only root file system, in a network of its own. Without BASE_IMAGE, the name of an image with
Python, they stand on a Debian with its own Python, made here. They are for CPUs; for GPUs packages are chosen, not installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from images import cuda, layers
from images.building import IMAGES, ROOT, Builder
from images.trying import tried_service, tried_worker

_TOOLS = ("buildah", "debootstrap")
_MOST_BYTES = 2_600_000_000
"""Of an image, unpacked, without what it stands on."""


def main() -> None:
    """Build, look and try; exits with 1 when anything is not as it should be."""
    if os.geteuid() != 0:
        sys.exit("make image-check needs root: it mounts file systems.")
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(
            ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing], env=quiet, check=True
        )
    subprocess.run([Path(sys.executable).parent / "hadolint", ROOT / "deploy/docker/Dockerfile"], check=True)
    builder = Builder(Path("/var/tmp/maskloom-images"))
    base = os.environ.get("BASE_IMAGE") or builder.make_base()
    known: set[str] = set()
    for target in IMAGES:
        image = builder.build(target, base)
        found = layers.look(builder, image, known)
        print(f"{image}\n{layers.table(found)}")
        own = sum(layer.size for layer in found[1:])
        assert own < _MOST_BYTES, f"{image} has grown to {own:,} bytes"
    tried_service(builder)
    tried_worker(builder)
    chosen = cuda.resolve()
    print(f"A worker for GPUs would have {len(chosen)} packages, among them torch {chosen['torch']} for CUDA")
    print("Both images are as they should be.")


if __name__ == "__main__":
    main()
