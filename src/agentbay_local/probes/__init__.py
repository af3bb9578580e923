"""What `agentbay doctor` tries: on this machine (`machine`, `data`), and in real sandboxes (`inside`, `limits`)."""

from __future__ import annotations
