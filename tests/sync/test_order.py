"""What refers to something is sent after it; circles stay together; of one kind goes together what can."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fhirplan.sync.order import pieces, stretches

KEYS = [("Goal", str(number)) for number in range(8)]
graphs = st.fixed_dictionaries({key: st.lists(st.sampled_from(KEYS), max_size=3) for key in KEYS})
kinds = st.fixed_dictionaries({key: st.integers(-1, 1) for key in KEYS})


def reach(graph, start):
    seen, todo = set(), [start]
    while todo:
        for target in graph[todo.pop()]:
            if target not in seen:
                seen.add(target)
                todo.append(target)
    return seen


@given(graphs, kinds)
def test_everything_comes_once_and_after_what_it_refers_to(graph, kind):
    circles = [circle for stretch in stretches(graph, kind) for circle in stretch.circles]
    place = {key: number for number, circle in enumerate(circles) for key in circle}
    assert sorted(key for circle in circles for key in circle) == KEYS
    for key, targets in graph.items():
        for target in targets:
            together = key in reach(graph, target)
            assert place[target] < place[key] or (together and place[target] == place[key])


@given(graphs, kinds)
def test_a_circle_is_of_the_least_kind_of_its_members(graph, kind):
    for stretch in stretches(graph, kind):
        for circle in stretch.circles:
            assert min(kind[key] for key in circle) == stretch.kind


def test_what_is_of_one_kind_goes_together_where_nothing_stands_between():
    graph = {key: [] for key in KEYS}
    kind = {key: number % 2 for number, key in enumerate(KEYS)}
    assert [(stretch.kind, len(stretch.circles)) for stretch in stretches(graph, kind)] == [(0, 4), (1, 4)]


def test_pieces_hold_at_most_so_many_and_cut_no_circle():
    one, two, three = (KEYS[0],), tuple(KEYS[1:4]), tuple(KEYS[4:])
    assert list(pieces([one, two, three], 4)) == [list(one + two), list(three)]
    assert list(pieces([one, three], 2)) == [list(one), list(three)]
    assert list(pieces([], 2)) == []


def test_a_chain_of_thousands_is_no_recursion():
    many = [("Goal", str(number)) for number in range(5000)]
    graph = {key: [many[number + 1]] if number + 1 < len(many) else [] for number, key in enumerate(many)}
    (stretch,) = stretches(graph, dict.fromkeys(many, 0))
    assert [circle[0] for circle in stretch.circles] == many[::-1]
