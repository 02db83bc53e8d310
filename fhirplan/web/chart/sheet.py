"""An assessment while it is answered: from the viewer's draft or what is stored, by the form, and kept as a draft."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from flask import request

from fhirplan.chart import assessments, questions, responses
from fhirplan.chart.questions import Section
from fhirplan.chart.words import LANGUAGES
from fhirplan.coordination.assessment.answers import QUESTIONNAIRE
from fhirplan.fhir.codec import Resource
from fhirplan.interactions.shipped import by_canonical
from fhirplan.store.coordination import drafts
from fhirplan.store.coordination.drafts import Place
from fhirplan.web.chart.forms import LIFE, clock
from fhirplan.web.chart.frame import NoPatient, Opened
from fhirplan.web.chart.save import KEY

FORM: Final = "assessment"
_PREFIX: Final = "q-"


@dataclass(frozen=True, slots=True)
class Sheet:
    """An assessment while it is answered: its questions in the language they are asked in, and the answers so far.

    ``id`` is what it is stored as, ``etag`` the version of it that the answers began with, "" for a new one. ``kept``
    is when the draft was kept, "" where there is none.
    """

    questionnaire: Resource
    sections: tuple[Section, ...]
    answers: dict[str, str]
    id: str
    etag: str = ""
    kept: str = ""

    def section(self, link: str) -> Section:
        """The section of that linkId, else the first."""
        return next((item for item in self.sections if item.link == link), self.sections[0])


def our_questionnaire(shown: Opened) -> Resource:
    """The questionnaire of the assessment; raises NoPatient where this server has none."""
    found = by_canonical(shown.frame.services, "Questionnaire", QUESTIONNAIRE)
    if found is None:
        raise NoPatient("The assessment is not among the packages of this server.")
    return found


def asking_language(shown: Opened) -> str:
    """The language the questions are asked in: the one chosen for this, else the viewer's."""
    wanted = request.values.get("ask", "")
    return wanted if wanted in LANGUAGES else shown.frame.words.language


def sheet(shown: Opened) -> Sheet:
    """The assessment that is being answered: the viewer's draft, else the one that was stored unfinished, else new."""
    questionnaire = our_questionnaire(shown)
    sections = questions.sections(questionnaire, asking_language(shown))
    with shown.frame.services.database.read() as tx:
        draft = drafts.get(tx, _place(shown), since=shown.frame.now - LIFE)
    if draft is not None and KEY.fullmatch(draft.values.get("_id", "")):
        answers = {name: text for name, text in draft.values.items() if not name.startswith("_")}
        at = clock(shown.frame, draft.updated)
        return Sheet(questionnaire, sections, answers, draft.values["_id"], draft.values.get("_etag", ""), at)
    begun = assessments.unfinished(shown.world)
    if begun is None:
        return Sheet(questionnaire, sections, {}, shown.frame.services.new_id())
    version = str((begun.get("meta") or {}).get("versionId") or "")
    return Sheet(questionnaire, sections, responses.fields(questionnaire, begun), str(begun["id"]), version)


def _place(shown: Opened) -> Place:
    return Place(shown.frame.who.connection.name, shown.frame.who.actor.id, shown.id, FORM)


def typed(begun: Sheet) -> Sheet:
    """The sheet with what stands in the fields of the section that was sent; the other sections stay."""
    answers = dict(begun.answers)
    shown_before = request.form.get("shown", "").split()
    for question in begun.section(request.form.get("section", "")).questions:
        if question.link in shown_before:
            texts = [text.replace("\r\n", "\n").strip() for text in request.form.getlist(_PREFIX + question.link)]
            found = [text for text in texts if text]
            # Of one answer of a list and one in other words, the words count.
            answers[question.link] = "\n".join(found if question.repeats else found[-1:])
    # What was read when the answers began goes with them, so that a stale page is found out.
    key = request.form.get("key", "")
    if not begun.kept and KEY.fullmatch(key):
        begun = replace(begun, id=key, etag=request.form.get("etag", ""))
    return replace(begun, answers={link: text for link, text in answers.items() if text})


def keep(shown: Opened, filled: Sheet) -> Sheet:
    """The sheet kept as the viewer's draft; ``kept`` is "" where it is too long for one."""
    made = shown.frame
    values = {**filled.answers, "_id": filled.id, "_etag": filled.etag}
    with made.services.database.write() as tx:
        done = drafts.keep(tx, _place(shown), values, now=made.now, expired=made.now - LIFE)
    return replace(filled, kept=clock(made, made.now) if done else "")


def drop(shown: Opened) -> None:
    """Forgets the draft."""
    with shown.frame.services.database.write() as tx:
        drafts.drop(tx, _place(shown))
