"""FHIRPath over plain dicts: expressions compiled once to closures (FHIRPath N1; R4 section 2.9).

    rule = compile("detail.empty() or reference.empty()")
    rule.holds(activity, Context(resource=plan))

``NotEvaluable`` is raised for what cannot be compiled or answered; it is never a verdict.
"""

from fhirplan.fhir.path.context import Context
from fhirplan.fhir.path.expression import Expression, compile
from fhirplan.fhir.path.failures import NotEvaluable
from fhirplan.fhir.path.nodes import Node, typed

__all__ = ["Context", "Expression", "Node", "NotEvaluable", "compile", "typed"]
