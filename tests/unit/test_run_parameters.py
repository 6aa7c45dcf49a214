"""Names of parameters are judged before there is a run."""

from engine.flow import Signature, flow_name

SIGNATURE = Signature(
    {
        "properties": {"order": {}, "total": {"default": 0}},
        "required": ["order"],
        "additionalProperties": False,
    }
)


def test_what_fits_has_no_faults():
    assert SIGNATURE.faults({"order": 1}) == []
    assert SIGNATURE.faults({"order": 1, "total": 2}) == []


def test_each_name_that_does_not_fit_is_named():
    assert SIGNATURE.faults({"ordr": 1, "zzz": 2}) == [
        "order is missing",
        "ordr is not a parameter (did you mean `order`?)",
        "zzz is not a parameter",
    ]


def test_a_flow_that_takes_anything_takes_anything():
    open_ended = Signature({"properties": {}, "additionalProperties": True})
    assert open_ended.faults({"whatever": 1}) == []


def test_a_signature_survives_the_database():
    assert Signature.from_json(SIGNATURE.to_json()) == SIGNATURE


def test_either_spelling_finds_a_flow():
    assert flow_name("review_order") == flow_name("review-order") == "review-order"
