"""The choice elements of R4 (``value[x]``), so that a path can say ``value`` (R4 section 2.24.0.3)."""

from __future__ import annotations

from typing import Final

_ANY: Final = (
    "base64Binary boolean canonical code date dateTime decimal id instant integer markdown oid positiveInt string time "
    "unsignedInt uri url uuid Address Age Annotation Attachment CodeableConcept Coding ContactPoint Count Distance "
    "Duration HumanName Identifier Money Period Quantity Range Ratio Reference SampledData Signature Timing "
    "ContactDetail Contributor DataRequirement Expression ParameterDefinition RelatedArtifact TriggerDefinition "
    "UsageContext Dosage Meta"
)
_BOUND: Final = "Quantity date dateTime decimal instant integer positiveInt time unsignedInt"
_WHEN: Final = "Age Period Range dateTime string"

# Element name -> the types it takes, over all R4 types that have a choice element of that name.
_TYPES: Final = {
    "abatement": _WHEN,
    "additive": "CodeableConcept Reference",
    "age": "Age CodeableConcept Range string",
    "allowed": "CodeableConcept Money boolean string unsignedInt",
    "amount": "Quantity Range Ratio string",
    "answer": "Coding Quantity Reference boolean date dateTime decimal integer string time",
    "asNeeded": "CodeableConcept boolean",
    "author": "Reference string",
    "born": "Period date string",
    "bounds": "Duration Period Range",
    "characteristic": "CodeableConcept Quantity",
    "chargeItem": "CodeableConcept Reference",
    "code": "CodeableConcept Reference",
    "collected": "Period dateTime",
    "content": "Attachment Reference string",
    "created": "Period dateTime",
    "date": "Period dateTime",
    "deceased": "Age Range boolean date dateTime string",
    "defaultValue": _ANY,
    "definingSubstance": "CodeableConcept Reference",
    "definition": "CodeableConcept DataRequirement Expression canonical uri",
    "detail": "CodeableConcept Quantity Range Ratio boolean integer string",
    "diagnosis": "CodeableConcept Reference",
    "dose": "Quantity Range",
    "doseNumber": "positiveInt string",
    "due": "Duration date",
    "duration": "Quantity Range",
    "effective": "Period Timing dateTime instant",
    "entity": "CodeableConcept Reference",
    "event": "CodeableConcept Coding Reference dateTime id uri",
    "example": "boolean canonical",
    "fastingStatus": "CodeableConcept Duration",
    "fixed": _ANY,
    "identified": "Period dateTime",
    "indication": "CodeableConcept Reference",
    "instances": "Quantity Range",
    "item": "CodeableConcept Reference",
    "legallyBinding": "Attachment Reference",
    "location": "Address CodeableConcept Reference",
    "manufacturer": "Reference string",
    "maxValue": _BOUND,
    "medication": "CodeableConcept Reference",
    "minValue": _BOUND,
    "minimumVolume": "Quantity string",
    "module": "CodeableConcept canonical uri",
    "multipleBirth": "boolean integer",
    "name": "Reference url",
    "occurred": "Period dateTime",
    "occurrence": "Period Timing dateTime string",
    "offset": "Duration Range",
    "onset": _WHEN,
    "participantEffective": "Duration Period Timing dateTime",
    "pattern": _ANY,
    "performed": _WHEN,
    "probability": "Range decimal",
    "procedure": "CodeableConcept Reference",
    "product": "CodeableConcept Reference",
    "quantity": "Quantity Range Ratio",
    "rate": "Quantity Range Ratio",
    "reported": "Reference boolean",
    "scheduled": "Period Timing string",
    "seriesDoses": "positiveInt string",
    "serviced": "Period date",
    "source": "Attachment Reference canonical uri",
    "start": "CodeableConcept date",
    "statusReason": "CodeableConcept Reference",
    "studyEffective": "Duration Period Timing dateTime",
    "subject": "CodeableConcept Reference",
    "substance": "CodeableConcept Reference",
    "target": "Identifier Reference canonical uri",
    "time": "Period dateTime",
    "timing": "Age Duration Period Range Reference Timing date dateTime",
    "topic": "CodeableConcept Reference",
    "used": "Money string unsignedInt",
    "value": _ANY,
    "when": "Period Range",
}


def _keys(name: str, types: str) -> dict[str, str]:
    made = {}
    for type_ in types.split():
        key = name + type_[0].upper() + type_[1:]
        made[key] = type_
        made["_" + key] = type_
    return made


# Element name -> JSON key (with and without the underscore of a primitive's extensions) -> type.
CHOICES: Final[dict[str, dict[str, str]]] = {name: _keys(name, types) for name, types in _TYPES.items()}

# JSON key -> (element name, type), for a walk over all children of an element.
SPELLED: Final[dict[str, tuple[str, str]]] = {
    key: (name, type_) for name, keys in CHOICES.items() for key, type_ in keys.items() if key[0] != "_"
}
