"""Attacks by a narrative: script in it is refused where it is written here, and runs nowhere where it is read."""

import pytest

from fhirplan.store.commit import Change, Origin, commit

SCRIPT = '<div xmlns="http://www.w3.org/1999/xhtml"><p>x</p><script>alert(1)</script></div>'
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


@pytest.mark.parametrize(
    "div",
    [
        SCRIPT,
        f"<div {XHTML} onload='alert(1)'>x</div>",
        f"<div {XHTML}><a href='javascript:alert(1)'>x</a></div>",
        f"<div {XHTML}><a href='java&#x0A;script:alert(1)'>x</a></div>",
        f"<div {XHTML}><a href='javascript&#58;alert(1)'>x</a></div>",
        f"<div {XHTML}><a href='&#x20;&#106;avascript&#x3a;alert(1)'>x</a></div>",
        f"<div {XHTML}><a href='data:text/html,x'>x</a></div>",
        f"<div {XHTML}><a href='da&#9;ta:text/html;base64,x'>x</a></div>",
        f"<div {XHTML}><img src='https://evil.example/x.png' alt='x' onerror='alert(1)'/></div>",
        f"<div {XHTML}><iframe src='https://evil.example/'></iframe></div>",
        f"<div {XHTML}><svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/></div>",
        f"<div {XHTML}><form action='https://evil.example/'><input name='x'/></form></div>",
        f"<div {XHTML}><object data='https://evil.example/'/></div>",
        f"<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]><div {XHTML}>&y;</div>",
    ],
    ids=str,
)
def test_narrative_script_is_refused(api, goal, div):
    answer = api.send("PUT", f"Goal/{goal['id']}", {**goal, "text": {"status": "additional", "div": div}})
    assert answer.status_code in (400, 422), answer.get_data(as_text=True)
    assert api.get(f"Goal/{goal['id']}").status_code == 404


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xhtml+xml", "text/html,*/*;q=0.8", "*/*", "application/fhir+xml"]
)
def test_narrative_script_of_an_ehr_runs_in_no_browser(api, goal, accept):
    """What an EHR sent is kept as it came, so the answer itself must be nothing that a browser would run."""
    stored = {**goal, "text": {"status": "additional", "div": SCRIPT}}
    with api.services.database.write() as tx:
        commit(
            tx,
            "default",
            [Change("create", "Goal", goal["id"], stored)],
            now=0,
            origin=Origin("ehr", "r", "ehr", push=False),
        )
    for path in (f"Goal/{goal['id']}", "Goal", "_history"):
        answer = api.get(path, Accept=accept)
        assert answer.status_code == (200 if "*" in accept or "fhir" in accept else 406)
        assert answer.content_type.split(";")[0] in ("application/fhir+json", "application/fhir+xml")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
