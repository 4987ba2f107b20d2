#!/usr/bin/env bash
# Make the virtual environment: hash-checked packages, then this project on top. Called by `make setup`.
set -euo pipefail
python=${PYTHON:-python3} venv=${VENV:-.venv}

"$python" - <<'PY' || exit 1
import sys
if sys.version_info < (3, 11):
    sys.exit(f"Serinus needs Python 3.11 or newer; this is {sys.version.split()[0]}. Set PYTHON=python3.x.")
PY

if [ ! -x "$venv/bin/pip" ] && ! "$python" -m venv "$venv" 2>/dev/null; then
  # Debian ships venv apart from python3.
  rm -rf "$venv"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "setup: installing python3-venv"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
    "$python" -m venv "$venv"
  else
    echo "setup: '$python -m venv' failed; install it first: apt-get install python3-venv" >&2
    exit 1
  fi
fi

echo "setup: installing locked packages into $venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r dev/bootstrap.txt
VIRTUAL_ENV="$venv" "$venv/bin/uv" pip sync --quiet --python "$venv/bin/python" --require-hashes dev/requirements.txt
VIRTUAL_ENV="$venv" "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation -e .
echo "setup: done"
