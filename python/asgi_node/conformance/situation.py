"""One row of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .stage import Stage


@dataclass(frozen=True)
class Situation:
    """Something that happens to an application: its name, its description, and the function that makes it happen."""

    name: str
    what: str
    run: Callable[[Stage], None]
