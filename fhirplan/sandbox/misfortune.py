"""Makes a request go wrong in the way that a rule of the script says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from fhirplan.errors import FhirplanError, Issue
from fhirplan.fhir import codec, outcome
from fhirplan.sandbox import asking, showing
from fhirplan.sandbox.asking import Remark
from fhirplan.sandbox.authorize import Gate
from fhirplan.sandbox.calls import Reply
from fhirplan.sandbox.faults import Faults, Kind, Occasion, Rule
from fhirplan.sandbox.persona import Persona
from fhirplan.sandbox.refusals import ScopeRefused, TokenRefused, WrongMethod, status_of, told
from fhirplan.sandbox.resources import Store

_PAGE: Final = (
    b"<!DOCTYPE html>\n<html><head><title>Bad Gateway</title></head>"
    b"<body><h1>The page cannot be displayed</h1><p>proxy-07</p></body></html>\n"
)
_DELAY: Final = 2.0
_SKEW: Final = -30.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a request is played: the EHR's data, whose EHR it is, and its gate when there is one."""

    store: Store
    persona: Persona
    gate: Gate | None = None
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Scene:
    """One request that may go wrong: how it would be answered, what it would change, and its Authorization header."""

    occasion: Occasion
    perform: Callable[[], Reply]
    targets: Callable[[], Iterable[str]]
    authorization: str = ""

    def answered(self) -> Reply:
        """What is answered when nothing goes wrong, a refusal included."""
        try:
            return self.perform()
        except FhirplanError as error:
            return refused(error)


def refused(error: FhirplanError) -> Reply:
    """A refusal as an answer."""
    headers = {}
    if isinstance(error, WrongMethod):
        headers["Allow"] = ", ".join(error.allowed)
    if isinstance(error, TokenRefused | ScopeRefused):
        headers["WWW-Authenticate"] = error.challenge
    return Reply(status_of(error), codec.dumps(told(error)), headers)


def play(faults: Faults, stage: Stage, scene: Scene) -> Reply:
    """The answer to a request, as the script would have it."""
    rule = faults.choose(scene.occasion)
    if rule is None:
        return scene.answered()
    reply = _PLAYED[rule.fault](rule, stage, scene)
    if reply is None:
        faults.give_back(rule)
        return scene.answered()
    return reply


def _throttle(rule: Rule, _: Stage, __: Scene) -> Reply:
    return _said(429, "throttled", "Too many requests. Wait, then send this again.", rule)


def _unavailable(rule: Rule, _: Stage, scene: Scene) -> Reply:
    if rule.after:
        scene.answered()
    return _said(rule.status or 503, "transient", "The EHR is not available. Try again later.", rule)


def _said(status: int, code: str, text: str, rule: Rule) -> Reply:
    headers = {} if rule.retry_after is None else {"Retry-After": str(rule.retry_after)}
    return Reply(status, codec.dumps(outcome.outcome([Issue("error", code, text)])), headers)


def _slow(rule: Rule, stage: Stage, scene: Scene) -> Reply:
    stage.sleep(_DELAY if rule.seconds is None else rule.seconds)
    return scene.answered()


def _lost_request(_: Rule, __: Stage, ___: Scene) -> Reply:
    return Reply(503, lost="reply")


def _lost_reply(_: Rule, __: Stage, scene: Scene) -> Reply:
    return replace(scene.answered(), lost="reply")


def _reset(_: Rule, __: Stage, scene: Scene) -> Reply:
    return replace(scene.answered(), lost="rest")


def _duplicates(_: Rule, __: Stage, scene: Scene) -> Reply | None:
    """Every resource found stands twice on the page."""
    return _with_page(scene, lambda bundle: {**bundle, "entry": bundle["entry"] * 2} if "entry" in bundle else None)


def _with_page(scene: Scene, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Reply | None:
    """The answer with its Bundle changed; None when it is no page or there is nothing to change."""
    if not scene.occasion.is_page:
        return None
    reply = scene.answered()
    if reply.status != 200:
        return None
    changed = change(codec.loads(reply.body))
    return None if changed is None else replace(reply, body=codec.dumps(changed))


def _skew(rule: Rule, stage: Stage, scene: Scene) -> Reply:
    seconds = _SKEW if rule.seconds is None else rule.seconds
    with stage.store.skewed(int(seconds * 1000)):
        return scene.answered()


def _stale(rule: Rule, stage: Stage, scene: Scene) -> Reply:
    with stage.store.behind(rule.behind or 1):
        return scene.answered()


def _html(rule: Rule, _: Stage, scene: Scene) -> Reply:
    if rule.after:
        scene.answered()
    return Reply(rule.status or 502, _PAGE, {"Content-Type": "text/html; charset=utf-8"})


def _expired_token(_: Rule, stage: Stage, scene: Scene) -> Reply:
    if stage.gate:
        stage.gate.expire(scene.authorization)
    challenge = {"WWW-Authenticate": 'Bearer realm="fhir", error="invalid_token"'}
    body = outcome.outcome([Issue("error", "expired", "The token has expired. Ask for a new one.")])
    return Reply(401, codec.dumps(body), challenge)


def _expired_page(_: Rule, stage: Stage, __: Scene) -> Reply:
    return refused(asking.expired(stage.persona, "The session of this page link has expired. Search again."))


def _outcome(rule: Rule, stage: Stage, scene: Scene) -> Reply | None:
    """The EHR's own code: as a remark on a page that is found, or alone where a status is given."""
    remark = Remark("The EHR has something to say of this request; its code tells what.", rule.code)
    if rule.status is not None:
        body = showing.remark_outcome(stage.persona, remark, rule.severity)
        return Reply(rule.status, codec.dumps(body))
    entry = showing.remark_entries(stage.persona, [remark])
    entry[0]["resource"]["issue"][0]["severity"] = rule.severity
    return _with_page(scene, lambda bundle: {**bundle, "entry": [*bundle.get("entry", []), *entry]})


def _bump(rule: Rule, stage: Stage, scene: Scene) -> Reply | None:
    """Somebody else writes what this request is about to write, just before it does."""
    bumped = False
    for key in scene.targets():
        type_, _, id_ = key.partition("/")
        with stage.store.transaction():
            current = stage.store.latest(type_, id_)
            if current and current.body is not None:
                stage.store.write("PUT", 200, id_, {**codec.loads(current.body), **(rule.edit or {})})
                bumped = True
    return scene.answered() if bumped else None


_PLAYED: Final[Mapping[Kind, Callable[[Rule, Stage, Scene], Reply | None]]] = {
    "throttle": _throttle,
    "unavailable": _unavailable,
    "slow": _slow,
    "lost-request": _lost_request,
    "lost-reply": _lost_reply,
    "reset": _reset,
    "duplicates": _duplicates,
    "skew": _skew,
    "stale": _stale,
    "html": _html,
    "expired-token": _expired_token,
    "expired-page": _expired_page,
    "outcome": _outcome,
    "bump": _bump,
}
