"""Tells whether a copy of the EHR's is the one we know, one of an earlier moment, or news. Pure.

A version by itself proves little: some EHRs number every copy 1, and one that was restored from a backup gives numbers
anew that it gave before. Nor does a time: clocks are put right, and several nodes of one EHR have several.
"""

from __future__ import annotations

from typing import Final

from fhirplan.ehr.answered import RemoteCopy
from fhirplan.store.sync.links import Link, Stored
from fhirplan.sync.instants import instant, is_older

# For so long after we heard of a copy, an older one may still be shown by a replica that lags or a page fetched before.
# One that is shown later than that is what the EHR holds now.
LONGEST_LAG_MS: Final = 15 * 60_000


def is_known(link: Link | Stored, copy: RemoteCopy) -> bool:
    """Whether this very copy was decided about before: the same version of the same time."""
    if not copy.version or copy.version != link.ehr_version:
        return False
    if copy.updated == link.ehr_updated:
        return bool(copy.updated)
    shown = instant(copy.updated)
    return shown is not None and shown == instant(link.ehr_updated)


def is_stale(link: Link | Stored, copy: RemoteCopy, now: int) -> bool:
    """Whether a copy may be an earlier one that is still shown, so that nothing follows from it yet."""
    return went_back(link, copy) and now - link.touched < LONGEST_LAG_MS


def went_back(link: Link | Stored, copy: RemoteCopy) -> bool:
    """Whether a copy is an earlier one than we know: stale, or the EHR was restored from a backup.

    A number that is counted up tells it better than a clock.
    """
    if copy.version.isdecimal() and link.ehr_version.isdecimal() and copy.version != link.ehr_version:
        return int(copy.version) < int(link.ehr_version)
    return is_older(copy.updated, link.ehr_updated)
