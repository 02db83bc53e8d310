"""Who may see what, in the plainest words: slow, obvious, and knowing nothing of the server's own rules.

It goes by docs/explanation/access.md. ``World`` holds each resource's versions as the server was sent them, None for a
deletion; ``Person`` is whoever asks.
"""

from dataclasses import dataclass, field

OWNER = {"Goal": "subject", "Task": "for", "CarePlan": "subject", "CareTeam": "subject", "Consent": "patient"}
SHARED = ("Practitioner", "PractitionerRole", "Organization")
STATUS = {"Goal": "lifecycleStatus"}
PARAMETER = {"Goal": "lifecycle-status"}
SUD = "SUD"


@dataclass
class Person:
    """A token: ``scopes`` are (level, type, letters, status or ""); ``user`` is type/id, ``patient`` an id."""

    scopes: list
    user: str = ""
    patient: str = ""
    client: str = "app"
    text: str = ""

    @property
    def own_patient(self):
        return self.user.partition("/")[2] if self.user.startswith("Patient/") else ""


@dataclass
class World:
    """All versions of all resources, by type/id."""

    versions: dict = field(default_factory=dict)

    def now(self, name):
        """The current version; None for what was deleted or never was."""
        listed = self.versions.get(name)
        return listed[-1] if listed else None

    def live(self):
        return {name: listed[-1] for name, listed in self.versions.items() if listed[-1] is not None}

    def last_live(self, name, before=None):
        listed = self.versions[name][:before] if before is not None else self.versions[name]
        return next((item for item in reversed(listed) if item is not None), None)


def owner(resource):
    """The id of the patient whose it is, "" for what is nobody's."""
    if resource["resourceType"] == "Patient":
        return resource["id"]
    element = OWNER.get(resource["resourceType"])
    target = resource.get(element, {}).get("reference", "") if element else ""
    return target.removeprefix("Patient/") if target.startswith("Patient/") else ""


def labelled(resource):
    return any(item["code"] == SUD for item in resource.get("meta", {}).get("security", []))


def names(world, person):
    """All that a consent may call somebody."""
    found = {person.user, f"client {person.client}"}
    for role in world.live().values():
        if role["resourceType"] == "PractitionerRole" and role["practitioner"]["reference"] == person.user:
            found.add(role["organization"]["reference"])
    return found - {""}


def provisions(world, kind):
    for item in world.live().values():
        if item["resourceType"] == "Consent" and item["provision"]["type"] == kind:
            yield owner(item), item["provision"]


def named(provision):
    return {item["reference"]["reference"] for item in provision.get("actor", [])}


def withheld(world, person, resource):
    """Whether consents or labels keep a resource from a person."""
    whose, called = owner(resource), names(world, person)
    if labelled(resource):
        permitted = any(
            patient == whose and whose and named(item) & called for patient, item in provisions(world, "permit")
        )
        if not permitted and not (whose and whose == person.own_patient):
            return True
    for patient, item in provisions(world, "deny"):
        about = not item.get("class") or resource["resourceType"] in {one["code"] for one in item["class"]}
        concerned = not named(item) or named(item) & called
        if patient == whose and whose and about and concerned and whose != person.own_patient:
            return True
    return False


def references(resource):
    """What a resource refers to by a search parameter."""
    kind = resource["resourceType"]
    found = []
    if kind == "Task":
        found = [resource.get("owner"), resource.get("requester")]
    if kind == "CareTeam":
        found = [item.get("member") for item in resource.get("participant", [])]
    if kind == "PractitionerRole":
        found = [resource.get("practitioner"), resource.get("organization")]
    if kind == "Consent":
        found = [item["reference"] for item in resource["provision"].get("actor", [])]
    return {item["reference"] for item in found if item}


def around(world, person, patient):
    """The people and organizations that a patient's resources refer to, as far as these are not withheld."""
    found = set()
    for item in world.live().values():
        if owner(item) == patient and item["resourceType"] not in SHARED and not withheld(world, person, item):
            found |= references(item)
    for name in sorted(found):
        role = world.now(name)
        if name.startswith("PractitionerRole/") and role is not None and not withheld(world, person, role):
            found |= references(role)
    return found


def within(world, person, scope, resource):
    """Whether one scope lets a person at a resource, whatever its letters."""
    level, type_, _letters, status = scope
    kind = resource["resourceType"]
    if type_ not in ("*", kind):
        return False
    if status and resource.get(STATUS.get(kind, "status")) != status:
        return False
    if level == "system":
        return True
    if level == "user" and person.user.startswith("Practitioner/"):
        return True
    patient = person.patient if level == "patient" else person.own_patient
    if not patient:
        return False
    if kind in SHARED:
        return f"{kind}/{resource['id']}" in around(world, person, patient)
    return owner(resource) == patient


def may(world, person, letter, resource):
    """Whether a person may see a resource by a letter."""
    allowed = any(letter in scope[2] and within(world, person, scope, resource) for scope in person.scopes)
    return allowed and not withheld(world, person, resource)


def asks(person, letter, kind):
    """Whether any scope speaks of a type at all, and what it needs besides is there."""
    for level, type_, letters, _status in person.scopes:
        if letter not in letters or type_ not in ("*", kind):
            continue
        if level == "system" or (level == "patient" and person.patient):
            return True
        if level == "user" and person.user.partition("/")[0] in ("Practitioner", "Patient"):
            return True
    return False


def knows(world, person, letter, name):
    """Whether a person may know that there is, or was, a resource."""
    if name not in world.versions:
        return False
    last = world.last_live(name)
    return last is not None and may(world, person, letter, last)


def seen_versions(world, person, letter, name):
    """The numbers of the versions of a resource that a person may see."""
    if not knows(world, person, letter, name):
        return []
    found = []
    for number, item in enumerate(world.versions[name], 1):
        then = item if item is not None else world.last_live(name, number - 1)
        if then is not None and may(world, person, letter, then):
            found.append(number)
    return found
