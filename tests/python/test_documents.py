"""docs/testing.md: its code blocks are files, and pytest passes over them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


# Each starts a pytest.
pytestmark = pytest.mark.timeout(300)


def run_pytest(folder: Path) -> str:
    """What pytest says in a folder where asgi-node is installed."""
    paths = os.pathsep.join([str(ROOT / "python"), str(folder)])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    plugins = ["-p", "asgi_node.pytest_plugin", "-p", "pytest_asyncio.plugin"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *plugins]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_examples_of_testing_md(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "testing.md").read_text()
    names = []
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        name = re.findall(r"`(\w+\.py)`", text[: match.start()])[-1]
        (tmp_path / name).write_text(match[1])
        names.append(name)
    assert names == ["main.py", "test_client.py", "test_async.py", "test_transport.py", "test_fixtures.py"]
    (settings,) = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(settings)

    assert "13 passed" in run_pytest(tmp_path)


def test_the_example() -> None:
    assert "5 passed" in run_pytest(ROOT / "examples" / "fastapi")
