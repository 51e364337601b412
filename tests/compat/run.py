"""`make compat`: the test suites of Starlette and FastAPI, with their own test client and with ours in its place.

    python tests/compat/run.py [starlette] [fastapi]

What passes with theirs has to pass with ours, but for the tests in `expected/`, each under the reason why it differs.
The environment and the sources, in which nothing is changed, are in build/compat.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "compat"
PYTHON = BUILD / "venv" / "bin" / "python"
REQUIREMENTS = HERE / "requirements.txt"
SUITES = ("starlette", "fastapi")
MOST_AGAIN = 50
"""So many tests that fail beside others are run again alone. More of them are no matter of time."""


def prepare() -> None:
    """Make the environment, unless the one that is there has what is asked for."""
    stamp = BUILD / "venv" / ".requirements"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", BUILD / "venv"], check=True)
    subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", "-r", REQUIREMENTS], check=True)
    stamp.write_text(wanted)


def source(name: str) -> Path:
    """The folder of a distribution's source, at the version that is installed."""
    (version,) = re.findall(rf"^{name}==(\S+)", REQUIREMENTS.read_text(), re.MULTILINE)
    folder = BUILD / f"{name}-{version}"
    if not folder.exists():
        download = ["download", "--quiet", "--no-deps", "--no-binary", name, "--dest", BUILD, f"{name}=={version}"]
        subprocess.run([PYTHON, "-m", "pip", *download], check=True)
        with tarfile.open(BUILD / f"{name}-{version}.tar.gz") as archive:
            archive.extractall(BUILD, filter="data")
    return folder


def run(name: str, client: str, what: list[str]) -> dict[str, str]:
    """Run tests of a suite with one of the clients; what became of each."""
    report, log = BUILD / f"{name}-{client}.json", BUILD / f"{name}-{client}.log"
    report.unlink(missing_ok=True)
    path = os.pathsep.join([str(HERE), str(ROOT / "python")])
    environment = {**os.environ, "PYTHONPATH": path, "COMPAT_CLIENT": client, "COMPAT_REPORT": str(report)}
    options = ["-q", "-p", "compat_plugin", "-p", "no:cacheprovider", "--timeout", "60"]
    with log.open("ab") as output:
        command = [PYTHON, "-m", "pytest", *options, *what]
        subprocess.run(command, cwd=source(name), env=environment, stdout=output, stderr=output, check=False)
    if not report.exists():
        sys.exit(f"compat: {name} could not be run with {client}: see {log}")
    outcomes: dict[str, str] = json.loads(report.read_text())
    return outcomes


def outcomes_of(name: str, client: str) -> dict[str, str]:
    """Run a suite. What fails beside other tests, where some have only seconds, is run again alone."""
    (BUILD / f"{name}-{client}.log").unlink(missing_ok=True)
    outcomes = run(name, client, ["-n", "2", "tests"])
    again = [test for test, outcome in outcomes.items() if outcome == "failed"]
    if 0 < len(again) <= MOST_AGAIN:
        outcomes |= run(name, client, again)
    return outcomes


def listed_in(name: str) -> set[str]:
    """The tests that may differ: the lines of a file that give no reason."""
    lines = (HERE / "expected" / f"{name}.txt").read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def judge(name: str) -> bool:
    """Run a suite with both clients, and say where they differ. Whether that is as expected."""
    theirs, ours, listed = outcomes_of(name, "theirs"), outcomes_of(name, "ours"), listed_in(name)
    good = {test for test, outcome in theirs.items() if outcome == "passed"}
    good_here = {test for test, outcome in ours.items() if outcome == "passed"}
    findings = {
        "fails, and is not listed": good - good_here - listed,
        "passes, and is listed": listed & good_here,
        "is listed, and there is no such test": listed - theirs.keys(),
    }
    for finding, tests in findings.items():
        for test in sorted(tests):
            print(f"compat: {name}: {test} {finding}")
    both, neither = len(good & good_here), sorted(theirs.keys() - good)
    failed = [test for test in neither if theirs[test] == "failed"]
    print(f"compat: {name}: {len(good)} tests pass with its own client ({len(failed)} fail), {both} of them with ours")
    return not any(findings.values())


if __name__ == "__main__":
    BUILD.mkdir(parents=True, exist_ok=True)
    prepare()
    # One that is not as expected does not keep the others from being run.
    differing = [name for name in sys.argv[1:] or SUITES if not judge(name)]
    sys.exit(1 if differing else 0)
