"""Tells in Prometheus's text format how each connection stands, and how many requests of which route took how long.

How connections stand is read from the database, so any process of any machine tells the same; requests are those of
the processes that were forked from one (``gunicorn --preload``, as ``fhirplan serve`` does). It is told to callers of
this machine that came by no proxy, or to those who have the token of ``metrics_token``.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final

from flask import Flask, Request, Response, request

from fhirplan.errors import NotAuthenticated
from fhirplan.interactions.services import Services
from fhirplan.store.sync import circuits, offers, standing
from fhirplan.store.sync.standing import Standing
from fhirplan.web.proxies import came_by_proxy
from fhirplan.web.traffic import BOUNDS, CLASSES, Traffic

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_HERE: Final = frozenset({"127.0.0.1", "::1"})
_STATES: Final = ("waiting", "claimed", "parked", "held")
_SCHEME: Final = "Bearer "
# Name without the prefix, type, meaning.
_KNOWN: Final[tuple[tuple[str, str, str], ...]] = (
    ("up", "gauge", "1: the server answers and its database can be read."),
    ("outbox_entries", "gauge", "Changes that the EHR has not confirmed, by state."),
    ("outbox_oldest_seconds", "gauge", "Age of the oldest change that waits or is being sent; 0 for none."),
    ("conflicts_open", "gauge", "Resources that both sides changed and nobody has decided about."),
    ("ehr_untold", "gauge", "Resources and patients of which the EHR refused to tell."),
    ("notices_waiting", "gauge", "Resources of which the EHR gave notice and that were not fetched yet."),
    ("notices_oldest_seconds", "gauge", "Age of the oldest notice that was not heeded yet; 0 for none."),
    ("pull_lag_seconds", "gauge", "Time since the last pull ended; not there before the first."),
    ("push_lag_seconds", "gauge", "Time since the last push ended; not there before the first."),
    ("checkpoint_age_seconds", "gauge", "Time since the checkpoint of a type was last written."),
    ("ehr_calls_total", "counter", "Requests to the EHR."),
    ("ehr_errors_total", "counter", "Requests to the EHR that came to nothing: no answer, 429 or 5xx."),
    ("ehr_failures_in_row", "gauge", "Requests to the EHR in a row that came to nothing; 0 after one that did not."),
    ("ehr_circuit_open", "gauge", "1 while the EHR is left alone, since it failed or asked for a pause."),
    ("ehr_drift", "gauge", "Things that the EHR no longer offers as it did."),
)
_REQUESTS: Final = "fhirplan_http_requests_total"
_SECONDS: Final = "fhirplan_http_request_seconds"
Sample = tuple[str, Mapping[str, str], float]


def add_metrics(app: Flask, services: Services, traffic: Traffic) -> None:
    """Serves /metrics. Raises NotAuthenticated for a caller from elsewhere without the token."""

    def metrics() -> Response:
        _allowed(request, services.settings.metrics_token)
        told = text(list(_samples(services))) + "".join(f"{line}\n" for line in _requests(traffic))
        made = Response(told, content_type=CONTENT_TYPE)
        made.headers["Cache-Control"] = "no-store"
        return made

    app.add_url_rule("/metrics", "metrics", metrics)


def _allowed(asked: Request, token: str) -> None:
    header = asked.headers.get("Authorization", "")
    given = header.removeprefix(_SCHEME) if header.startswith(_SCHEME) else ""
    if token and hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode()):
        return
    if not token and asked.remote_addr in _HERE and not came_by_proxy(asked.environ):
        return
    raise NotAuthenticated(
        "The metrics are told on this machine only, or with the token of the setting metrics_token as bearer token."
    )


def _samples(services: Services) -> Iterator[Sample]:
    now = services.clock()
    yield "up", {}, 1
    with services.database.read() as tx:
        for connection in services.settings.all_connections:
            if connection.ehr_url:
                yield from _of_connection(connection.name, standing.of(tx, connection.name), now)
                here = {"connection": connection.name}
                circuit = circuits.of(tx, connection.name)
                yield "ehr_failures_in_row", here, circuit.failures if circuit else 0
                yield "ehr_circuit_open", here, int(circuit is not None and now < circuit.until)
                known = offers.of(tx, connection.name)
                yield "ehr_drift", here, len(known.drift) if known else 0


def _of_connection(name: str, found: Standing, now: int) -> Iterator[Sample]:
    here = {"connection": name}
    for state in _STATES:
        yield "outbox_entries", {**here, "state": state}, found.outbox.get(state, (0, 0))[0]
    unsent = [found.outbox[state][1] for state in ("waiting", "claimed") if state in found.outbox]
    yield "outbox_oldest_seconds", here, _age(min(unsent, default=0), now)
    yield "conflicts_open", here, found.conflicts
    yield "ehr_untold", here, found.refusals
    yield "notices_waiting", here, found.notices
    yield "notices_oldest_seconds", here, _age(found.oldest_notice, now)
    if found.activity.pulled:
        yield "pull_lag_seconds", here, _age(found.activity.pulled, now)
    if found.activity.pushed:
        yield "push_lag_seconds", here, _age(found.activity.pushed, now)
    for type_, at in found.checkpoints.items():
        yield "checkpoint_age_seconds", {**here, "type": type_}, _age(at, now)
    yield "ehr_calls_total", here, found.activity.calls
    yield "ehr_errors_total", here, found.activity.errors


def _requests(traffic: Traffic) -> Iterator[str]:
    """The lines about requests: a counter by status, and a histogram of seconds."""
    found = list(traffic.counted())
    yield f"# HELP {_REQUESTS} Requests by route, method and class of status."
    yield f"# TYPE {_REQUESTS} counter"
    for route, method, by_class, _, _ in found:
        for name, number in zip(CLASSES, by_class, strict=True):
            if number:
                yield f"{_REQUESTS}{_labels({'route': route, 'method': method, 'status': name})} {number}"
    yield f"# HELP {_SECONDS} Seconds from a request to the beginning of its answer."
    yield f"# TYPE {_SECONDS} histogram"
    for route, method, _, by_time, seconds in found:
        here = {"route": route, "method": method}
        for bound, number in zip((*map(str, BOUNDS), "+Inf"), accumulate(by_time), strict=True):
            yield f"{_SECONDS}_bucket{_labels({**here, 'le': bound})} {number}"
        yield f"{_SECONDS}_sum{_labels(here)} {seconds:.6f}"
        yield f"{_SECONDS}_count{_labels(here)} {sum(by_time)}"


def _age(at: int, now: int) -> float:
    return max(now - at, 0) / 1000 if at else 0.0


def text(samples: list[Sample]) -> str:
    """The samples in Prometheus's text exposition format 0.0.4, each family together with its meaning."""
    lines: list[str] = []
    for name, kind, meaning in _KNOWN:
        family = [item for item in samples if item[0] == name]
        if family:
            lines += [f"# HELP fhirplan_{name} {meaning}", f"# TYPE fhirplan_{name} {kind}"]
            lines += [f"fhirplan_{name}{_labels(labels)} {value:g}" for _, labels, value in family]
    return "\n".join([*lines, ""])


def _labels(labels: Mapping[str, str]) -> str:
    """Labels between braces; their values are names of ours, which hold nothing that would have to be escaped."""
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
