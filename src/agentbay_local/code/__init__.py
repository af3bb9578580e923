"""The code interpreter: one Jupyter kernel per session and language, which keeps its variables between calls."""

from __future__ import annotations

from .kernel import DriverGone, Kernel, Kernels, Process, Spawner, UnsupportedLanguage, driver_argv
from .results import Ended, Piece, Raised, Shown, Text

__all__ = [
    "DriverGone",
    "Ended",
    "Kernel",
    "Kernels",
    "Piece",
    "Process",
    "Raised",
    "Shown",
    "Spawner",
    "Text",
    "UnsupportedLanguage",
    "driver_argv",
]
