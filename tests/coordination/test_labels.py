"""What is derived tells nobody what its sources may not tell them."""

from fhirplan.coordination.labels import CONFIDENTIALITY, labelled

PART_2 = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "ETH"}
RESTRICTED = {"system": CONFIDENTIALITY, "code": "R"}
NORMAL = {"system": CONFIDENTIALITY, "code": "N"}


def source(*labels):
    return {"resourceType": "Task", "meta": {"security": list(labels)}}


def test_it_has_the_labels_of_all_sources_each_once_and_no_older_ones():
    made = labelled(
        {"meta": {"tag": [{"code": "x"}], "security": [NORMAL]}}, [source(PART_2), source(PART_2, RESTRICTED)]
    )
    assert made["meta"] == {"tag": [{"code": "x"}], "security": [PART_2, RESTRICTED]}


def test_what_is_as_confidential_as_any_record_needs_no_label():
    assert labelled({"meta": {"versionId": "1"}}, [source(NORMAL), source(), {"resourceType": "Task"}]) == {
        "meta": {"versionId": "1"}
    }


def test_the_order_of_sources_does_not_matter():
    one, other = source(PART_2), source(RESTRICTED)
    assert labelled({}, [one, other]) == labelled({}, [other, one])
