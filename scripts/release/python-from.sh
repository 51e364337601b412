#!/usr/bin/env bash
# python-from.sh brew|conda|deadsnakes|framework|pyenv|uv: installs a Python as its users do, and prints its path.
set -euo pipefail

case $1 in
  brew)
    brew install --quiet python@3.13 >&2
    python=$(brew --prefix python@3.13)/bin/python3.13
    ;;
  conda)
    # On GitHub's machines it is there.
    "$CONDA/bin/conda" create --quiet --yes --prefix "$HOME/conda-3.13" python=3.13 >&2
    python=$HOME/conda-3.13/bin/python
    ;;
  deadsnakes)
    sudo add-apt-repository --yes ppa:deadsnakes/ppa >&2
    sudo apt-get install --quiet --yes python3.13 python3.13-venv libpython3.13 >&2
    python=/usr/bin/python3.13
    ;;
  framework)
    # python.org's installer.
    curl --fail --silent --show-error --location --output "$RUNNER_TEMP/python.pkg" \
      https://www.python.org/ftp/python/3.13.7/python-3.13.7-macos11.pkg
    sudo installer -pkg "$RUNNER_TEMP/python.pkg" -target / >&2
    python=/Library/Frameworks/Python.framework/Versions/3.13/bin/python3.13
    ;;
  pyenv)
    [ -d "$HOME/.pyenv" ] || git clone --quiet --depth 1 https://github.com/pyenv/pyenv "$HOME/.pyenv" >&2
    PYTHON_CONFIGURE_OPTS=--enable-shared "$HOME/.pyenv/bin/pyenv" install --skip-existing 3.13 >&2
    python=$(ls -d "$HOME"/.pyenv/versions/3.13.*/bin/python3.13 | tail -1)
    ;;
  uv)
    pipx install --quiet uv >&2
    uv python install --quiet 3.13 >&2
    python=$(uv python find --no-project --managed-python 3.13)
    ;;
  *)
    echo "no way to install a Python is called $1" >&2
    exit 2
    ;;
esac
"$python" -c 'import sys; print(sys.version, file=sys.stderr)'
echo "$python"
