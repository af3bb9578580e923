"""What `agentbay doctor` tries: on this machine (`machine`, `data`).

In real sandboxes, that is `inside`, `pictures` and `limits`.
"""

from __future__ import annotations
