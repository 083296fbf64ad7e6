"""docs/conformance.md lists the tests that there are."""

from conformance import table


def test_the_document_lists_these_tests():
    assert not table.differences(), "run: .venv/bin/python Tests/conformance/table.py --write"
