"""A folder of transaction Bundles comes in whole, with its ids, or not at all."""

from __future__ import annotations

import json

import pytest

from fhirplan.errors import InvalidResource
from fhirplan.sandbox.loading import load_folder


def bundle(*ids, type_="Task"):
    entries = [
        {"resource": {"resourceType": type_, "id": id_}, "request": {"method": "PUT", "url": f"{type_}/{id_}"}}
        for id_ in ids
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def test_bundles_are_loaded_with_their_ids_and_the_rest_is_named(store, tmp_path):
    files = {
        "a.json": bundle("t1", "t2"),
        "b.json": bundle("g1", type_="Goal"),
        "case.json": {"name": "no Bundle"},
        "collected.json": {"resourceType": "Bundle", "type": "collection"},
        "list.json": [],
    }
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "read.md").write_text("not looked at")
    loaded = load_folder(store, tmp_path)
    assert (loaded.bundles, loaded.entries) == (2, 3)
    assert loaded.skipped == ("case.json", "collected.json", "list.json")
    assert store.counts() == {"Goal": 1, "Task": 2}
    assert store.latest("Task", "t2") is not None


@pytest.mark.parametrize(
    ("broken", "said"),
    [('{"resourceType":', "b.json (line 1"), (json.dumps(bundle("u_1")), "b.json: Bundle.entry[0] (PUT Task/u_1)")],
)
def test_a_bad_file_is_named_and_nothing_is_kept(store, tmp_path, broken, said):
    (tmp_path / "a.json").write_text(json.dumps(bundle("t1")))
    (tmp_path / "b.json").write_text(broken)
    with pytest.raises(InvalidResource) as caught:
        load_folder(store, tmp_path)
    assert said in caught.value.text
    assert store.counts() == {}
