"""Reads a FHIRPath expression into its syntax tree (FHIRPath N1 section 8 and its grammar)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fhirplan.fhir.path.failures import NotEvaluable
from fhirplan.fhir.path.lexer import Token, tokens
from fhirplan.fhir.path.syntax import (
    Amount,
    Call,
    Empty,
    External,
    Flag,
    Item,
    Loop,
    Member,
    Moment,
    Number,
    Operation,
    Sign,
    Syntax,
    Text,
    This,
    TypeTest,
)

MAX_NESTING: Final = 60

# From loosest to tightest; a level's operators associate to the left. The specification's table and its grammar
# differ on ``is`` and ``as``: ``as`` stands where the table has it (published search parameters join ``x as T`` with
# ``|``), ``is`` where the grammar and the public tests have it (``1 > 2 is Boolean`` is true).
_LEVELS: Final[tuple[frozenset[str], ...]] = (
    frozenset({"implies"}),
    frozenset({"or", "xor"}),
    frozenset({"and"}),
    frozenset({"in", "contains"}),
    frozenset({"=", "~", "!=", "!~"}),
    frozenset({"is"}),
    frozenset({"<", ">", "<=", ">="}),
    frozenset({"|"}),
    frozenset({"as"}),
    frozenset({"+", "-", "&"}),
    frozenset({"*", "/", "div", "mod"}),
)
_BINDS: Final = {operator: level for level, operators in enumerate(_LEVELS) for operator in operators}
_UNITS: Final = frozenset(
    f"{unit}{plural}"
    for unit in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for plural in ("", "s")
)
# Words of the language that are also element names in use (TestScript.setup.action.assert has none, ValueSet has
# ``contains``, StructureMap ``as``); after a dot they are names.
_RESERVED: Final = frozenset({"and", "or", "xor", "implies", "div", "mod", "true", "false"})


def parse(expression: str) -> Syntax:
    """The syntax tree of an expression; raises NotEvaluable for anything the grammar does not allow."""
    reader = _Reader(tokens(expression))
    tree = reader.expression(0)
    reader.expect_end()
    return tree


class _Reader:
    """Walks the tokens once, from the left, without going back."""

    def __init__(self, stream: list[Token]) -> None:
        self._stream = stream
        self._at = 0
        self._nesting = 0

    def _peek(self) -> Token:
        return self._stream[self._at]

    def _next(self) -> Token:
        token = self._stream[self._at]
        self._at += 1
        return token

    def _takes(self, symbol: str) -> bool:
        token = self._peek()
        if token.kind == "symbol" and token.text == symbol:
            self._at += 1
            return True
        return False

    def _expect(self, symbol: str) -> None:
        if not self._takes(symbol):
            raise self._unexpected(f"expected {symbol!r}")

    def expect_end(self) -> None:
        """Raises NotEvaluable when anything is left."""
        if self._peek().kind != "end":
            raise self._unexpected("expected an operator or the end")

    def _unexpected(self, wanted: str) -> NotEvaluable:
        token = self._peek()
        found = "the end" if token.kind == "end" else repr(token.text)
        return NotEvaluable(f"The expression cannot be read at character {token.at + 1}: {wanted}, found {found}.")

    def expression(self, level: int) -> Syntax:
        """An expression of operators that bind at least as tightly as ``level``."""
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise NotEvaluable(f"The expression is nested more than {MAX_NESTING} levels deep.")
        left = self._signed()
        while (operator := self._operator(level)) is not None:
            if operator in ("is", "as"):
                left = TypeTest(operator, left, self._qualified_name())
            else:
                left = Operation(operator, left, self.expression(_BINDS[operator] + 1))
        self._nesting -= 1
        return left

    def _operator(self, level: int) -> str | None:
        token = self._peek()
        if token.kind in ("symbol", "name") and _BINDS.get(token.text, -1) >= level:
            self._at += 1
            return token.text
        return None

    def _signed(self) -> Syntax:
        signs = []
        while self._peek().kind == "symbol" and self._peek().text in "+-":
            signs.append(self._next().text)
        node = self._path()
        for sign in reversed(signs):
            node = Sign(sign, node)
        return node

    def _path(self) -> Syntax:
        node = self._term()
        while True:
            if self._takes("."):
                node = self._step(node, first=False)
            elif self._takes("["):
                node = Item(node, self.expression(0))
                self._expect("]")
            else:
                return node

    def _step(self, target: Syntax, *, first: bool) -> Syntax:
        token = self._next()
        if token.kind == "this":
            return self._special(token)
        if token.kind not in ("name", "quoted"):
            self._at -= 1
            raise self._unexpected("expected a name")
        if self._takes("("):
            return Call(target, token.text, self._arguments())
        return Member(target, token.text, first)

    def _arguments(self) -> tuple[Syntax, ...]:
        if self._takes(")"):
            return ()
        made = [self.expression(0)]
        while self._takes(","):
            made.append(self.expression(0))
        self._expect(")")
        return tuple(made)

    def _term(self) -> Syntax:
        token = self._peek()
        match token.kind:
            case "string":
                self._at += 1
                return Text(token.text)
            case "number":
                self._at += 1
                return self._number(token.text)
            case "temporal":
                self._at += 1
                return Moment(token.text)
            case "external":
                self._at += 1
                return External(token.text)
            case "this":
                return self._special(self._next())
            case "symbol" if token.text == "(":
                self._at += 1
                node = self.expression(0)
                self._expect(")")
                return node
            case "symbol" if token.text == "{":
                self._at += 1
                self._expect("}")
                return Empty()
            case "name" if token.text in ("true", "false"):
                self._at += 1
                return Flag(token.text == "true")
            case "name" if token.text in _RESERVED:
                raise self._unexpected("expected a value")
            case "name" | "quoted":
                return self._step(This(), first=True)
        raise self._unexpected("expected a value")

    def _special(self, token: Token) -> Syntax:
        if token.text == "$this":
            return This()
        if token.text in ("$index", "$total"):
            return Loop(token.text[1:])
        raise NotEvaluable(f"{token.text} is not a FHIRPath variable.")

    def _number(self, text: str) -> Syntax:
        value = Decimal(text) if "." in text else int(text)
        token = self._peek()
        if token.kind == "string":
            self._at += 1
            return Amount(value, token.text, calendar=False)
        if token.kind == "name" and token.text in _UNITS:
            self._at += 1
            return Amount(value, token.text.removesuffix("s"), calendar=True)
        return Number(value)

    def _qualified_name(self) -> str:
        parts = [self._name()]
        while self._takes("."):
            parts.append(self._name())
        return ".".join(parts)

    def _name(self) -> str:
        token = self._peek()
        if token.kind not in ("name", "quoted"):
            raise self._unexpected("expected a type name")
        self._at += 1
        return token.text
