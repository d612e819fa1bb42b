#!/usr/bin/env bash
# Make the virtual environment VENV with maskloom and everything pinned in constraints.txt.
# torch: the CUDA build on a machine with an NVIDIA GPU, the CPU build elsewhere, by the same command.
#   TORCH_INDEX_URL=URL   take torch from this index instead (a mirror, or another CUDA version)
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
python=${PYTHON:-python3}
extras=${EXTRAS:-openvino,dev}
stamp="$venv/.installed-from"
wanted=$(cat pyproject.toml deploy/constraints.txt deploy/install.sh | cksum)-$extras
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "maskloom needs Python 3.11 or newer; $("$python" --version) is older. Set PYTHON=python3.11 (or newer)." >&2
    exit 1
}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }
torch=$(grep '^torch==' deploy/constraints.txt)

if ! "$venv/bin/python" -c "import importlib.metadata as m; assert m.version('torch').split('+')[0] == '${torch#torch==}'" 2>/dev/null; then
    index=()
    if [ -n "${TORCH_INDEX_URL:-}" ]; then
        index=(--index-url "$TORCH_INDEX_URL")
    elif ! nvidia-smi -L >/dev/null 2>&1; then
        # PyTorch publishes its CPU builds on an index of its own. Where that cannot be reached, the default index has to do.
        cpu=https://download.pytorch.org/whl/cpu
        if "$venv/bin/python" -c "import urllib.request as u; u.urlopen('$cpu/', timeout=5)" 2>/dev/null; then
            index=(--extra-index-url "$cpu")
        fi
        plan=$(pip install --quiet --dry-run --report - "${index[@]}" "$torch")
        if grep -q '"name": "nvidia-' <<<"$plan"; then
            echo "This machine has no NVIDIA GPU, and the only $torch to be had here is a CUDA build of several gigabytes." >&2
            echo "Set TORCH_INDEX_URL to an index with CPU builds, or put a CPU wheel where pip finds it (PIP_FIND_LINKS)." >&2
            exit 1
        fi
    fi
    echo "Installing $torch" >&2
    pip install --quiet "${index[@]}" "$torch"
fi
echo "Installing maskloom[$extras]" >&2
# torch stands in the command so that no package can pull in another build of it.
pip install --quiet -c deploy/constraints.txt "$torch" -e ".[$extras]"
echo "$wanted" >"$stamp"
