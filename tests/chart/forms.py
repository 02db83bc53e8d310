"""Questionnaires that the tests of forms share: one of every kind of question, and one with conditions."""

CODE = {"system": "urn:x", "code": "a", "display": "Apple"}
ALL_KINDS = {
    "resourceType": "Questionnaire",
    "title": "Everything",
    "item": [
        {"linkId": "b", "text": "b", "type": "boolean"},
        {"linkId": "d", "text": "d", "type": "decimal"},
        {"linkId": "i", "text": "i", "type": "integer"},
        {"linkId": "day", "text": "day", "type": "date"},
        {"linkId": "at", "text": "at", "type": "dateTime"},
        {"linkId": "t", "text": "t", "type": "time"},
        {"linkId": "s", "text": "s", "type": "string", "maxLength": 5},
        {"linkId": "x", "text": "x", "type": "text"},
        {"linkId": "u", "text": "u", "type": "url"},
        {"linkId": "c", "text": "c", "type": "choice", "answerOption": [{"valueCoding": CODE}]},
        {"linkId": "o", "text": "o", "type": "open-choice", "answerOption": [{"valueString": "usual"}]},
        {"linkId": "r", "text": "r", "type": "string", "repeats": True},
        {
            "linkId": "q",
            "text": "q",
            "type": "quantity",
            "extension": [
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-unit",
                    "valueCoding": {"system": "http://unitsofmeasure.org", "code": "kg", "display": "kg"},
                }
            ],
        },
        {"linkId": "a", "text": "a", "type": "attachment"},
    ],
}
TYPED = {
    "b": "no",
    "d": "1.50",
    "i": "-3",
    "day": "2026-03-09",
    "at": "2026-03-09T08:02",
    "t": "14:30",
    "s": "short",
    "x": "two\nlines",
    "u": "http://example.org",
    "c": "a",
    "o": "something else",
    "r": "one\ntwo",
    "q": "82.60",
}


def conditional(*when, behavior=None):
    item = {"linkId": "then", "text": "then", "type": "string", "enableWhen": list(when)}
    return {
        "resourceType": "Questionnaire",
        "item": [
            {"linkId": "n", "text": "n", "type": "integer"},
            {"linkId": "y", "text": "y", "type": "boolean"},
            {"linkId": "c", "text": "c", "type": "choice", "answerOption": [{"valueCoding": CODE}]},
            {**item, "enableBehavior": behavior} if behavior else item,
            {
                "linkId": "after",
                "text": "after",
                "type": "string",
                "enableWhen": [{"question": "then", "operator": "exists", "answerBoolean": True}],
            },
        ],
    }


def when(question, operator, **answer):
    return {"question": question, "operator": operator, **answer}
