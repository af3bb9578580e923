"""What clients ask for when they bind a context."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentbay import (
    BetaContextMount,
    BWList,
    ContextSync,
    ExtractPolicy,
    MappingPolicy,
    RecyclePolicy,
    SyncPolicy,
    UploadPolicy,
    WhiteList,
)
from agentbay_local.syncing import policy
from agentbay_local.syncing.policy import Policy, UnreadablePolicy, read_entries

SYNC = {"ContextId": "SdkCtx-1", "Path": "/tmp/data"}


def read(**parts: Any) -> Policy:
    [entry] = read_entries([SYNC | {"Policy": json.dumps(parts)}])
    return entry.policy


def refusal(given: Any) -> str:
    with pytest.raises(UnreadablePolicy) as caught:
        read_entries(given)
    return str(caught.value)


def test_no_policy_means_the_services_default() -> None:
    [entry] = read_entries(json.dumps([SYNC]))
    assert entry == policy.Entry("SdkCtx-1", "/tmp/data", "/tmp/data", Policy())
    assert read() == read(**SyncPolicy().to_map()) == Policy()


def test_the_sdks_policies_are_understood() -> None:
    asked = SyncPolicy(
        UploadPolicy(auto_upload=False, upload_mode="Archive", archive_exclude_paths=["/logs", "b"]),
        extract_policy=ExtractPolicy(extract=False, delete_src_file=False, extract_current_folder=True),
        recycle_policy=RecyclePolicy("Lifecycle_1Day", ["/a"]),
        bw_list=BWList([WhiteList("/src", ["/x", "y/"]), WhiteList(".*[.]py", [r"\d+"], True, True)]),
        mapping_policy=MappingPolicy("c:\\Users\\x"),
    )
    [entry] = read_entries([ContextSync("SdkCtx-1", "/tmp//data/", asked).to_map()])
    assert ("/tmp//data/", "/tmp/data", "/c:/Users/x") == (entry.path, entry.place, entry.source)
    assert json.loads(entry.policy_text) == asked.to_map()
    assert (
        Policy(
            auto_upload=False,
            archive=True,
            unpacked=("logs", "b"),
            extract=False,
            drop_archive=False,
            extract_here=True,
            keep_days=1,
            kept_paths=("a",),
            white_lists=(
                policy.WhiteList("src", ("x", "y")),
                policy.WhiteList(".*[.]py", (r"\d+",), path_is_pattern=True, excluded_are_patterns=True),
            ),
            mapping="/c:/Users/x",
        )
        == entry.policy
    )


def test_an_empty_list_carries_nothing() -> None:
    assert () == read(bwList={"whiteLists": []}).white_lists


@pytest.mark.parametrize("days", [1, 3, 5, 10, 15, 30, 90, 180, 360])
def test_every_lifecycle_is_known(days: int) -> None:
    name = "Lifecycle_1Day" if days == 1 else f"Lifecycle_{days}Days"
    assert days == read(recyclePolicy={"lifecycle": name}).keep_days


def test_a_mount_shows_the_context_from_its_top_or_its_source_path() -> None:
    whole, part = read_entries(
        [
            BetaContextMount("SdkCtx-1", "/home/wuying/m").to_map(),
            BetaContextMount("SdkCtx-1", "/home/wuying/n", "readOnly", "performance", "/sub/").to_map(),
        ]
    )
    assert (True, False, "/") == (whole.mount, whole.read_only, whole.source)
    assert (True, True, "/sub", False) == (part.mount, part.read_only, part.source, part.policy.auto_upload)


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ("no object", "PersistenceDataList[0]: must be an object"),
        ({"Path": "/a"}, "PersistenceDataList[0].ContextId: is missing"),
        ({"ContextId": "c", "Path": "a"}, "PersistenceDataList[0].Path: must be an absolute path"),
        ({"ContextId": "c", "Path": "/a/../b"}, "PersistenceDataList[0].Path: must be an absolute path"),
        ({"ContextId": "c", "Path": "/a\0"}, "PersistenceDataList[0].Path: must be text"),
        (SYNC | {"Type": "copy"}, "PersistenceDataList[0].Type: must be one of sync, mount"),
        (SYNC | {"Type": "mount", "MountConfig": {"AccessMode": "write"}}, "MountConfig.AccessMode: must be one of"),
        (SYNC | {"Type": "mount", "MountConfig": {"SourcePath": "../x"}}, "MountConfig.SourcePath: must not lead up"),
        (SYNC | {"Policy": "{"}, "PersistenceDataList[0].Policy: must be JSON"),
        (SYNC | {"Policy": "[]"}, "PersistenceDataList[0].Policy: must be an object"),
    ],
)
def test_an_entry_that_cannot_be_met_names_the_field(entry: Any, field: str) -> None:
    assert field in refusal([entry])


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"uploadPolicy": {"uploadMode": "Zip"}}, "Policy.uploadPolicy.uploadMode: must be one of File, Archive"),
        ({"uploadPolicy": {"uploadStrategy": "Now"}}, "Policy.uploadPolicy.uploadStrategy: must be one of"),
        ({"uploadPolicy": {"autoUpload": "yes"}}, "Policy.uploadPolicy.autoUpload: must be true or false"),
        ({"uploadPolicy": {"archiveExcludePaths": "a"}}, "Policy.uploadPolicy.archiveExcludePaths: must be a list"),
        ({"downloadPolicy": []}, "Policy.downloadPolicy: must be an object"),
        ({"downloadPolicy": {"downloadStrategy": "DownloadSync"}}, "downloadStrategy: must be one of DownloadAsync"),
        ({"deletePolicy": {"syncLocalFile": 1}}, "Policy.deletePolicy.syncLocalFile: must be true or false"),
        ({"recyclePolicy": {"lifecycle": "Lifecycle_2Days"}}, "Policy.recyclePolicy.lifecycle: must be one of"),
        ({"recyclePolicy": {"paths": ["a*"]}}, "Policy.recyclePolicy.paths: must be exact"),
        ({"recyclePolicy": {"paths": [1]}}, "Policy.recyclePolicy.paths: must be paths"),
        ({"bwList": {"whiteLists": [{"path": "/a?"}]}}, "Policy.bwList.whiteLists[0].path: must be exact"),
        ({"bwList": {"whiteLists": [{}, {"path": "../a"}]}}, "Policy.bwList.whiteLists[1].path: must not lead up"),
        ({"bwList": {"whiteLists": [{"excludePaths": ["[x]"]}]}}, "whiteLists[0].excludePaths: must be exact"),
        ({"bwList": {"whiteLists": [{"path": "*.py", "isPathRegex": True}]}}, "path: is no regular expression"),
        ({"bwList": {"whiteLists": [{"path": "(" * 500, "isPathRegex": True}]}}, "path: is no regular expression"),
        ({"bwList": {"whiteLists": [{"path": "a" * 1001, "isPathRegex": True}]}}, "path: must be a regular expression"),
        ({"bwList": {"whiteLists": [{"path": "a{99999999999}", "isPathRegex": True}]}}, "is no regular expression"),
        ({"mappingPolicy": {"path": "/a/../b"}}, "Policy.mappingPolicy.path: must not lead up"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(part: dict[str, Any], field: str) -> None:
    said = refusal([SYNC | {"Policy": json.dumps(part)}])
    assert said.startswith("PersistenceDataList[0].Policy.")
    assert field in said


def test_there_is_a_limit_to_entries() -> None:
    assert "at most 100 entries" in refusal([SYNC] * 101)
    assert "at most 100 entries" in refusal("{}")
    assert "must be JSON" in refusal("[" * 100_000)


def test_what_nobody_knows_yet_is_passed_over() -> None:
    assert Policy() == read(uploadPolicy={"period": 30}, newPolicy={"x": 1}, deletePolicy=None)


NAMES = ["ContextId", "Path", "Policy", "Type", "MountConfig", "uploadPolicy", "bwList", "whiteLists", "path", "paths"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_whatever_comes_is_read_or_refused(given: Any) -> None:
    with contextlib.suppress(UnreadablePolicy):
        read_entries(given)
