"""What somebody who extends hangar needs to test it: contract suites to subclass. Needs pytest."""

import pytest

# So that an assertion which fails here says as much as one in a test file.
pytest.register_assert_rewrite("hangar_core.testing.backends")

from hangar_core.testing.backends import BackendContract  # noqa: E402 — after the line above, or it has no effect

__all__ = ["BackendContract"]
