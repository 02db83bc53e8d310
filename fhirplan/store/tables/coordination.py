"""The tables of the coordination state and of what people at the chart and at cards have seen and begun."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, SmallInteger, Table

from fhirplan.store.tables.columns import KEY, TIME, metadata, needed, one_of

# What a viewer of the chart began to write and has not saved; only the same viewer's page gets it back.
draft: Final = Table(
    "draft",
    metadata,
    needed("connection"),
    needed("viewer"),
    needed("patient"),
    # Which form, as the page names it.
    needed("form"),
    needed("text"),
    needed("updated", TIME),
    PrimaryKeyConstraint("connection", "viewer", "patient", "form"),
    Index("ix_draft_updated", "updated"),
)

# How far a viewer has seen the changes of a patient: all up to the audit row ``until``, and ``more`` (JSON numbers).
look: Final = Table(
    "look",
    metadata,
    needed("connection"),
    needed("viewer"),
    needed("patient"),
    needed("until", BigInteger),
    needed("more"),
    needed("at", TIME),
    PrimaryKeyConstraint("connection", "viewer", "patient"),
)

# Patients whose coordination state is to be computed again: a row for each change, so that writers never wait for each
# other. A projection removes the rows that it saw.
patient_mark: Final = Table(
    "patient_mark",
    metadata,
    Column("mid", KEY, primary_key=True),
    needed("connection"),
    needed("patient"),
    needed("at", TIME),
    Index("ix_patient_mark_patient", "connection", "patient", "mid"),
)

caseload: Final = Table(
    "caseload",
    metadata,
    needed("connection"),
    needed("plan"),
    needed("patient"),
    needed("name"),
    # The name as it is looked for: without case and accents.
    needed("sought"),
    needed("birth"),
    needed("title"),
    needed("status"),
    needed("lead"),
    needed("acuity"),
    needed("stage"),
    needed("risk"),
    # Codes with a space before, between and after them.
    needed("programs"),
    needed("settings"),
    needed("referrals", Integer),
    needed("changes", Integer),
    needed("goals_achieved", Integer),
    needed("at_risk", SmallInteger),
    Column("off_from", TIME),
    Column("high_off_from", TIME),
    Column("last_contact", TIME),
    Column("contact_due", TIME),
    # When it was computed, and when the clock alone will change what others are told of it.
    needed("projected", TIME),
    needed("next", TIME),
    PrimaryKeyConstraint("connection", "plan"),
    Index("ix_caseload_patient", "connection", "patient"),
    Index("ix_caseload_next", "connection", "next"),
)

caseload_work: Final = Table(
    "caseload_work",
    metadata,
    needed("connection"),
    needed("plan"),
    needed("task"),
    needed("title"),
    needed("type"),
    needed("status"),
    needed("priority"),
    needed("owner"),
    needed("planned", SmallInteger),
    needed("blocked", SmallInteger),
    needed("unassigned", SmallInteger),
    needed("grave", SmallInteger),
    Column("due", TIME),
    PrimaryKeyConstraint("connection", "plan", "task"),
    Index("ix_caseload_work_owner", "connection", "owner", "due"),
    # All that a plan's work is counted by, so that counting reads nothing else.
    Index("ix_caseload_work_state", "connection", "plan", "planned", "blocked", "unassigned", "grave", "due"),
)

# What clinicians did with a card, once for each card.
cds_feedback: Final = Table(
    "cds_feedback",
    metadata,
    needed("connection"),
    needed("issuer"),
    needed("card"),
    needed("service"),
    needed("outcome"),
    needed("suggestions"),
    needed("reason"),
    needed("at", TIME),
    PrimaryKeyConstraint("connection", "issuer", "card"),
    one_of("outcome", "accepted", "overridden"),
)
