"""Compressed requests, bounded, and compressed answers where it pays."""

import gzip
import json
import zlib

import pytest

GZIP = {"Content-Type": "application/fhir+json", "Content-Encoding": "gzip"}


@pytest.fixture
def long_goal(goal):
    return {**goal, "note": [{"text": f"Walked {number} steps"} for number in range(100)]}


def test_a_long_answer_is_compressed_for_whoever_takes_it(api, long_goal):
    api.put(long_goal)
    plain = api.get("Goal/g1")
    assert "Content-Encoding" not in plain.headers
    packed = api.get("Goal/g1", Accept_Encoding="br;q=1, gzip;q=0.5")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data) / 3
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["ETag"] == plain.headers["ETag"]


@pytest.mark.parametrize("taken", ["", "br", "gzip;q=0", "identity"])
def test_others_get_it_as_it_is(api, long_goal, taken):
    api.put(long_goal)
    assert "Content-Encoding" not in api.get("Goal/g1", Accept_Encoding=taken).headers


def test_a_short_answer_is_not_compressed(api, goal):
    api.put(goal)
    assert "Content-Encoding" not in api.get("Goal/g1", Accept_Encoding="gzip").headers


def test_xml_is_compressed_too(api, long_goal):
    api.put(long_goal)
    packed = api.get("Goal/g1", Accept_Encoding="gzip", Accept="application/fhir+xml")
    assert gzip.decompress(packed.data).startswith(b"<?xml")


def test_a_compressed_body_is_read(api, long_goal):
    body = json.dumps(long_goal).encode()
    assert api.send("PUT", "Goal/g1", gzip.compress(body), GZIP).status_code == 201
    half = len(body) // 2
    in_parts = gzip.compress(body[:half]) + gzip.compress(body[half:])
    assert api.send("PUT", "Goal/g1", in_parts, GZIP).headers["ETag"] == 'W/"1"'
    assert len(api.get("Goal/g1").get_json(force=True)["note"]) == 100


def test_zip_bomb_is_stopped_at_the_limit(configured, problem):
    api = configured(max_body_bytes=100_000)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b" " * 1_000_000) for _ in range(60)) + packer.flush()
    assert len(bomb) < 100_000
    problem(api.send("PUT", "Goal/g1", bomb, GZIP), 413, "too-costly")
    many = gzip.compress(b" " * 60_000) * 3
    problem(api.send("PUT", "Goal/g1", many, GZIP), 413, "too-costly")


@pytest.mark.parametrize("damage", [lambda body: body[:-9], lambda body: b"x" + body, lambda body: body + b"tail"])
def test_what_is_no_gzip_is_refused(api, goal, problem, damage):
    body = damage(gzip.compress(json.dumps(goal).encode()))
    problem(api.send("PUT", "Goal/g1", body, GZIP), 400, "invalid")


def test_another_encoding_is_refused(api, goal, problem):
    headers = {"Content-Type": "application/fhir+json", "Content-Encoding": "br"}
    problem(api.send("PUT", "Goal/g1", goal, headers), 415, "not-supported")


@pytest.mark.parametrize("limit", range(1, 40))
def test_whatever_the_size_of_the_pieces_the_content_is_the_same(limit):
    from fhirplan.errors import TooCostly
    from fhirplan.web.bodies import _decompressed

    content = b"abc" * 13
    if limit < len(content):
        with pytest.raises(TooCostly):
            _decompressed(gzip.compress(content), limit)
    else:
        assert _decompressed(gzip.compress(content), limit) == content
