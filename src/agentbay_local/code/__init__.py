"""The code interpreter: one Jupyter kernel per session and language, which keeps its variables between calls."""

from __future__ import annotations

from .kernel import DriverGone, Kernel, Kernels, Process, Spawner, UnsupportedLanguage, driver_argv

__all__ = ["DriverGone", "Kernel", "Kernels", "Process", "Spawner", "UnsupportedLanguage", "driver_argv"]
