"""Languages that a machine may lack. In CI their absence is a failure, elsewhere it skips a test."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

__all__ = ["need"]

PROGRAMS = {"bash": "bash", "java": "jshell", "javascript": "node", "python": "python3", "r": "R"}
R_KERNEL = Path("/usr/lib/R/site-library/IRkernel")
INSTALLS = {"bash": "bash", "java": "default-jdk-headless", "javascript": "nodejs", "r": "r-cran-irkernel"}


def need(language: str) -> None:
    if shutil.which(PROGRAMS[language]) and (language != "r" or R_KERNEL.is_dir()):
        return
    text = f"this machine does not run {language}: sudo apt install {INSTALLS[language]}"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)
