"""telemetry: lines with ids and without patients."""

import json

from fhirplan.telemetry import bind_request, configure, log


def test_a_line_has_the_request_id_and_drops_what_could_name_a_patient(capsys):
    configure("info", "json")
    bind_request("r-1")
    log("store").info("committed", type="Goal", id="g1", resource={"x": 1}, name="Rosa", token="t")
    line = json.loads(capsys.readouterr().err)
    assert line["request_id"] == "r-1"
    assert (line["event"], line["type"], line["id"], line["room"]) == ("committed", "Goal", "g1", "store")
    assert not {"resource", "name", "token"} & set(line)


def test_what_is_below_the_level_is_not_written(capsys):
    configure("error", "json")
    log("store").info("committed")
    assert capsys.readouterr().err == ""
