"""Says what is wrong with a resource: R4's own rules, profiles, terminology, invariants.

>>> from fhirplan.validation import validate
>>> for issue in validate({"resourceType": "Task", "status": "draft", "intent": "plan"}):
...     print(issue.severity, issue.expression, issue.text)  # doctest: +SKIP
"""

from fhirplan.validation.validate import Policy, Validator, validate

__all__ = ["Policy", "Validator", "validate"]
