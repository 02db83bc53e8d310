"""chart/style: an EHR's style changes our tokens and nothing else, and never makes text illegible."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirplan.chart.style import contrast, stylesheet


def test_colours_sizes_and_fonts_become_tokens():
    made = stylesheet(
        {
            "color_background": "#edeae3",
            "color_highlight": "#003366",
            "dim_border_radius": "6px",
            "dim_font_size": "15px",
            "font_family_body": "Georgia, Times, 'Times New Roman', serif",
        }
    )
    assert "--bg:#edeae3" in made
    assert "--accent:#003366" in made
    assert "--r2:6px" in made
    assert "--fs-m:15px" in made
    assert "--font:Georgia" in made


@pytest.mark.parametrize(
    "style",
    [
        None,
        [],
        {"color_background": "url(https://evil.example/x)"},
        {"color_background": "#fff;} body{display:none"},
        {"dim_font_size": "2px"},
        {"dim_font_size": "calc(1px)"},
        {"font_family_body": "x;}@import 'https://evil.example'"},
        {"font_family_body": '"unbalanced'},
        {"color_background": "#101010"},
        {"color_text": "#eeeeee"},
        {"color_highlight": "#ffff00"},
    ],
)
def test_what_is_no_style_or_would_not_be_legible_is_left_out(style):
    assert stylesheet(style) == ""


@given(
    st.dictionaries(st.sampled_from(["color_background", "color_text", "color_error", "font_family_body"]), st.text())
)
def test_no_text_gets_out_of_its_place(style):
    made = stylesheet(style)
    chosen = r":root\[data-theme=light\](\{[^{}@\\/<>]*\})\n"
    no_other = re.escape(
        "@media not ((prefers-color-scheme: dark) or (prefers-contrast: more)){:root:not([data-theme])"
    )
    assert not made or re.fullmatch(chosen + no_other + r"\1\}\n", made)


def test_the_ratio_is_the_published_one():
    assert round(contrast("#000000", "#ffffff"), 2) == 21
