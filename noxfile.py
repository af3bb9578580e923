"""Everything a developer or a CI machine runs. Each session does its own set-up: `nox -s tests` is all it takes."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tarfile
from pathlib import Path

import nox
from packaging.requirements import Requirement

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"

PROJECT = nox.project.load_toml("pyproject.toml")
RUNNING = ".".join(platform.python_version_tuple()[:2])
PYTHONS = sorted({"3.11", "3.12", "3.13", RUNNING}, key=lambda text: [int(part) for part in text.split(".")])
DIST = Path("dist")


def group(name: str) -> tuple[str, ...]:
    """Gives what a dependency group installs."""
    return nox.project.dependency_groups(PROJECT, name)


def extras() -> str:
    """Names the extras that the whole test-suite needs; Node.js comes as a wheel where the machine has none."""
    return "local,data,fast" if shutil.which("node") else "local,data,fast,js"


def floors() -> list[str]:
    """Pins each dependency at the lowest version that pyproject.toml allows."""
    optional = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"], *optional["local"], *optional["data"], *optional["fast"]]
    return [pin for text in wanted for pin in lowest(Requirement(text))]


def lowest(requirement: Requirement) -> list[str]:
    """Pins one requirement at its floor."""
    marker = f"; {requirement.marker}" if requirement.marker else ""
    return [f"{requirement.name}=={spec.version}{marker}" for spec in requirement.specifier if spec.operator == ">="]


def is_setting(name: str) -> bool:
    """Says whether a variable points to an account or an endpoint; where programs are, the tests need to know."""
    return name.startswith("AGENTBAY_") and name not in {"AGENTBAY_BWRAP", "AGENTBAY_CHROMIUM"}


def pytest(session: nox.Session, *arguments: str) -> None:
    """Runs pytest without the caller's AgentBay settings, so that no test can reach a real account.

    Nor with nox's own folder for temporary files: it lies within the environment, which sandboxes may read. Compiled
    modules are kept whatever the caller's habit: hundreds of programs are started that import the same ones.
    """
    names = (*filter(is_setting, os.environ), "TMPDIR", "PYTHONDONTWRITEBYTECODE")
    clean: dict[str, str | None] = dict.fromkeys(names)
    session.run("python", "-m", "pytest", *arguments, env=clean)


def at_once() -> list[str]:
    """Two tests to a processor, for most of them wait."""
    return ["-n", str(min(2 * (os.cpu_count() or 1), 8))]


def whole_suite() -> list[str]:
    """In CI a test that fails is tried once more, and both are reported."""
    return [*at_once(), *(["--reruns", "1", "-raR"] if os.environ.get("CI") else [])]


def quick_suite() -> list[str]:
    """What another Python, other packages or another way to install could break: all but what is marked as slow."""
    return [*whole_suite(), "-m", "not slow"]


@nox.session(reuse_venv=True)
def demo(session: nox.Session) -> None:
    """The main job: real sandboxes on this machine doing real work."""
    session.install(".[local,data]")
    session.run("agentbay", "demo", *session.posargs)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The whole suite on the oldest Python, with full branch coverage; the quick tests on the others.

    With arguments, just what they say.
    """
    session.install("-e", f".[{extras()}]", *group("test"))
    covered = ["--cov", "--cov-report=term-missing:skip-covered", "--cov-fail-under=100"]
    usual = [*whole_suite(), *covered] if session.python == PYTHONS[0] else quick_suite()
    pytest(session, *(session.posargs or usual))


@nox.session(python=PYTHONS[0], default=False)
def nightly(session: nox.Session) -> None:
    """All tests, those that take minutes included, with soaks of ten minutes and fifty kills; half an hour or more."""
    session.install("-e", f".[{extras()}]", *group("test"))
    pytest(session, "--nightly", *(session.posargs or whole_suite()))


@nox.session
def lint(session: nox.Session) -> None:
    """Style and mistakes that can be seen in the text alone."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Both type checkers over both colours, and over the code that users write."""
    session.install("-e", ".[local,data,fast]", *group("types"))
    session.run("mypy")
    session.run("pyright", "--pythonpath", session.virtualenv.bin + "/python")


@nox.session(python=PYTHONS[0])
def floor(session: nox.Session) -> None:
    """The quick tests with the lowest versions that pyproject.toml allows."""
    pins = Path(session.create_tmp(), "floors.txt")
    pins.write_text("\n".join(floors()) + "\n", "utf-8")
    session.install("-e", f".[{extras()}]", *group("test"), "-c", str(pins))
    session.run("python", "-m", "pip", "freeze", "--exclude-editable")
    pytest(session, *(session.posargs or quick_suite()))


@nox.session
def build(session: nox.Session) -> None:
    """Makes sdist and wheel, proves that the sdist makes the same wheel, and has the wheel tested."""
    session.install(*PROJECT["build-system"]["requires"])
    shutil.rmtree(DIST, ignore_errors=True)
    session.run("hatchling", "build")
    tree = unpack(session)
    with session.chdir(tree):
        session.run("hatchling", "build", "-t", "wheel")
    (again,) = (tree / "dist").glob("*.whl")
    if digest(again) != digest(built("*.whl")):
        session.error("a wheel made from the sdist differs from one made from the tree")
    session.notify("wheel", session.posargs)


@nox.session(python=RUNNING, default=False)
def wheel(session: nox.Session) -> None:
    """Runs the quick tests against the wheel in `dist/`, in an environment of its own, with no source in reach."""
    session.install(f"{built('*.whl')}[{extras()}]", *group("test"))
    tree = unpack(session)
    shutil.rmtree(tree / "src")
    with session.chdir(tree):
        pytest(session, *(session.posargs or quick_suite()))


def built(pattern: str) -> Path:
    """Finds the one artifact in `dist/` with such a name."""
    (found,) = DIST.glob(pattern)
    return found.resolve()


def digest(path: Path) -> str:
    """Tells two files apart."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unpack(session: nox.Session) -> Path:
    """Unpacks the sdist into a folder of the session's own: what a stranger starts from."""
    folder = Path(session.create_tmp(), "sdist").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(built("*.tar.gz")) as archive:
        archive.extractall(folder, filter="data")
    (tree,) = folder.iterdir()
    return tree


@nox.session
def docs(session: nox.Session) -> None:
    """Writes the API pages and runs every Python snippet of README and guides."""
    session.install("-e", f".[{extras()}]", *group("docs"))
    session.run("python", "tools/docs.py")
    pytest(session, "tests/test_docs.py", *at_once(), *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measures the road beside plain httpx, aiohttp and raw sockets, and prints ratios."""
    session.install(".[local,fast]", *group("bench"))
    session.run("python", "-m", "bench", *session.posargs)
