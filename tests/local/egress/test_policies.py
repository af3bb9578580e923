"""Policies: how rules are written, what they list, and how they are kept."""

from __future__ import annotations

import ipaddress
import json
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentbay_local.egress import NoPolicy, Policy, PolicyBook, PolicyFault, UnfitRule
from agentbay_local.egress.command import main
from agentbay_local.egress.policy import host_name, read_rule
from agentbay_local.probes.data import policies

PUBLIC = ipaddress.ip_address("93.184.216.34")


@pytest.fixture
def book(tmp_path: Path) -> PolicyBook:
    return PolicyBook(tmp_path / "new" / "data")


def allows(rule: str, host: str, port: int = 443, address: str = str(PUBLIC)) -> bool:
    return Policy("p", (read_rule(rule),)).allows(host, ipaddress.ip_address(address), port)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("pypi.org", "pypi.org"),
        (" PyPI.org. ", "pypi.org"),
        ("pypi.org:443", "pypi.org:443"),
        ("*.pythonhosted.org", "*.pythonhosted.org"),
        ("*", "*"),
        ("*:443", "*:443"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("my_host.example", "my_host.example"),
        ("93.184.216.34", "93.184.216.34"),
        ("93.184.216.34:80", "93.184.216.34:80"),
        ("93.184.216.0/24", "93.184.216.0/24"),
        ("93.184.216.0/24:80", "93.184.216.0/24:80"),
        ("2606:2800::/32", "2606:2800::/32"),
        ("[2606:2800::1]:443", "[2606:2800::1]:443"),
        ("[2606:2800::/32]:443", "[2606:2800::/32]:443"),
        ("2606:2800:0::1", "2606:2800::1"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_a_rule_has_one_form(given: str, kept: str) -> None:
    assert (str(read_rule(given)), str(read_rule(kept))) == (kept, kept)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "neither a host nor a range"),
        ("https://pypi.org/simple", "only its host can be listed"),
        ("pypi.org/simple", "neither a host"),
        ("pypi.org:0", "no usable port"),
        ("pypi.org:70000", "no usable port"),
        ("pypi.org:x", "neither a host"),
        ("a.*.org", "neither a host"),
        ("*pypi.org", "neither a host"),
        ("1.2.3", "neither a host"),
        ("a..b", "neither a host"),
        ("a" * 64 + ".org", "neither a host"),
        ("-a.org", "neither a host"),
        ("a b", "neither a host"),
        ("a\n", None),
        ("localhost", "this machine"),
        ("x.localhost:80", "this machine"),
        ("10.0.0.0/8", "can never be reached"),
        ("127.0.0.1:80", "can never be reached"),
        ("[::1]:80", "can never be reached"),
        ("169.254.169.254", "always refused"),
        ("93.184.216.7/24", "that would be 93.184.216.0/24"),
    ],
)
def test_a_rule_that_cannot_be_met_is_refused_with_the_reason(given: str, said: str | None) -> None:
    if said is None:
        assert str(read_rule(given)) == given.strip()
        return
    with pytest.raises(UnfitRule, match=said):
        read_rule(given)


@given(st.text(max_size=40))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    try:
        rule = read_rule(text)
    except UnfitRule:
        return
    assert read_rule(str(rule)) == rule


def test_a_host_is_listed_by_its_whole_name() -> None:
    assert [allows("pypi.org", name) for name in ("pypi.org", "x.pypi.org", "pypi.org.evil.com", "xpypi.org")] == [
        True,
        False,
        False,
        False,
    ]


def test_a_wildcard_lists_what_is_below_a_domain_and_not_the_domain() -> None:
    names = ("a.b.org", "x.a.b.org", "b.org", "xb.org", "a.b.org.evil.com")
    assert [allows("*.b.org", name) for name in names] == [True, True, False, False, False]


def test_a_star_lists_every_name() -> None:
    assert (allows("*", "any.where"), allows("*:443", "any.where", 80)) == (True, False)


def test_a_port_limits_a_rule() -> None:
    assert (allows("pypi.org:443", "pypi.org"), allows("pypi.org:443", "pypi.org", 80)) == (True, False)


def test_a_range_lists_addresses_however_they_were_named() -> None:
    assert [
        allows("93.184.216.0/24", "any.where", address=one) for one in ("93.184.216.34", "93.184.217.1", "::1")
    ] == [
        True,
        False,
        False,
    ]


def test_without_rules_nothing_is_allowed() -> None:
    assert (Policy().allows("pypi.org", PUBLIC, 443), Policy().concerns("pypi.org", 443)) == (False, False)


@pytest.mark.parametrize(
    ("given", "name"),
    [("PyPI.org.", "pypi.org"), ("[2606:2800:0::1]", "2606:2800::1"), ("a\0b", None), ("", None), ("a/b", None)],
)
def test_hosts_have_one_form(given: str, name: str | None) -> None:
    assert host_name(given) == name


def test_policies_are_kept_for_their_owner_alone(book: PolicyBook) -> None:
    book.set("web", ["pypi.org", "PYPI.org", "*.pythonhosted.org:443"])
    again = PolicyBook(book.folder).find("web")
    modes = [stat.S_IMODE(os.stat(path).st_mode) for path in (book.folder, book.folder / "policies.json")]
    assert ([str(rule) for rule in again.rules], modes) == (["pypi.org", "*.pythonhosted.org:443"], [0o700, 0o600])
    assert sorted(os.listdir(book.folder)) == ["policies.json", "policies.lock"]


def test_a_policy_that_is_not_there_is_told_with_those_that_are(book: PolicyBook) -> None:
    with pytest.raises(NoPolicy, match=r"there is no policy 'web'; there are: none"):
        book.find("web")
    book.set("b", ["pypi.org"])
    book.set("a", ["pypi.org"])
    with pytest.raises(NoPolicy, match=r"'web'; there are: a, b"):
        book.remove("web")


def test_a_refused_change_changes_nothing(book: PolicyBook) -> None:
    book.set("web", ["pypi.org"])
    for name, hosts in (("web", ["10.0.0.1"]), ("a/b", ["pypi.org"]), ("big", ["pypi.org"] * 1001)):
        with pytest.raises(UnfitRule):
            book.set(name, hosts)
    assert (book.names(), [str(rule) for rule in book.find("web").rules]) == (["web"], ["pypi.org"])


@pytest.mark.parametrize(
    "text",
    ["", "[", "[]", '{"policies": []}', '{"policies": {"a": [1]}, "version": 1}', '{"policies": {}, "version": 2}'],
)
def test_a_spoilt_file_is_told_and_not_written_over(book: PolicyBook, text: str) -> None:
    book.folder.mkdir(parents=True)
    path = book.folder / "policies.json"
    path.write_text(text)
    for use in (book.names, lambda: book.set("web", ["pypi.org"]), lambda: book.remove("web")):
        with pytest.raises(PolicyFault, match=r"policies.json cannot be read"):
            use()
    assert path.read_text() == text


def test_a_rule_that_was_spoilt_by_hand_is_told(book: PolicyBook) -> None:
    book.set("web", ["pypi.org"])
    path = book.folder / "policies.json"
    path.write_text(path.read_text().replace("pypi.org", "10.0.0.1"))
    with pytest.raises(PolicyFault, match=r"policy web .* cannot be used: 10.0.0.1/32 can never be reached"):
        book.find("web")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PolicyFault, match="cannot be written: "):
        PolicyBook(tmp_path / "file" / "data").set("web", ["pypi.org"])


def test_a_full_disk_leaves_what_was_there(book: PolicyBook, monkeypatch: pytest.MonkeyPatch) -> None:
    book.set("web", ["pypi.org"])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(PolicyFault, match="No space left"):
            book.set("other", ["pypi.org"])
    assert (book.names(), sorted(os.listdir(book.folder))) == (["web"], ["policies.json", "policies.lock"])


def test_changes_at_the_same_time_are_all_kept(book: PolicyBook) -> None:
    names = [f"p{number}" for number in range(4)]
    changes = [threading.Thread(target=book.set, args=(name, ["pypi.org"])) for name in names]
    for change in changes:
        change.start()
    for change in changes:
        change.join()
    assert book.names() == names


def test_the_command_sets_shows_lists_and_removes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(tmp_path)]
    codes = [
        main(["set", "web", "--allow", "pypi.org", "*.pythonhosted.org", "--allow", "93.184.216.0/24", *data]),
        main(["ls", *data]),
        main(["show", "web", *data]),
        main(["rm", "web", *data]),
        main(["ls", *data]),
    ]
    hosts = ["pypi.org", "*.pythonhosted.org", "93.184.216.0/24"]
    assert codes == [0] * 5
    assert capsys.readouterr().out.splitlines() == [f"web allows {', '.join(hosts)}", "web", *hosts]


@pytest.mark.parametrize("arguments", [["show", "x"], ["rm", "x"], ["set", "x", "--allow", "localhost"]])
def test_the_command_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main([*arguments, "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("agentbay policy: ")


def test_the_file_says_what_version_it_is_of(book: PolicyBook) -> None:
    book.set("web", ["pypi.org"])
    assert json.loads((book.folder / "policies.json").read_text()) == {"policies": {"web": ["pypi.org"]}, "version": 1}


def test_the_doctor_names_the_policies_and_what_is_wrong_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTBAY_DATA", str(tmp_path))
    seen = [(policies(None).ok, policies(None).detail)]
    PolicyBook(tmp_path).set("web", ["pypi.org"])
    seen.append((policies(None).ok, policies(None).detail))
    (tmp_path / "policies.json").write_text("spoilt")
    assert seen == [(True, "none: sessions reach nothing outside"), (True, "web")]
    assert (policies(None).ok, policies(None).remedy) == (False, f"mend or remove {tmp_path}/policies.json")
