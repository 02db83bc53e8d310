"""Published rules whose text does not say what the rule means, with the text they were later given."""

from __future__ import annotations

from typing import Final

# ref-1 of R4: a Reference with only an identifier or a display gives nothing, which would count as broken.
# R5 begins the rule with "reference.exists() implies".
CORRECTED: Final[dict[str, str]] = {
    text: f"reference.exists() implies ({text})"
    for text in (
        "reference.startsWith('#').not() or (reference.substring(1).trace('url') in "
        "%rootResource.contained.id.trace('ids'))",
        "reference.startsWith('#').not() or (reference.substring(1).trace('url') in "
        "%rootResource.contained.id.trace('ids')) or (reference='#' and %rootResource!=%resource)",
    )
}
