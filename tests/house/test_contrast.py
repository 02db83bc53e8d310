"""The house: each pair of text and ground in the style sheet is legible in each theme (WCAG 2.2, 1.4.3, 1.4.11)."""

import re
from pathlib import Path

import pytest

CSS = (Path(__file__).resolve().parents[2] / "fhirplan" / "web" / "static" / "chart.css").read_text(encoding="utf-8")
TABLE = re.findall(
    r"--([\w-]+): var\(--in-light, (#\w{6})\) var\(--in-dark, (#\w{6})\) var\(--in-contrast, (#\w{6})\);", CSS
)
THEMES = {
    name: {token: colours[at] for token, *colours in TABLE} for at, name in enumerate(("light", "dark", "contrast"))
}
TONES = ("danger", "warn", "ok", "info", "wait", "neutral")
TEXT = [
    *((ink, ground) for ink in ("text", "text-2", "link") for ground in ("bg", "surface", "sunken", "selected")),
    *((tone, ground) for tone in TONES for ground in (f"{tone}-bg", "surface", "bg", "selected")),
    ("on-accent", "accent"),
    ("on-danger", "danger"),
]
EDGES = [(edge, ground) for edge in ("control", "focus") for ground in ("bg", "surface", "sunken", "selected")]


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def ratio(one, two):
    darker, lighter = sorted((luminance(one), luminance(two)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_text_is_legible_on_each_ground_it_stands_on(theme):
    tokens = THEMES[theme]
    low = {
        pair: ratio(tokens[pair[0]], tokens[pair[1]]) for pair in TEXT if ratio(tokens[pair[0]], tokens[pair[1]]) < 4.5
    }
    assert not low


@pytest.mark.parametrize("theme", THEMES)
def test_edges_and_focus_rings_are_seen(theme):
    tokens = THEMES[theme]
    low = {
        pair: ratio(tokens[pair[0]], tokens[pair[1]]) for pair in EDGES if ratio(tokens[pair[0]], tokens[pair[1]]) < 3
    }
    assert not low


def test_the_ratio_is_the_published_one_for_known_colours():
    assert round(ratio("#000000", "#ffffff"), 2) == 21
    assert round(ratio("#777777", "#ffffff"), 2) == 4.48


def test_each_colour_is_written_once_for_all_three_themes():
    assert len(TABLE) == len({token for token, *_ in TABLE}) == 30
    # Paper alone is white and its print black, whatever the theme.
    assert set(re.findall(r"#[0-9a-f]{3,8}\b", re.sub(r"var\(--in-\w+, #\w{6}\)", "", CSS))) == {"#ffffff", "#000000"}
