"""Programs of ours that run inside a sandbox, as single files of the standard library alone."""

from __future__ import annotations
