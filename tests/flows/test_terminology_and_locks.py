"""A terminology server that takes its time holds up the one request that asks it, and no other writer."""

import base64
import http.server
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fhirplan import assembly, settings
from fhirplan.access.decide import ANYBODY
from fhirplan.fhir.codec import dumps
from fhirplan.interactions.perform import perform
from fhirplan.interactions.values import Interaction
from fhirplan.store.engine import Database

BASE = "http://127.0.0.1:8080/fhir"
SNOMED = "http://snomed.info/sct"
SET = "http://example.org/ValueSet/isa"
PROFILE = "http://example.org/StructureDefinition/walks"
DELAY = 1.5


class Slow(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = threading.Event()
        self.count = 0


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.count += 1
        self.server.asked.set()
        time.sleep(DELAY)
        held = {"name": "result", "valueBoolean": True}
        text = json.dumps({"resourceType": "Parameters", "parameter": [held]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture
def slow():
    made = Slow()
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def services(tmp_path, slow):
    below = {"system": SNOMED, "filter": [{"property": "concept", "op": "is-a", "value": "404684003"}]}
    values = {"resourceType": "ValueSet", "url": SET, "status": "active", "compose": {"include": [below]}}
    binding = {"strength": "required", "valueSet": SET}
    elements = [{"id": "Goal", "path": "Goal"}, {"id": "Goal.category", "path": "Goal.category", "binding": binding}]
    profile = {
        "resourceType": "StructureDefinition",
        "url": PROFILE,
        "name": "Walks",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Goal",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Goal",
        "derivation": "constraint",
        "differential": {"element": elements},
    }
    package = tmp_path / "package"
    package.mkdir()
    for name, resource in (("ValueSet-a", values), ("StructureDefinition-a", profile)):
        (package / f"{name}.json").write_bytes(dumps(resource))
    url = f"sqlite:///{tmp_path}/fhirplan.db"
    database = Database.open(url)
    database.migrate()
    database.close()
    chosen = settings.load(
        {},
        auth="open",
        validation="declared",
        database_url=url,
        packages=(str(package),),
        terminology_url=f"http://127.0.0.1:{slow.server_address[1]}/r4",
        terminology_timeout=10.0,
    )
    made = assembly.build(chosen)
    yield made
    made.database.close()


def asked(kind, body, type_="", id_=""):
    return Interaction(kind, BASE, type=type_, id=id_, body=body, actor=ANYBODY)


def test_nobody_waits_for_it_under_the_write_lock(services, slow):
    goal = {
        "resourceType": "Goal",
        "meta": {"profile": [PROFILE]},
        "lifecycleStatus": "active",
        "category": [{"coding": [{"system": SNOMED, "code": "38341003"}]}],
        "description": {"text": "Walk"},
        "subject": {"reference": "Patient/p1"},
        "identifier": [{"system": "urn:x", "value": "1"}],
    }
    request = {"method": "POST", "url": "Goal", "ifNoneExist": "identifier=urn:x|1"}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": goal, "request": request}]}
    perform(services, asked("update", {"resourceType": "Patient", "id": "p1"}, "Patient", "p1"))
    with ThreadPoolExecutor(1) as pool:
        slowly = pool.submit(perform, services, asked("bundle", bundle))
        assert slow.asked.wait(20)
        quick = perform(services, asked("update", {"resourceType": "Patient", "id": "p2"}, "Patient", "p2"))
        assert not slowly.done()
        reply = slowly.result(timeout=30)
    assert quick.status == 201
    body = json.loads(reply.body)
    assert reply.status == 200, body
    assert body["entry"][0]["response"]["status"].startswith("201"), body
    assert slow.count == 1


def test_nobody_waits_for_it_when_a_patch_brings_the_code(services, slow):
    goal = {
        "resourceType": "Goal",
        "id": "g1",
        "lifecycleStatus": "active",
        "description": {"text": "Walk"},
        "subject": {"reference": "Patient/p1"},
    }
    assert perform(services, asked("update", goal, "Goal", "g1")).status == 201
    value = {"coding": [{"system": SNOMED, "code": "38341003"}]}
    operations = [
        {"op": "add", "path": "/meta/profile", "value": [PROFILE]},
        {"op": "add", "path": "/category", "value": [value]},
    ]
    data = base64.b64encode(json.dumps(operations).encode()).decode()
    binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}
    entry = {"resource": binary, "request": {"method": "PATCH", "url": "Goal/g1"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    with ThreadPoolExecutor(1) as pool:
        slowly = pool.submit(perform, services, asked("bundle", bundle))
        assert slow.asked.wait(20)
        perform(services, asked("update", {"resourceType": "Patient", "id": "p2"}, "Patient", "p2"))
        assert not slowly.done()
        reply = slowly.result(timeout=30)
    assert reply.status == 200, reply.body
    assert slow.count == 1
