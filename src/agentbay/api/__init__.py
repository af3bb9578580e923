"""Old paths of public names; new programs import them from `agentbay`."""

from __future__ import annotations

from agentbay._old_paths import open_paths

open_paths(__name__)
