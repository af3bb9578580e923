"""What the actions do: a handler each, one file per subject. No HTTP here.

A handler is found by its action's class. It gets the service, who calls, and the action; it returns the answer's data
(None for none) or raises `ServiceRefusal`.
"""

from __future__ import annotations
