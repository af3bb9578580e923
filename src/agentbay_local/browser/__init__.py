"""The browser of a session: an installed Chromium or Chrome inside the sandbox, and what works on its pages.

`installed` finds it, `process` runs it, `cdp` speaks to it, `pages` and `page` do what the tools ask for, `operator`
does it by words through a model that the user configures.
"""

from __future__ import annotations
