"""The policies of this machine: one small file in the data folder, always whole."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from agentbay_local.egress.policy import MOST_RULES, Policy, UnfitRule, policy_name, read_rule
from agentbay_local.undo import on_failure

__all__ = ["NoPolicy", "PolicyBook", "PolicyFault"]

FILE: Final = "policies.json"
LOCK: Final = "policies.lock"
VERSION: Final = 1
LARGEST: Final = 16 << 20


class PolicyFault(Exception):
    """The policies cannot be read or written; the message is for users."""


class NoPolicy(PolicyFault):
    """There is no policy of that name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        there = ", ".join(known) or "none"
        super().__init__(f"there is no policy {name[:100]!r}; there are: {there}")


@frozen
class PolicyBook:
    """The policies of a data folder. Several programs may use it at once."""

    folder: Path

    def names(self) -> list[str]:
        return sorted(self._read())

    def find(self, name: str) -> Policy:
        """The policy of a name. Raises PolicyFault."""
        found = self._read()
        if name not in found:
            raise NoPolicy(name, sorted(found))
        try:
            return Policy(name, tuple(map(read_rule, found[name])))
        except UnfitRule as error:
            raise PolicyFault(f"the policy {name} in {self.path} cannot be used: {error}") from error

    def set(self, name: str, allow: Sequence[str]) -> Policy:
        """Makes a policy, or puts another in its place. Raises PolicyFault, and UnfitRule for what was told."""
        if len(allow) > MOST_RULES:
            raise UnfitRule(f"{len(allow)} hosts are more than the {MOST_RULES} that a policy may list")
        made = Policy(policy_name(name), tuple(dict.fromkeys(map(read_rule, allow))))
        with self._changing() as found:
            found[name] = [str(rule) for rule in made.rules]
        return made

    def remove(self, name: str) -> None:
        """Takes a policy away; sessions that have it keep it. Raises PolicyFault."""
        with self._changing() as found:
            if found.pop(name, None) is None:
                raise NoPolicy(name, sorted(found))

    @property
    def path(self) -> Path:
        return self.folder / FILE

    def _read(self) -> dict[str, list[str]]:
        try:
            with open(self.path, encoding="utf-8") as file:
                return listed(json.loads(file.read(LARGEST)))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise PolicyFault(f"{self.path} cannot be read: {why}. Mend it, or remove it and set anew") from error

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, list[str]]]:
        """Gives what there is, and writes it once the block is done; nobody else writes meanwhile."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(self.folder / LOCK, "w", encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                found = self._read()
                yield found
                self._write(found)
        except OSError as error:
            raise PolicyFault(f"the policies in {self.folder} cannot be written: {error.strerror}") from error

    def _write(self, policies: Mapping[str, list[str]]) -> None:
        text = json.dumps({"version": VERSION, "policies": policies}, indent=2, sort_keys=True)
        descriptor, name = tempfile.mkstemp(prefix=f"{FILE}.", dir=self.folder)
        with on_failure(lambda: os.unlink(name)):
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(descriptor)
            os.replace(name, self.path)
        self._settle()

    def _settle(self) -> None:
        """Has the folder itself on the disk."""
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def listed(content: object) -> dict[str, list[str]]:
    """The lists by name, as the file has them. Raises ValueError."""
    policies = content.get("policies") if isinstance(content, dict) else None
    if not isinstance(policies, dict) or not all(map(texts, policies.values())):
        raise ValueError('it is not of the form {"version": 1, "policies": {"name": ["host"]}}')
    if isinstance(content, dict) and content.get("version") != VERSION:
        raise ValueError(f"it is of another version than {VERSION}")
    return policies


def texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
