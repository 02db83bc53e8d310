"""Writes docs/reference from the code: settings, commands, errors, the FHIR API."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from pathlib import Path
from typing import Final

import click

from fhirplan import settings
from fhirplan.catalog import us_core
from fhirplan.cli import main as cli
from fhirplan.coordination.moves import ACHIEVEMENT, MACHINES
from fhirplan.coordination.vocabulary import BUSINESS
from fhirplan.fhir import codec
from fhirplan.fhir.structure import Element
from fhirplan.validation.invariants import REPORTED_AT

ROOT = Path(__file__).resolve().parents[1]
NOTE = "<!-- Made from the code by `make docs`; edit there. -->\n"


def pages() -> dict[str, str]:
    """Each generated page: file name and text."""
    return {
        "settings.md": _settings(),
        "commands.md": _commands(),
        "errors.md": _errors(),
        "fhir-api.md": _fhir_api(),
        "rules.md": _rules(),
        "us-core-searches.md": _us_core(),
        "state-machines.md": _state_machines(),
    }


def _state_machines() -> str:
    rows = [
        "# State machines",
        "",
        NOTE,
        "Which status may follow which, as every write is judged by it: over HTTP, in a transaction, by a patch, from",
        "the page and from a resolved conflict. **L**: in FHIR's own diagram. **A**: added by its notes.",
        "**w**: taken, with a warning that a step was left out. Blank: refused (422). What an EHR says is never",
        "refused; what would be an error is kept as the finding `cm-sm-import`. Why it is so:",
        "[coordination](../explanation/coordination.md).",
    ]
    for kind, machine in MACHINES.items():
        states = list(machine.table)
        rows += ["", f"## {kind}.{machine.element}", "", f"Rule `{machine.rule}`."]
        if machine.initial:
            rows += [f"It begins as {', '.join(sorted(machine.initial))}."]
        rows += ["", f"| from \\ to | {' | '.join(states)} |", f"|{'---|' * (len(states) + 1)}"]
        for state in states:
            marks = ["·" if to == state else machine.table[state].get(to, "") for to in states]
            rows.append(f"| **{state}** | {' | '.join(marks)} |")
        held = "a person is held to it by `cm-sm-task-who`" if kind == "Task" else "said in the refusal, not enforced"
        rows += ["", f"Who makes the move to a status ({held}):", ""]
        rows += [
            f"- {to or 'any other'}: {who}" for to, who in sorted(machine.who.items(), key=lambda item: item[0] == "")
        ]
        if machine.instead:
            rows += ["", f"At an end: {machine.instead}"]
    rows += [
        "",
        "## Goal.achievementStatus",
        "",
        "What it may be while the lifecycle is so; any where none is listed.",
        "",
    ]
    rows += ["| lifecycleStatus | achievementStatus |", "|---|---|"]
    for state, allowed in ACHIEVEMENT.items():
        rows.append(f"| {state} | {', '.join(sorted(item or 'none' for item in allowed))} |")
    rows += [
        "",
        "## What goes with a business status of a Task",
        "",
        "| businessStatus | group | status |",
        "|---|---|---|",
    ]
    for name, (group, statuses) in BUSINESS.items():
        rows.append(f"| {name} | {group} | {', '.join(sorted(statuses))} |")
    return "\n".join(rows) + "\n"


def _settings() -> str:
    rows = [
        "# Settings",
        "",
        NOTE,
        "A TOML file (`fhirplan.toml` in the working folder, or `FHIRPLAN_CONFIG`) and, over it, environment",
        "variables: `max_count` in the file is `FHIRPLAN_MAX_COUNT` in the environment. A wrong or unknown key stops",
        "the start with a message that names it.",
        "",
        "## The server",
        "",
        *_table(settings.Settings),
        "",
        "## One connection to an EHR",
        "",
        "At the top level these describe the default connection (served at `/fhir`); further ones stand in tables",
        "`[connections.NAME]` (served at `/NAME/fhir`). In the environment `FHIRPLAN_EHR_TOKEN` is of the default one,",
        "`FHIRPLAN_MERCY_WEST__EHR_TOKEN` of `[connections.mercy-west]`.",
        "",
        *_table(settings.Connection),
    ]
    return "\n".join(rows) + "\n"


def _table(of: type) -> list[str]:
    rows = ["| key | meaning | accepted | default |", "|---|---|---|---|"]
    for item in dataclasses.fields(of):
        if not item.metadata:
            continue
        check = item.metadata["check"]
        accepted = item.metadata["accepted"] or ", ".join(f"`{one}`" for one in check.get("one_of", ()))
        if "minimum" in check:
            accepted = f"{check['minimum']} or more"
        default = "" if item.default in ("", ()) else f"`{item.default}`"
        cells = f"`{item.name}`", item.metadata["meaning"], accepted or "text", default or "none"
        rows.append("| " + " | ".join(cell.replace("|", chr(92) + "|") for cell in cells) + " |")
    return rows


def _commands() -> str:
    rows = ["# Commands", "", NOTE, "`fhirplan COMMAND --help` says the same in a terminal.", ""]
    for name in cli.COMMANDS:
        command = importlib.import_module(f"fhirplan.cli.{name}").command
        rows += _command(command, f"fhirplan {name}", 2)
    return "\n".join(rows)


def _command(command: click.Command, path: str, level: int) -> list[str]:
    context = click.Context(command, info_name=path)
    rows = [f"{'#' * level} {path}", "", inspect.cleandoc(command.help or "").replace("\b\n", ""), ""]
    options = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    if options:
        rows += ["| option | meaning |", "|---|---|"]
        rows += [
            f"| `{name.replace('|', chr(92) + '|')}` | {text.replace('|', chr(92) + '|')} |" for name, text in options
        ]
        rows.append("")
    if isinstance(command, click.Group):
        for sub in command.commands.values():
            rows += _command(sub, f"{path} {sub.name}", level + 1)
    return rows


def _errors() -> str:
    from fhirplan.interactions import outcomes

    rows = [
        "# Errors",
        "",
        NOTE,
        "Every answer that is not a resource is an OperationOutcome. `code` is its issue code.",
        "",
    ]
    rows += ["The first that fits counts.", ""]
    rows += ["| error | status | code | meaning |", "|---|---|---|---|"]
    for error, status in outcomes.STATUS:
        meaning = inspect.cleandoc(error.__doc__ or "").split("\n\n", maxsplit=1)[0].replace("\n", " ")
        rows.append(f"| {error.__name__} | {status} | `{error.code}` | {meaning} |")
    return "\n".join(rows) + "\n"


def _fhir_api() -> str:
    from fhirplan.catalog import CATALOG, COMMON

    rows = ["# The FHIR API", "", NOTE, "What `/fhir/metadata` claims, from the same source.", "", "## Every type", ""]
    rows += ["| parameter | type |", "|---|---|", *(f"| `{item.code}` | {item.type} |" for item in COMMON), ""]
    for name in sorted(CATALOG):
        spec = CATALOG[name]
        rows += [f"## {name}", ""]
        if spec.profile:
            rows += [f"Profile: `{spec.profile}`", ""]
        rows += ["| parameter | type | FHIRPath |", "|---|---|---|"]
        rows += [
            f"| `{item.code}` | {item.type} | `{item.expression.replace('|', chr(92) + '|')}` |" for item in spec.search
        ]
        rows.append("")
    return "\n".join([*rows, *_NOT_OFFERED])


_NOT_OFFERED: Final = (
    "## What is not offered",
    "",
    "- Composite parameters (`code-value-quantity` of Observation, `relationship` of DocumentReference): CarePlan,",
    "  Goal, Task and CareTeam have none in R4, and the parts of others can be asked for one by one.",
    "- `_contained` with anything but `false`, and `_containedType`: contained resources are not found on their own,",
    "  they come in the resource that contains them.",
    "",
    "Each is refused by its name, with what is offered instead; `Prefer: handling=lenient` passes over the unknown.",
    "",
)


def _us_core() -> str:
    rows = [
        "# The searches of US Core",
        "",
        NOTE,
        "US Core 6.1 to 9.0 demands (SHALL) or recommends (SHOULD) these searches; those of Task, of which it says",
        "nothing, are ours. Each is one case of `test_a_search_finds_what_has_all_its_values_and_nothing_else` in",
        "`tests/clients/test_us_core_searches.py`: over HTTP, with one resource that has all values and must be found,",
        "and for each parameter one that differs in that parameter only and must not be.",
        "",
        "| | search | case |",
        "|---|---|---|",
    ]
    for expectation, type_, names in us_core.SEARCHES:
        query = "&".join(f"{name}=…" for name in names.split())
        rows.append(f"| {expectation} | `{type_}?{query}` | `{expectation}-{type_}-{names.replace(' ', '+')}` |")
    rows += [
        "",
        "`_include=CareTeam:participant` and `_revinclude=Provenance:target` are tested in the same file.",
    ]
    return "\n".join(rows) + "\n"


def _rules() -> str:
    from fhirplan.validation.rules import STRUCTURAL

    pairs = codec.loads((settings.fixtures_folder() / "profiles" / "index.json").read_bytes())["rules"]
    ours, base = _our_invariants(), _base_invariants()
    rows = [
        "# Rules",
        "",
        NOTE,
        "Every finding carries the key of the rule that was broken, and the profile it is of.",
        "",
    ]
    rows += [
        f"- {len(STRUCTURAL)} kinds of structural rule, for R4 and every profile",
        f"- {len(ours)} invariants of ours",
    ]
    rows += [f"- {len(pairs) - sum(one['kind'] == 'invariant' for one in pairs)} structural rules of our profiles"]
    rows += [f"- {len(base)} invariants of R4 for the types served and what they are made of"]
    rows += [f"- {len(pairs)} rules with a resource in `fixtures/profiles` that passes and one that fails on it", ""]
    rows += ["## Structural rules", "", "| key | what it asks for |", "|---|---|"]
    rows += [f"| `{key}` | {words} |" for key, words in STRUCTURAL.items()]
    rows += [
        "",
        "## Invariants of our profiles",
        "",
        *_table_of(("key", "severity", "reported at", "rule", "profile"), ours),
    ]
    rows += ["", "## What our profiles ask of R4's elements", ""]
    rows += _table_of(
        ("element", "asks for", "key", "severity", "profile"), sorted({_structural(one) for one in pairs} - {()})
    )
    rows += ["", "## Invariants of R4", "", *_table_of(("key", "severity", "element", "rule"), base)]
    return "\n".join(rows) + "\n"


_ASKS = {
    "min": "occurs at least so often",
    "max": "occurs at most so often",
    "type": "has one of the types left",
    "target": "points to one of the types or profiles left",
    "binding": "has a code of the value set",
    "context": "stands only where it is allowed",
    "fixed": "has exactly this value",
    "pattern": "has what the pattern asks for",
}


def _structural(pair: dict[str, str]) -> tuple[str, ...]:
    if pair["kind"] == "invariant":
        return ()
    name = pair.get("definition", pair["profile"]).rpartition("/")[2]
    return f"`{pair['element']}`", _ASKS[pair["kind"]], f"`{pair['rule']}`", pair["severity"], name


def _our_invariants() -> list[tuple[str, ...]]:
    made = []
    for file in sorted((settings.profiles_folder() / "structuredefinitions").glob("*.json")):
        definition = codec.loads(file.read_bytes())
        for element in definition["differential"]["element"]:
            for rule in element.get("constraint", ()):
                told = [one["valueString"] for one in rule.get("extension", ()) if one["url"] == REPORTED_AT]
                place = told[0] if told else element["path"]
                made.append((f"`{rule['key']}`", rule["severity"], f"`{place}`", rule["human"], definition["id"]))
    return sorted(made, key=lambda row: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", row[0])])


def _base_invariants() -> list[tuple[str, ...]]:
    from fhirplan.catalog import CATALOG
    from fhirplan.fhir import structure

    found: dict[str, tuple[str, ...]] = {}
    waiting, seen = sorted(CATALOG, reverse=True), set(CATALOG)
    while waiting:
        name = waiting.pop()
        definition = structure.definition(name)
        if definition is None:
            continue
        used = [type_.code for element in definition.elements for type_ in element.types]
        for other in [*used, definition.base.rpartition("/")[2]]:
            if other and other not in seen and structure.kind(other) != "resource":
                seen.add(other)
                waiting.append(other)
        line = [definition]
        while above := structure.definition(line[-1].base) if line[-1].base else None:
            line.append(above)
        for one in reversed(line):
            for element in one.elements:
                _note(found, one.name, element)
    return [found[key] for key in sorted(found)]


def _note(found: dict[str, tuple[str, ...]], owner: str, element: Element) -> None:
    for rule in element.constraints:
        place = f"`{owner}.{element.path}`" if element.path else f"`{owner}`"
        found.setdefault(rule.key, (f"`{rule.key}`", rule.severity, place, rule.human))


def _table_of(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = [columns, ("---",) * len(columns), *rows]
    return [
        "| " + " | ".join(cell.replace("|", chr(92) + "|").replace("\n", " ") for cell in row) + " |" for row in lines
    ]


def main() -> None:
    """Writes every page."""
    folder = ROOT / "docs" / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(f"docs/reference/{name}")


if __name__ == "__main__":
    main()
