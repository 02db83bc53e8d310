"""merge/three_way: what holds for any two edits of any base."""

import copy
import importlib.util
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fhirplan.fhir.codec import dumps
from fhirplan.merge.resolve import apply
from fhirplan.merge.spelling import spelled
from fhirplan.merge.three_way import Clashing, Merged, merge

_spec = importlib.util.spec_from_file_location("merge_resources", Path(__file__).with_name("resources.py"))
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)

BASES = [made.unique(make()) for make in made.MAKERS]


@st.composite
def triples(draw, **more):
    base = draw(st.sampled_from(BASES))
    common = draw(made.edits(base, "both", 1))
    near = draw(st.lists(st.floats(0, 0.999), max_size=3))
    local = draw(made.edits(common, "l", near=near, **more))
    remote = draw(made.edits(common, "r", near=near, **more))
    return base, local, remote


def clashing_leaves(outcome):
    if isinstance(outcome, Merged):
        return set()
    return {leaf for c in outcome.clashes for leaf in made.leaves([c.base, c.local, c.remote])}


def everywhere(side):
    return lambda _clash: side


def content(resource):
    rest = {k: v for k, v in resource.items() if k != "meta"}
    meta = {k: v for k, v in resource.get("meta", {}).items() if k not in ("versionId", "lastUpdated", "source")}
    return spelled({**rest, **({"meta": meta} if meta else {})})


@given(triples())
def test_one_side_alone_and_both_alike_give_that_side(triple):
    base, local, remote = triple
    assert content(merge(base, base, remote).resource) == content(remote)
    assert merge(base, local, base).resource == local
    assert merge(base, local, local).resource == local
    assert all(isinstance(merge(*t), Merged) for t in ((base, base, remote), (base, local, base), (base, local, local)))


@given(triples())
def test_nothing_that_neither_side_removed_is_lost_and_nothing_is_invented(triple):
    outcome = merge(*triple)
    b, l_, r = (made.leaves(side) for side in triple)
    result = made.leaves(outcome.resource)
    assert result >= (l_ | r) - (b - l_) - (b - r) - clashing_leaves(outcome)
    assert result <= l_ | r


@given(triples())
def test_what_one_side_removed_stays_removed_but_in_an_item_that_the_other_side_wrote_anew(triple):
    base, local, remote = triple
    b, l_, r = (made.leaves(side) for side in triple)
    back = made.leaves(merge(base, local, remote).resource) & ((b - l_) | (b - r))
    before = {spelled(item) for item in made.items(base)}
    anew = [item for side in (local, remote) for item in made.items(side) if spelled(item) not in before]
    assert back <= made.leaves(anew)


@given(triples())
def test_the_sides_are_treated_alike(triple):
    base, local, remote = triple
    one, other = merge(base, local, remote), merge(base, remote, local)
    assert type(one) is type(other)
    if isinstance(one, Merged):
        assert made.unordered(one.resource) == made.unordered(other.resource)
    else:
        assert sorted((c.element, repr(made.unordered([c.local, c.remote]))) for c in one.clashes) == sorted(
            (c.element, repr(made.unordered([c.remote, c.local]))) for c in other.clashes
        )


@given(triples())
def test_inputs_stay_as_they_are_and_the_result_is_always_the_same(triple):
    before = copy.deepcopy(triple)
    first = merge(*triple)
    assert triple == before
    assert dumps(merge(*before).resource) == dumps(first.resource)


@given(triples(repeats=False))
def test_merging_the_result_again_changes_nothing(triple):
    # Without repeats: of two extensions of one url, the one that is left could be a new one or the old one changed.
    base, local, remote = triple
    first = merge(base, local, remote)
    if isinstance(first, Merged):
        again = merge(base, first.resource, remote)
        assert isinstance(again, Merged)
        assert again.resource == first.resource
        assert merge(remote, first.resource, remote).resource == first.resource


@given(triples(), st.sampled_from(("ours", "theirs", "base")))
def test_settling_every_clash_one_way_gives_that_sides_values_there(triple, side):
    base, local, remote = triple
    outcome = merge(base, local, remote)
    if isinstance(outcome, Merged):
        return
    settled = merge(base, local, remote, settle=everywhere(side))
    assert isinstance(settled, Merged)
    assert {s.clash.path for s in settled.settled} == {c.path for c in outcome.clashes}
    kept = made.leaves(settled.resource)
    for clash in outcome.clashes:
        values = {"ours": clash.local, "theirs": clash.remote, "base": clash.base}
        chosen = made.leaves(values[side])
        assert chosen <= kept
        others = made.leaves(list(values.values())) - chosen
        elsewhere = {
            leaf for c in outcome.clashes if c is not clash for leaf in made.leaves([c.base, c.local, c.remote])
        }
        assert not (others - elsewhere - made.leaves(outcome.resource)) & kept


@given(triples())
def test_choosing_by_path_is_the_same_as_choosing_everywhere(triple):
    base, local, remote = triple
    outcome = merge(base, local, remote)
    if isinstance(outcome, Clashing):
        choices = {c.path: "theirs" for c in outcome.clashes}
        assert len(choices) == len(outcome.clashes)
        assert apply(base, local, remote, choices) == merge(base, local, remote, settle=everywhere("theirs"))
        one = outcome.clashes[0].path
        left = apply(base, local, remote, {one: "ours"})
        assert [c.path for c in getattr(left, "clashes", ())] == [c.path for c in outcome.clashes if c.path != one]


@given(made.random_resources(), made.random_resources(), made.random_resources())
@settings(max_examples=200)
def test_any_json_that_looks_like_fhir_is_merged_without_failing(base, local, remote):
    outcome = merge(base, local, remote)
    assert made.leaves(outcome.resource) <= made.leaves([base, local, remote])
    assert content(merge(base, base, remote).resource) == content(remote)
    assert merge(base, local, local).resource == local
    everything = merge(base, local, remote, settle=everywhere("ours"))
    assert isinstance(everything, Merged)
    assert type(merge(None, local, remote)) in (Merged, Clashing)


@given(st.data())
def test_changes_in_different_places_never_clash_and_both_are_there(data):
    base = data.draw(st.sampled_from(BASES))
    places = PLACES[base["resourceType"]]
    mine = data.draw(st.sets(st.sampled_from(places), min_size=1, max_size=len(places) - 1))
    theirs = data.draw(st.sets(st.sampled_from([p for p in places if p not in mine]), min_size=1))
    local, remote = _changed(base, mine, "l"), _changed(base, theirs, "r")
    outcome = merge(base, local, remote)
    assert isinstance(outcome, Merged), outcome.clashes
    assert made.leaves(outcome.resource) >= {f"l~{p}" for p in mine} | {f"r~{p}" for p in theirs}
    assert content(outcome.resource) == content(_changed(_changed(base, mine, "l"), theirs, "r"))


@given(st.data())
def test_exactly_the_places_that_both_changed_clash(data):
    base = data.draw(st.sampled_from(BASES))
    places = st.sets(st.sampled_from(PLACES[base["resourceType"]]), min_size=1)
    mine, theirs = data.draw(places), data.draw(places)
    outcome = merge(base, _changed(base, mine, "l"), _changed(base, theirs, "r"))
    assert sorted(c.path for c in getattr(outcome, "clashes", ())) == sorted(
        f"{base['resourceType']}.{p.partition('=')[2] or p}" for p in mine & theirs
    )


# Places that stand alone, as the path to the leaf in JSON, and the path of the unit where that is another one.
PLACES = {
    "CarePlan": [
        "title",
        "description",
        "status",
        "period.start",
        "period.end",
        "extension[0].valueCode=extension[0].value",
        "activity[1].detail.kind",
        "activity[1].detail.statusReason.coding[0].code=activity[1].detail.status",
        "activity[1].detail.description",
        "activity[2].detail.status",
        "activity[2].detail.scheduledString=activity[2].detail.scheduled",
        "activity[0].progress[0].text=activity[0].progress[0]",
        "note[0].text=note[0]",
        "note[1].text=note[1]",
    ],
    "Goal": [
        "lifecycleStatus",
        "achievementStatus.coding[0].code=achievementStatus",
        "description.text=description",
        "target[0].dueDate=target[0].due",
        "target[0].detailQuantity.value=target[0].detail",
        "target[1].dueDate=target[1].due",
        "startDate=start",
        "statusDate",
        "expressedBy.reference=expressedBy",
        "note[0].text=note[0]",
    ],
    "Task": [
        "statusReason.coding[0].code=status",
        "businessStatus.coding[0].code=businessStatus",
        "owner.reference=owner",
        "restriction.period.start",
        "restriction.period.end",
        "description",
        "note[0].text=note[0]",
        "input[0].valueString=input[0].value",
        "output[0].valueCodeableConcept.coding[0].code=output[0].value",
    ],
    "CareTeam": [
        "name",
        "status",
        "participant[0].period.start",
        "participant[2].period.end",
        "participant[1].member.reference=participant[1]",
        "telecom[0].use",
        "telecom[1].value=telecom[1]",
        "note[0].text=note[0]",
    ],
}


def _changed(resource, places, mark):
    """The resource with a marked value at each of these places."""
    copied = copy.deepcopy(resource)
    for place in places:
        at = copied
        *steps, last = place.partition("=")[0].split(".")
        for step in steps:
            name, _, index = step.partition("[")
            at = at[name][int(index[:-1])] if index else at[name]
        at[last] = f"{mark}~{place}"
    return copied
