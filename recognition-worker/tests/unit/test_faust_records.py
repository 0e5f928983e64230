from types import SimpleNamespace

import pytest

from recognition_worker.adapters.faust.faust_app import record_of


@pytest.mark.parametrize("headers", [[("decision-round", None)], {"decision-round": None}])
def test_a_header_without_a_value_is_an_empty_one(headers):
    message = SimpleNamespace(
        topic="captures", partition=0, offset=1, key=b"k", value=b"v", headers=headers, timestamp=1.0
    )
    assert record_of(message).headers == (("decision-round", b""),)
