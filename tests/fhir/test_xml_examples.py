"""fhir/xml: pairs of JSON and XML written by hand, and everything that must be refused."""

import pytest

from fhirplan.errors import InvalidResource, MalformedRequest, Refused, TooCostly
from fhirplan.fhir.codec import dumps, loads
from fhirplan.fhir.xml import from_xml, to_xml

NS = 'xmlns="http://hl7.org/fhir"'
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">'
HEAD = '<?xml version="1.0" encoding="UTF-8"?>'

PAIRS = {
    "attributes, choices, repeats and order": (
        """{"resourceType":"Goal","id":"g1","lifecycleStatus":"active","description":{"text":"Walk 10 minutes & rest"},
        "subject":{"reference":"Patient/p1"},"startDate":"2026-03-01",
        "target":[{"id":"t1","detailQuantity":{"value":10.50,"unit":"min"}},{"dueDate":"2026-06-01"}]}""",
        f"""<Goal {NS}><id value="g1"/><lifecycleStatus value="active"/><description><text value="Walk 10 minutes &amp;
 rest"/></description><subject><reference value="Patient/p1"/></subject><startDate value="2026-03-01"/><target id="t1">
<detailQuantity><value value="10.50"/><unit value="min"/></detailQuantity></target><target><dueDate value="2026-06-01"/>
</target></Goal>""".replace("\n", ""),
    ),
    "primitives with an id and extensions, also without a value": (
        """{"resourceType":"Patient","active":true,"name":[{"given":["Ana",null,"Rosa"],
        "_given":[null,{"extension":[{"url":"http://x.example/absent","valueCode":"unknown"}]},{"id":"n3"}]}],
        "_birthDate":{"extension":[{"url":"http://x.example/why","valueString":"not asked"}]}}""",
        f"""<Patient {NS}><active value="true"/><name><given value="Ana"/><given><extension url="http://x.example/absent">
<valueCode value="unknown"/></extension></given><given value="Rosa" id="n3"/></name><birthDate>
<extension url="http://x.example/why"><valueString value="not asked"/></extension></birthDate></Patient>""".replace(
            "\n", ""
        ),
    ),
    "contained resources, each in an element of its own": (
        """{"resourceType":"CarePlan","text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">
A plan</div>"},"contained":[{"resourceType":"Goal","id":"g"},{"resourceType":"Patient","id":"p"}],"status":"active"}""",
        f"""<CarePlan {NS}><text><status value="generated"/>{DIV}\nA plan</div></text><contained><Goal><id value="g"/>
</Goal></contained><contained><Patient><id value="p"/></Patient></contained><status value="active"/></CarePlan>""",
    ),
    "a Bundle with entries and an outcome": (
        """{"resourceType":"Bundle","type":"batch-response","total":2,"entry":[{"fullUrl":"urn:uuid:1",
        "resource":{"resourceType":"Basic","id":"b"}},{"response":{"status":"404",
        "outcome":{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found"}]}}}]}""",
        f"""<Bundle {NS}><type value="batch-response"/><total value="2"/><entry><fullUrl value="urn:uuid:1"/><resource>
<Basic><id value="b"/></Basic></resource></entry><entry><response><status value="404"/><outcome><OperationOutcome>
<issue><severity value="error"/><code value="not-found"/></issue></OperationOutcome></outcome></response></entry>
</Bundle>""",
    ),
    "children that are declared elsewhere (item.item)": (
        """{"resourceType":"Questionnaire","item":[{"linkId":"1","item":[{"linkId":"1.1","maxLength":3}]}]}""",
        f"""<Questionnaire {NS}><item><linkId value="1"/><item><linkId value="1.1"/><maxLength value="3"/></item></item>
</Questionnaire>""",
    ),
}


def squeezed(text):
    return text.replace("\n", "")


@pytest.mark.parametrize("name", PAIRS)
def test_the_json_and_the_xml_of_a_pair_are_the_same_resource(name):
    json, xml = PAIRS[name]
    resource = loads(json.replace("\n        ", "").replace("\n", "\\n") if "<div" in json else json)
    assert from_xml(xml) == resource
    assert squeezed(to_xml(resource).decode()) == squeezed(HEAD + xml)


def test_keys_in_any_order_are_written_in_r4s():
    assert to_xml({"status": "active", "id": "a", "resourceType": "Task", "for": {"display": "x"}}).decode() == (
        f'{HEAD}<Task {NS}><id value="a"/><status value="active"/><for><display value="x"/></for></Task>'
    )


def test_the_pretty_form_is_indented_and_says_the_same():
    resource = {"resourceType": "Goal", "id": "g", "note": [{"text": "a"}]}
    expected = f'{HEAD}\n<Goal {NS}>\n  <id value="g"/>\n  <note>\n    <text value="a"/>\n  </note>\n</Goal>\n'
    assert to_xml(resource, pretty=True).decode() == expected


def test_comments_instructions_prefixes_and_schema_locations_change_nothing():
    text = """<?xml version="1.0"?><?xml-stylesheet href="x.xsl"?><!-- a comment -->
    <f:Goal xmlns:f="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
      xsi:schemaLocation="http://hl7.org/fhir goal.xsd"><!-- here too -->
      <f:id value='g'/> <f:note><f:text value="a"/></f:note>
    </f:Goal>"""
    assert from_xml(text) == {"resourceType": "Goal", "id": "g", "note": [{"text": "a"}]}
    assert from_xml(b"\xef\xbb\xbf" + text.encode()) == from_xml(text)


# The narrative


def narrated(div):
    return {"resourceType": "Basic", "text": {"status": "generated", "div": div}}


@pytest.mark.parametrize(
    ("div", "embedded"),
    [
        (f"{DIV}a&nbsp;b &eacute; &amp;</div>", f"{DIV}a&#160;b &#233; &amp;</div>"),
        ("<div>no namespace</div>", f"{DIV}no namespace</div>"),
        (f"\n {DIV}blanks around</div> ", f"{DIV}blanks around</div>"),
        (f"{DIV}<!-- &nbsp; --><![CDATA[&nbsp;]]></div>", f"{DIV}<!-- &nbsp; --><![CDATA[&nbsp;]]></div>"),
    ],
)
def test_a_narrative_is_respelled_only_where_other_readers_could_not_read_it(div, embedded):
    text = to_xml(narrated(div)).decode()
    assert embedded in text
    assert from_xml(text) == narrated(embedded)


@pytest.mark.parametrize(
    "div",
    [
        f"{DIV}</div><status value='x'/>",
        f"{DIV}open",
        f"{DIV}</div></text><id value='x'/><text>{DIV}</div>",
        f"<!DOCTYPE div [<!ENTITY a 'b'>]>{DIV}&a;</div>",
        f"<?xml version='1.0'?>{DIV}</div>",
        f"{DIV}<?php echo 1 ?></div>",
        f"{DIV}</div><!-- after -->",
        f"{DIV}&unknown;</div>",
        f"{DIV}<a xlink:href='x'/></div>",
        '<span xmlns="http://www.w3.org/1999/xhtml">x</span>',
        '<div xmlns="http://hl7.org/fhir">x</div>',
        "text",
        "",
        f"{DIV}\x00</div>",
    ],
)
def test_a_narrative_that_would_break_the_document_is_refused(div):
    with pytest.raises(InvalidResource) as caught:
        to_xml(narrated(div))
    assert caught.value.issues[0].expression == "Basic.text.div"


def test_a_narrative_whose_prefix_is_declared_outside_is_written_out():
    text = f"""<Basic {NS} xmlns:h="http://www.w3.org/1999/xhtml"><text><status value="generated"/><h:div
      xml:lang="en"><h:b class="x">a &lt; b</h:b><h:br/>&#160;</h:div></text></Basic>"""
    div = f'{DIV[:-1]} xml:lang="en"><b class="x">a &lt; b</b><br></br>\xa0</div>'
    assert from_xml(text) == narrated(div)
    assert from_xml(to_xml(narrated(div))) == narrated(div)


# What cannot be written


@pytest.mark.parametrize(
    ("resource", "where"),
    [
        ({"resourceType": "Goal", "mood": "x"}, "Goal"),
        ({"resourceType": "Nope"}, ""),
        ({"resourceType": "Goal", "note": []}, "Goal.note"),
        ({"resourceType": "Goal", "note": [{}]}, "Goal.note[0]"),
        ({"resourceType": "Goal", "note": [{"text": "a"}, {"text": 1}]}, "Goal.note[1].text"),
        ({"resourceType": "Goal", "note": {"text": "a"}}, "Goal.note"),
        ({"resourceType": "Patient", "active": "true"}, "Patient.active"),
        ({"resourceType": "Patient", "active": None}, "Patient.active"),
        ({"resourceType": "Patient", "_active": {}}, "Patient.active"),
        ({"resourceType": "Patient", "_name": [{"id": "x"}]}, "Patient"),
        ({"resourceType": "Patient", "name": [{"given": ["a", None]}]}, "Patient.name[0].given[1]"),
        (
            {"resourceType": "Patient", "name": [{"given": ["a"], "_given": [None, {"id": "b"}]}]},
            "Patient.name[0].given",
        ),
        ({"resourceType": "Patient", "multipleBirthInteger": loads("1.0")}, "Patient.multipleBirthInteger"),
        ({"resourceType": "Patient", "extension": [{"url": 3}]}, "Patient.extension[0].url"),
        ({"resourceType": "Basic", "id": "a\x01b"}, "Basic.id"),
        ({"resourceType": "Basic", "contained": [{"id": "b"}]}, "Basic.contained[0]"),
    ],
)
def test_what_xml_cannot_say_exactly_is_refused_and_named(resource, where):
    with pytest.raises(InvalidResource) as caught:
        to_xml(resource)
    assert caught.value.issues[0].expression == where
    assert "application/fhir+json" in caught.value.text


# What cannot be read


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("¦", MalformedRequest),
        ("¦<Goal", MalformedRequest),
        (f"<Goal {NS}>\n  <id value='g'></¦Goal>", MalformedRequest),
        (f"<Goal {NS}>\n¦<id value='&nbsp;'/></Goal>", MalformedRequest),
        ("¦<Goal/>", InvalidResource),
        (f"¦<Goals {NS}/>", InvalidResource),
        (f"¦<Goal {NS} id='g'/>", InvalidResource),
        (f"<Goal {NS}>\n ¦<mood value='x'/></Goal>", InvalidResource),
        (f"<Goal {NS}>¦text</Goal>", InvalidResource),
        (f"<Goal {NS}>\n <note><text value='é'/></note>¦<id value='g'/></Goal>", InvalidResource),
        (f"<Goal {NS}><id value='a'/>\n¦<id value='b'/></Goal>", InvalidResource),
        (f"<Goal {NS}><id/>¦</Goal>", InvalidResource),
        (f"<Goal {NS}><note>¦</note></Goal>", InvalidResource),
        (f"<Goal {NS}>¦<id values='a'/></Goal>", InvalidResource),
        (f"<Goal {NS}>¦<note url='a'/></Goal>", InvalidResource),
        (f"<Goal {NS}><note>¦<id value='a'/></note></Goal>", InvalidResource),
        (f"<Goal {NS}>¦<id xmlns='http://x.example' value='a'/></Goal>", InvalidResource),
        (f"<Patient {NS}>¦<active value='1'/></Patient>", InvalidResource),
        (f"<Patient {NS}>¦<active value=' true'/></Patient>", InvalidResource),
        (f"<Patient {NS}>¦<multipleBirthInteger value='1.0'/></Patient>", InvalidResource),
        (f"<Patient {NS}>¦<multipleBirthInteger value='{'9' * 401}'/></Patient>", InvalidResource),
        (f"<Basic {NS}><contained>¦</contained></Basic>", InvalidResource),
        (f"<Basic {NS}>¦<contained value='1'/></Basic>", InvalidResource),
        (f"<Basic {NS}><contained><Basic/>¦<Basic/></contained></Basic>", InvalidResource),
        (f"<Basic {NS}><text>¦<div>x</div></text></Basic>", InvalidResource),
        (f"<Basic {NS}><text>{DIV}¦<?x y?></div></text></Basic>", InvalidResource),
        ('¦<?xml version="1.0" encoding="ISO-8859-1"?><Goal/>', MalformedRequest),
        ("<Goal>\n¦\ud800</Goal>", MalformedRequest),
    ],
)
def test_what_is_no_fhir_xml_is_refused_with_its_place(text, error):
    before, _, after = text.partition("¦")
    with pytest.raises(error) as caught:
        from_xml(before + after)
    issue = caught.value.issues[0]
    place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
    assert (issue.line, issue.column) == place, issue.text
    assert issue.text.endswith((".", "?"))


def test_bytes_that_are_no_utf8_are_refused_with_their_place():
    with pytest.raises(MalformedRequest) as caught:
        from_xml(b"<Goal>\n \xff</Goal>")
    assert (caught.value.issues[0].line, caught.value.issues[0].column) == (2, 2)


LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {one} "{f"&{before};" * 10}">' for before, one in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        f"{LAUGHS}]><Goal {NS}><id value='&i;'/></Goal>",
        f'<!DOCTYPE x SYSTEM "file:///etc/passwd"><Goal {NS}/>',
        f'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Goal {NS}><id value="&e;"/></Goal>',
        f'<!DOCTYPE x [<!ENTITY % e SYSTEM "http://127.0.0.1:9/x"> %e;]><Goal {NS}/>',
    ],
)
def test_a_document_type_is_refused_before_anything_is_expanded_or_fetched(text):
    with pytest.raises(MalformedRequest) as caught:
        from_xml(text)
    assert "DOCTYPE" in caught.value.text
    assert caught.value.issues[0].line == 1


def test_nesting_and_length_are_bounded():
    many = "<item>" * 60 + "<linkId value='1'/>" + "</item>" * 60
    with pytest.raises(TooCostly):
        from_xml(f"<Questionnaire {NS}>{many}</Questionnaire>")
    with pytest.raises(TooCostly):
        from_xml(f"<Basic {NS}><text>{DIV}{'<b>' * 200}{'</b>' * 200}</div></text></Basic>")
    with pytest.raises(TooCostly):
        from_xml(f"<Basic {NS}/>", max_bytes=10)


def test_the_deepest_that_is_read_can_be_stored_as_json():
    levels = 49
    many = "<item>" * levels + "<linkId value='1'/>" + "</item>" * levels
    read = from_xml(f"<Questionnaire {NS}>{many}</Questionnaire>")
    assert loads(dumps(read)) == read


def test_a_refusal_quotes_no_value_of_the_patient():
    with pytest.raises(Refused) as caught:
        from_xml(f"<Patient {NS}><active value='Rosa Delgado'/></Patient>")
    assert "Rosa" not in caught.value.text
    with pytest.raises(Refused) as caught:
        to_xml({"resourceType": "Patient", "active": "Rosa Delgado"})
    assert "Rosa" not in caught.value.text
