"""The one error of FHIRPath: an expression that cannot be read, or cannot be answered here."""

from __future__ import annotations


class NotEvaluable(ValueError):
    """The expression cannot be compiled or has no answer on this input; says why in plain words.

    It is never a verdict: a rule whose expression raises this was not checked, so report a warning, not a failure.
    The message names functions, operators and types of the expression, and never quotes the resource.
    """
