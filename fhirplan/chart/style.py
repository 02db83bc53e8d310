"""Turns the style an EHR asks for (smart_style_url) into our own tokens, taking colours and sizes and nothing else.

SMART App Launch 2.2 section 3.1.4.5: a JSON object of named colours, sizes and font families. Each value must have the
exact form of what it is for; a colour that would make text illegible is left out. Nothing of it is copied as it came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_COLOUR: Final = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_SIZE: Final = re.compile(r"(\d{1,2}(?:\.\d{1,2})?)(px|rem|em)")
_FAMILY: Final = re.compile(r"[A-Za-z0-9 ,'\"\-]{1,200}")
_LEGIBLE: Final = 4.5
# Our token, the ground or ink it must be legible against, and what the vocabulary of SMART calls it.
_COLOURS: Final = (
    ("color_background", "bg", ("text", "text-2", "link")),
    ("color_text", "text", ("surface",)),
    ("color_highlight", "accent", ("on-accent",)),
    ("color_error", "danger", ("surface", "danger-bg")),
    ("color_success", "ok", ("surface", "ok-bg")),
)
# Who has chosen no theme gets the light one where the machine asks for no other.
_LIGHT_BY_ITSELF: Final = "not ((prefers-color-scheme: dark) or (prefers-contrast: more))"
LIGHT: Final[Mapping[str, str]] = {
    "text": "#16202a",
    "text-2": "#46535f",
    "link": "#0b559f",
    "surface": "#ffffff",
    "on-accent": "#ffffff",
    "danger-bg": "#fdecea",
    "ok-bg": "#e0f4f1",
}


def stylesheet(style: Any) -> str:
    """A style sheet that sets our tokens to what the style asks for; "" where nothing of it can be taken.

    It counts in the light theme only: who asks for the dark one or for contrast gets what they asked for.
    """
    if not isinstance(style, dict):
        return ""
    found = [f"--{token}:{value}" for token, value in _colours(style).items()]
    found += _sizes(style)
    if not found:
        return ""
    asked = f"{{{';'.join(found)}}}"
    return f":root[data-theme=light]{asked}\n@media {_LIGHT_BY_ITSELF}{{:root:not([data-theme]){asked}}}\n"


def _colours(style: Mapping[str, Any]) -> dict[str, str]:
    made: dict[str, str] = {}
    for name, token, against in _COLOURS:
        value = style.get(name)
        if not isinstance(value, str) or not _COLOUR.fullmatch(value):
            continue
        colour = _six(value)
        if all(contrast(colour, made.get(other, LIGHT[other])) >= _LEGIBLE for other in against):
            made[token] = colour
    return made


def _sizes(style: Mapping[str, Any]) -> list[str]:
    radius, font, family = (style.get(name) for name in ("dim_border_radius", "dim_font_size", "font_family_body"))
    made = []
    if isinstance(radius, str) and (found := _SIZE.fullmatch(radius)) and float(found[1]) <= 16:
        made.append(f"--r2:{found[0]}")
    if isinstance(font, str) and (found := _SIZE.fullmatch(font)) and _legible_size(float(found[1]), found[2]):
        made.append(f"--fs-m:{found[0]}")
    if isinstance(family, str) and _FAMILY.fullmatch(family) and _balanced(family):
        made.append(f"--font:{family},system-ui,sans-serif")
    return made


def _legible_size(number: float, unit: str) -> bool:
    return 12 <= number <= 22 if unit == "px" else 0.75 <= number <= 1.4


def _balanced(family: str) -> bool:
    return family.count('"') % 2 == 0 and family.count("'") % 2 == 0


def _six(colour: str) -> str:
    digits = colour[1:].lower()
    return f"#{digits}" if len(digits) == 6 else "#" + "".join(digit * 2 for digit in digits)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours such as ``#16202a`` (WCAG 2.2, relative luminance)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
