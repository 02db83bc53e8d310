"""Describes the HTTP API as OpenAPI 3.0, derived from what the CapabilityStatement is derived from."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from fhirplan import __version__
from fhirplan.catalog import CATALOG, ResourceSpec
from fhirplan.catalog.compartment import BESIDE, PATIENT
from fhirplan.fhir.codec import dumps
from fhirplan.interactions.address import AUDIT, TYPES
from fhirplan.interactions.operations.declarations import OPERATIONS
from fhirplan.interactions.operations.operation import Operation, name
from fhirplan.interactions.parameters import refuse_parameters
from fhirplan.interactions.services import Services
from fhirplan.interactions.values import Interaction, Reply

_FORMATS: Final = ("application/fhir+json", "application/fhir+xml")
_HISTORY: Final = ("_count", "_since", "_at")
_RESULTS: Final = ("_count",)
_BELOW: Final = tuple(sorted((*PATIENT, *BESIDE)))
_PREFER: Final = ["return=minimal", "return=representation", "return=OperationOutcome"]


def openapi(_services: Services, interaction: Interaction) -> Reply:
    """200 with the description as JSON; raises MalformedRequest for a parameter."""
    refuse_parameters(interaction)
    return Reply(200, _described(interaction.base), media="application/json")


@cache
def _described(base: str) -> bytes:
    paths: dict[str, Any] = {
        "/metadata": {"get": _call("capabilities", "What this server is and does")},
        "/": {
            "get": _call("search-system", "Search several types", _named(("_type", "_id", "_lastUpdated", "_count"))),
            "post": _call("bundle", "Carry out a transaction or a batch", body="Bundle"),
        },
        "/$explain": {"post": _call("access-explain", OPERATIONS["access-explain"].title, body="Parameters")},
        "/_history": {"get": _call("history-system", "All versions, newest first", _named(_HISTORY))},
    }
    for type_ in TYPES:
        paths[f"/{type_}"] = {"get": _call(f"{type_}-search", f"All {type_} resources")}
        paths[f"/{type_}/{{id}}"] = {"get": _call(f"{type_}-read", f"One {type_}", [_ref("id")])}
        for item in OPERATIONS.values():
            if type_ in item.types:
                paths.update(_operation(item, type_))
    paths[f"/{AUDIT}"] = {"get": _call(f"{AUDIT}-search", "Accesses", _named(("patient", "date", "_count")))}
    paths[f"/{AUDIT}/{{id}}"] = {"get": _call(f"{AUDIT}-read", "One access", [_ref("id")])}
    for type_ in sorted(CATALOG):
        paths.update(_of_type(CATALOG[type_]))
    paths.update(_compartment())
    return dumps(
        {
            "openapi": "3.0.3",
            "info": {"title": "fhirplan FHIR R4 API", "version": __version__},
            "servers": [{"url": base}],
            "paths": paths,
            "components": _components(),
        }
    )


def _of_type(spec: ResourceSpec) -> dict[str, Any]:
    type_ = spec.type
    search = [*(_query(item.code) for item in spec.parameters), *_named(_RESULTS)]
    id_, version = _ref("id"), _ref("vid")
    condition = [*(_query(item.code) for item in spec.parameters), _ref("If-Match"), _ref("Prefer")]
    writes = [_ref("Prefer"), _ref("If-Match")]
    made: dict[str, Any] = {
        f"/{type_}": {
            "get": _call(f"{type_}-search", f"Search {type_}", search),
            "post": _call(f"{type_}-create", f"Create a {type_}", [_ref("Prefer"), _ref("If-None-Exist")], type_),
            "put": _call(f"{type_}-conditional-update", "Update the one that the query finds", condition, type_),
            "patch": _call(f"{type_}-conditional-patch", "Patch the one that the query finds", condition, "Patch"),
            "delete": _call(f"{type_}-conditional-delete", "Delete the one that the query finds", condition),
        },
        f"/{type_}/_search": {"post": _call(f"{type_}-search-form", f"Search {type_} by a form", search, "Form")},
        f"/{type_}/_history": {"get": _call(f"{type_}-history", f"Versions of every {type_}", _named(_HISTORY))},
        f"/{type_}/{{id}}": {
            "get": _call(f"{type_}-read", f"Read a {type_}", [id_, _ref("If-None-Match"), _ref("If-Modified-Since")]),
            "put": _call(f"{type_}-update", f"Update a {type_}, or create it", [id_, *writes], type_),
            "patch": _call(f"{type_}-patch", f"Change part of a {type_}", [id_, *writes], "Patch"),
            "delete": _call(f"{type_}-delete", f"Delete a {type_}", [id_, *writes]),
        },
        f"/{type_}/{{id}}/_history": {
            "get": _call(f"{type_}-history-instance", f"Versions of a {type_}", [id_, *_named(_HISTORY)])
        },
        f"/{type_}/{{id}}/_history/{{vid}}": {
            "get": _call(f"{type_}-vread", f"One version of a {type_}", [id_, version])
        },
    }
    for item in OPERATIONS.values():
        if item.serves(type_):
            made.update(_operation(item, type_))
    # What explains a search takes what the search takes.
    asked = [*search, _query("resource")]
    made[f"/{type_}/$explain"] = {
        "get": _call(f"{type_}-explain-get", OPERATIONS["explain"].title, asked),
        "post": _call(f"{type_}-explain-post", OPERATIONS["explain"].title, asked, "Form"),
    }
    return made


def _compartment() -> dict[str, Any]:
    """What is searched below a patient: each type that belongs there, and all at once (R4 section 3.1.1.4.1)."""
    named = {type_: [*(_query(item.code) for item in CATALOG[type_].parameters), *_named(_RESULTS)] for type_ in _BELOW}
    named["*"] = _named(("_type", "_id", "_lastUpdated", "_count"))
    made: dict[str, Any] = {}
    for type_, search in named.items():
        what = "everything" if type_ == "*" else type_
        asked, id_ = [_ref("id"), *search], f"Patient-compartment-{what}"
        path, text = f"/Patient/{{id}}/{type_}", f"Search {what} of a patient"
        made[path] = {"get": _call(id_, text, asked)}
        made[f"{path}/_search"] = {"post": _call(f"{id_}-form", f"{text} by a form", asked, "Form")}
    return made


def _operation(item: Operation, type_: str) -> dict[str, Any]:
    query = [_query(one.name) for one in item.inputs if one.type not in ("Resource", "Meta", "PlanDefinition")]
    places = [(f"/{type_}/{{id}}/${name(item)}", [_ref("id"), *query], "instance")] if item.at_instance else []
    if item.at_type:
        places.append((f"/{type_}/${name(item)}", query, "type"))
    return {
        path: {
            method.lower(): _call(
                f"{type_}-{name(item)}-{level}-{method.lower()}",
                item.title,
                given,
                "Parameters" if method == "POST" else "",
            )
            for method in item.methods
            if method != "HEAD"
        }
        for path, given, level in places
    }


def _call(id_: str, summary: str, parameters: Iterable[dict[str, Any]] = (), body: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": id_,
        "summary": summary,
        "parameters": [*parameters, _ref("_format"), _ref("_pretty")],
        "responses": {"2XX": {"$ref": "#/components/responses/Resource"}},
    }
    made["responses"]["default"] = {"$ref": "#/components/responses/OperationOutcome"}
    if body:
        made["requestBody"] = _body(body)
    return made


def _body(what: str) -> dict[str, Any]:
    if what == "Form":
        form = {"type": "object", "additionalProperties": {"type": "string"}}
        return {"content": {"application/x-www-form-urlencoded": {"schema": form}}}
    schema = {"$ref": f"#/components/schemas/{'Parameters' if what == 'Patch' else what}"}
    content: dict[str, Any] = {"application/fhir+json": {"schema": schema}}
    if what == "Patch":
        content["application/json-patch+json"] = {"schema": {"$ref": "#/components/schemas/JsonPatch"}}
    return {"required": what != "Parameters", "content": content}


def _ref(name_: str) -> dict[str, Any]:
    return {"$ref": f"#/components/parameters/{name_}"}


def _named(names: Iterable[str]) -> list[dict[str, Any]]:
    return [_query(item) for item in names]


def _query(name_: str) -> dict[str, Any]:
    return {"name": name_, "in": "query", "schema": {"type": "string"}}


def _components() -> dict[str, Any]:
    places = {
        "id": ("path", {"type": "string", "pattern": r"^[A-Za-z0-9\-.]{1,64}$"}),
        "vid": ("path", {"type": "string", "pattern": "^[0-9]{1,9}$"}),
        "_format": ("query", {"type": "string", "enum": ["json", "xml", *_FORMATS]}),
        "_pretty": ("query", {"type": "string", "enum": ["true", "false"]}),
        "Prefer": ("header", {"type": "string", "enum": _PREFER}),
        "If-Match": ("header", {"type": "string", "pattern": '^W/"[0-9]{1,9}"$'}),
        "If-None-Match": ("header", {"type": "string", "pattern": '^W/"[0-9]{1,9}"$'}),
        "If-Modified-Since": ("header", {"type": "string"}),
        "If-None-Exist": ("header", {"type": "string"}),
    }
    parameters = {
        key: {"name": key, "in": place, "schema": schema, **({"required": True} if place == "path" else {})}
        for key, (place, schema) in places.items()
    }
    content = {media: {"schema": {"$ref": "#/components/schemas/Resource"}} for media in _FORMATS}
    schemas: dict[str, Any] = {
        "Resource": _resource(None),
        "JsonPatch": {"type": "array", "items": _JSON_PATCH},
        **{type_: _resource(type_) for type_ in (*sorted(CATALOG), "Bundle", "Parameters", "OperationOutcome")},
    }
    return {
        "parameters": parameters,
        "schemas": schemas,
        "responses": {
            "Resource": {"description": "The resource, a Bundle, or nothing where nothing was asked for"},
            "OperationOutcome": {"description": "What is wrong and what to do", "content": content},
        },
    }


_JSON_PATCH: Final = {
    "type": "object",
    "required": ["op", "path"],
    "properties": {
        "op": {"type": "string", "enum": ["add", "remove", "replace", "move", "copy", "test"]},
        "path": {"type": "string"},
        "from": {"type": "string"},
        "value": {},
    },
}


def _resource(type_: str | None) -> dict[str, Any]:
    named: dict[str, Any] = {"type": "string"}
    if type_:
        named["enum"] = [type_]
    return {
        "type": "object",
        "required": ["resourceType"],
        "properties": {"resourceType": named, "id": {"type": "string"}, "meta": {"type": "object"}},
    }
