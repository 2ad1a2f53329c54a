"""The official schema of VOEvent 2.0, as a package for parsing VOEvents carries it."""

from __future__ import annotations

import sys

import pytest

NEEDS_SCHEMA = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="voevent-parse, which carries the schema, does not build from 3.12 on"
)


def validator():
    """Return what raises an error for a packet that the schema refuses."""
    from lxml import etree
    from voeventparse.definitions import v2_0_schema_str

    schema = etree.XMLSchema(etree.fromstring(v2_0_schema_str))
    return lambda body: schema.assertValid(etree.fromstring(body))
