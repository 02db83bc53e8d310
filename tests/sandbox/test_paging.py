"""Pages: each match once, in order, whatever is written meanwhile."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from fhirplan.sandbox import search
from fhirplan.sandbox.page import Cursor
from fhirplan.sandbox.query import Query
from fhirplan.sandbox.resources import Store


def task(id_, status="requested"):
    return {"resourceType": "Task", "id": id_, "status": status}


def next_path(bundle):
    urls = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
    return urls[0].removeprefix("http://localhost") if urls else None


def test_pages_join_to_the_whole_in_both_orders(ehr):
    for number in range(7):
        ehr.put(task(f"t{number}"))
    for size in (1, 2, 3, 7, 8):
        assert ehr.found(f"Task?_count={size}") == [f"t{n}" for n in range(7)]
        assert ehr.found(f"Task?_count={size}&_sort=-_lastUpdated") == [f"t{n}" for n in reversed(range(7))]
    assert next_path(ehr("GET", "Task?_count=7").resource) is None


def test_a_page_link_keeps_the_search_and_posted_searches_have_one_too(ehr):
    for number in range(4):
        ehr.put(task(f"t{number}", "accepted" if number % 2 else "requested"))
    posted = ehr("POST", "Task/_search", b"status=accepted&_count=1", Content_Type="application/x-www-form-urlencoded")
    path = next_path(posted.resource)
    assert "status=accepted" in path
    rest = ehr("GET", path)
    assert [entry["resource"]["id"] for entry in rest.resource["entry"]] == ["t3"]
    assert rest.resource["total"] == posted.resource["total"] == 2


def test_what_changes_between_pages_neither_hides_nor_doubles_a_match(ehr):
    for number in range(4):
        ehr.put(task(f"t{number}"))
    first = ehr("GET", "Task?status=requested&_count=2")
    ehr.put(task("t0"))
    ehr.put(task("t2", "completed"))
    ehr("DELETE", "Task/t3")
    ehr.put(task("t9"))
    rest = ehr("GET", next_path(first.resource)).resource
    assert [(e["resource"]["id"], e["resource"]["status"]) for e in rest["entry"]] == [
        ("t2", "requested"),
        ("t3", "requested"),
    ]
    assert next_path(rest) is None
    assert ehr.found("Task?status=requested") == ["t1", "t0", "t9"]


def test_a_page_holds_at_most_a_thousand(ehr):
    with ehr.store.transaction():
        for number in range(1001):
            ehr.store.write("PUT", 201, f"t{number}", task(f"t{number}"))
    assert len(ehr("GET", "Task?_count=5000").resource["entry"]) == 1000
    assert len(ehr.found("Task?_count=5000")) == 1001


_writes = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["a", "b", "gone"])), max_size=12)


@settings(max_examples=60)
@given(before=_writes, meanwhile=st.lists(_writes, max_size=6), size=st.integers(1, 3), descending=st.booleans())
def test_paging_under_change_equals_one_page_before_the_change(before, meanwhile, size, descending):
    """Law: pages taken while the data change are, joined, what one large page was at the start."""
    store = Store(clock=itertools.count().__next__)

    def write(changes):
        for number, status in changes:
            if status == "gone":
                store.delete("Task", str(number))
            else:
                store.write("PUT", 200, str(number), task(str(number), status))

    write(before)
    query = Query("Task", "http://x/fhir", descending=descending)
    snapshot = store.newest()
    cursor = Cursor(snapshot, snapshot + 1 if descending else 0, None)
    whole = search.matches(store, query, cursor, 1000)
    joined, waiting = [], list(meanwhile)
    while page := search.matches(store, query, cursor, size):
        joined += page
        cursor = Cursor(snapshot, page[-1].seq, None)
        if waiting:
            write(waiting.pop())
    assert joined == whole
    store.close()
