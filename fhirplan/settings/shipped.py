"""Where the profiles and the sample data lie that come with the program."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parents[1]


def profiles_folder() -> Path:
    """The folder of our profiles: inside an installed package, else at the top of the checkout."""
    return _shipped("profiles")


def fixtures_folder() -> Path:
    """The folder of our sample data: inside an installed package, else at the top of the checkout."""
    return _shipped("fixtures")


def _shipped(name: str) -> Path:
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
