"""What becomes of a definition that is put."""

import pytest

from taskyard.domain.dependencies import dependencies_of
from taskyard.engine.define import parse_definition

SOURCE = '# /// script\r\n# dependencies = ["left"]\r\n# ///\r\ndef main(input, ctx):\r\n    return 1\r\n'


def test_a_script_may_have_windows_line_ends() -> None:
    definition = parse_definition({"implementation": {"kind": "python", "source": SOURCE}}, "job")
    assert definition.implementation["source"] == SOURCE.replace("\r\n", "\n")
    wanted = dependencies_of(definition.implementation)
    assert wanted is not None
    assert wanted.packages == ("left",)


@pytest.mark.parametrize("kind", ["acme/own", "external"])
def test_what_is_no_script_is_left_as_it_is(kind: str) -> None:
    definition = parse_definition({"implementation": {"kind": kind, "topic": "t", "source": SOURCE}}, "job")
    assert definition.implementation["source"] == SOURCE
