"""Says which elements of what was sent the EHR did not keep, or holds otherwise, by the copy it answered with. Pure.

A server may store less or other than it was sent (R4 http.html, "Variations between Submitted data and Retrieved
data"). What it adds of its own is no loss and is not named.
"""

from __future__ import annotations

from fhirplan.fhir.codec import Resource
from fhirplan.sync.content import same, values


def unkept(sent: Resource, stored: Resource, version: int) -> str:
    """A sentence for the receipt of version ``version`` of ours, "" where all was kept.

    Both are contents as ``comparable`` gives them.
    """
    lost = sorted(
        key
        for key, value in sent.items()
        if not same({"_": value}, {"_": stored.get(key)}) and values({key: value}) - values({key: stored.get(key)})
    )
    type_ = sent["resourceType"]
    left_out = [f"{type_}.{key}" for key in lost if key not in stored]
    altered = [f"{type_}.{key}" for key in lost if key in stored]
    told = [
        *([f"did not keep {', '.join(left_out)}"] if left_out else []),
        *([f"holds {', '.join(altered)} otherwise than it was sent"] if altered else []),
    ]
    if not told:
        return ""
    return f"The EHR {' and '.join(told)}. What was sent is version {version} in the history here."
