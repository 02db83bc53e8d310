"""All tables of the database, as SQLAlchemy metadata.

Times are integer milliseconds since 1970-01-01 UTC. Everything that belongs to an EHR endpoint carries its
``connection`` by name, directly or through the ``rid`` of a resource or the ``pid`` of a search parameter.
"""

from fhirplan.store.tables.access import (
    access_grant,
    audit,
    client,
    emergency,
    launch_session,
    seen_assertion,
    ticket,
)
from fhirplan.store.tables.columns import metadata
from fhirplan.store.tables.coordination import (
    caseload,
    caseload_work,
    cds_feedback,
    draft,
    look,
    patient_mark,
)
from fhirplan.store.tables.notify import (
    subscriber,
    subscription_event,
    told_change,
)
from fhirplan.store.tables.resources import (
    coding_system,
    index_date,
    index_number,
    index_quantity,
    index_reference,
    index_string,
    index_token,
    index_uri,
    resource,
    search_param,
    setting,
    version,
)
from fhirplan.store.tables.sync import (
    activity,
    checkpoint,
    circuit,
    conflict,
    finding,
    link,
    notice,
    notice_course,
    offer,
    outbox,
    receipt,
    refusal,
)

__all__ = [
    "access_grant",
    "activity",
    "audit",
    "caseload",
    "caseload_work",
    "cds_feedback",
    "checkpoint",
    "circuit",
    "client",
    "coding_system",
    "conflict",
    "draft",
    "emergency",
    "finding",
    "index_date",
    "index_number",
    "index_quantity",
    "index_reference",
    "index_string",
    "index_token",
    "index_uri",
    "launch_session",
    "link",
    "look",
    "metadata",
    "notice",
    "notice_course",
    "offer",
    "outbox",
    "patient_mark",
    "receipt",
    "refusal",
    "resource",
    "search_param",
    "seen_assertion",
    "setting",
    "subscriber",
    "subscription_event",
    "ticket",
    "told_change",
    "version",
]
