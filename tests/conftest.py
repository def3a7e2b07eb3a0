"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# A slow machine is no fault of the code: no example is timed.
settings.register_profile("larder", deadline=None)
settings.load_profile("larder")
