"""merge/lists: which items are the same thing, and the order they go together in."""

from hypothesis import given
from hypothesis import strategies as st

from fhirplan.merge import lists
from fhirplan.merge.lists import Items, order
from fhirplan.merge.rules import BY_VALUE, R4, Identity
from fhirplan.merge.three_way import Merged, merge


def match(base, local, remote, identity):
    return lists.match(Items(base), Items(local), Items(remote), identity)


def merged(base, local, remote, identity=BY_VALUE):
    rows = match(base, local, remote, identity)
    kept = [i for i in order(rows) if _stays(rows[i])]
    return [local[rows[i].local] if rows[i].local is not None else remote[rows[i].remote] for i in kept]


def _stays(row):
    return row.base is None or (row.local is not None and row.remote is not None)


def sublists(items):
    return st.lists(st.sampled_from(items), unique=True) if items else st.just([])


LETTERS = list("abcdefgh")


@given(st.lists(st.sampled_from(LETTERS), unique=True), st.data())
def test_the_order_of_each_side_is_kept_where_they_do_not_contradict(base, data):
    local = data.draw(sublists([*base, "L1", "L2", "both"]))
    remote = data.draw(sublists([*base, "R1", "R2", "both"]))
    result = merged(base, local, remote)
    assert sorted(result) == sorted({*local, *remote} - (set(base) - set(local)) - (set(base) - set(remote)))
    shared = set(local) & set(remote)
    agree = [i for i in local if i in shared] == [i for i in remote if i in shared]
    in_order = [i for i in base if i in shared]
    if agree or [i for i in remote if i in in_order] == in_order:
        assert [i for i in result if i in local] == [i for i in local if i in result]
    if agree:
        assert [i for i in result if i in remote] == [i for i in remote if i in result]


@given(st.lists(st.sampled_from("ab"), max_size=6), st.lists(st.sampled_from("abc"), max_size=6))
def test_repeats_are_counted_not_folded(base, side):
    assert merged(base, base, side) == side
    assert merged(base, side, base) == side
    assert merged(base, side, side) == side


def test_what_both_sides_insert_stays_where_each_put_it():
    assert merged(["a", "b", "c"], ["a", "x", "b", "c"], ["a", "b", "y", "c"]) == ["a", "x", "b", "y", "c"]
    assert merged(["a"], ["x", "a", "y"], ["u", "a", "v"]) == ["x", "u", "a", "y", "v"]


def test_one_sides_move_is_followed_even_when_the_other_adds():
    assert merged(["a", "b", "c"], ["a", "b", "c", "x"], ["c", "a", "b"]) == ["c", "x", "a", "b"]


def test_a_name_counts_only_where_it_stands_once():
    by_code = Identity(names=(("code",),))
    base = [{"code": "k", "n": "1"}]
    (row,) = match(base, [{"code": "k", "n": "2"}], base, by_code)
    assert (row.base, row.local, row.whole) == (0, 0, False)
    rows = match([*base, *base], [{"code": "k", "n": "2"}], [*base, *base], Identity(names=(("code",),), paired=False))
    assert [row.local for row in rows] == [None, None, 0]


def test_an_item_with_no_name_is_matched_only_as_a_whole():
    base = [{"detail": {"status": "a", "kind": "b", "description": "c"}}]
    local = [{"detail": {"status": "a", "kind": "b", "description": "d"}}]
    (row,) = match(base, local, base, R4.identities["CarePlan.activity"])
    assert (row.local, row.whole) == (0, True)


def test_a_concept_is_recognised_by_any_of_its_codings():
    base = [{"code": {"coding": [{"system": "s", "code": "a"}]}, "n": "1"}]
    local = [{"code": {"coding": [{"system": "t", "code": "x"}, {"system": "s", "code": "a"}]}, "n": "2"}]
    (row,) = match(base, local, base, Identity(names=(("code",),)))
    assert (row.local, row.whole) == (0, False)


def test_element_ids_that_one_side_dropped_do_no_harm():
    base = {"resourceType": "Goal", "target": [{"id": "t", "measure": {"text": "w"}, "dueDate": "2026-04-01"}]}
    local = {"resourceType": "Goal", "target": [{"id": "t", "measure": {"text": "w"}, "dueDate": "2026-04-02"}]}
    remote = {"resourceType": "Goal", "target": [{"measure": {"text": "w"}, "dueDate": "2026-04-01"}]}
    assert merge(base, local, remote).resource["target"] == [{"measure": {"text": "w"}, "dueDate": "2026-04-02"}]


def extensions(*codes):
    return {"resourceType": "Goal", "extension": [{"url": "http://x.example/u", "valueCode": code} for code in codes]}


def test_an_item_that_is_new_on_both_sides_is_nobodys_changed_self():
    assert merge(extensions("x"), extensions("y"), extensions("x", "y")).resource == extensions("y")
    assert merge(extensions("x"), extensions("x", "y"), extensions("y")).resource == extensions("y")


def test_the_same_change_on_both_sides_leaves_what_one_of_them_added():
    assert merge(extensions("x"), extensions("y"), extensions("y", "z")) == merged_to(extensions("y", "z"), "remote")
    assert merge(extensions("x"), extensions("y", "z"), extensions("y")) == merged_to(extensions("y", "z"), "local")


def merged_to(resource, adder):
    return Merged(resource, taken=("Goal.extension",) if adder == "remote" else ())


def test_little_in_common_is_no_likeness():
    base = [{"a": "1", "b": "2", "c": "3"}]
    local = [{"a": "1", "x": "4", "y": "5"}, {"z": "6"}]
    assert [row.local for row in match(base, local, base, Identity())] == [None, 0, 1]
