"""The result of a check, as data and as text."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "remark"]

_SHOWN = 8
"""How many other situations the text names at most."""


@dataclass(frozen=True)
class Finding:
    """One thing that an application does wrong, or that its author may want to know.

    `code` is stable (see `asgi_node.conformance.rules.RULES`). `situation` and `path` say where it was seen first,
    `also` lists the other situations. `seen` is what happened, `specification` what should happen, in our words, and
    `section` the place in the specification. An ``error`` breaks a rule; a ``remark`` is about something that is
    allowed, but rarely intended.
    """

    code: str
    severity: Severity
    situation: str
    path: str
    seen: str
    specification: str
    section: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """What `asgi_node.conformance.check` returns."""

    app: str
    paths: tuple[str, ...]
    situations: tuple[str, ...]
    """The names of those that were run, in order."""
    findings: tuple[Finding, ...] = field(default=())
    """Errors first."""

    @property
    def ok(self) -> bool:
        """Whether there is no error; remarks do not count."""
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that break a rule."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """The others."""
        return tuple(finding for finding in self.findings if finding.severity == "remark")

    def json(self) -> str:
        """The report as a JSON object: its fields, and ``ok``."""
        return json.dumps({"ok": self.ok, **dataclasses.asdict(self)}, indent=2)

    def text(self) -> str:
        """The report for people."""
        lines = []
        for finding in self.findings:
            lines.append(f"{finding.severity} {finding.code} ({finding.situation} on {finding.path})")
            lines += [f"  {line}" for line in finding.seen.splitlines()]
            lines.append(f"  -> {finding.specification} [{finding.section}]")
            if finding.also:
                more = f" and {len(finding.also) - _SHOWN} others" if len(finding.also) > _SHOWN else ""
                lines.append(f"  also: {', '.join(finding.also[:_SHOWN])}{more}")
            lines.append("")
        count = f"{len(self.situations)} situations on {', '.join(self.paths)}"
        lines.append(f"{self.app}: {count}: {_plural(self.errors, 'error')}, {_plural(self.remarks, 'remark')}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()


def _plural(found: tuple[Finding, ...], word: str) -> str:
    return f"{len(found) or 'no'} {word}{'' if len(found) == 1 else 's'}"
