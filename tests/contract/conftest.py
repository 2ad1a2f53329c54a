"""The contracts lie in the package: let their assertions tell what they compared, as those here do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("skymesh.testing")
