"""Policies, mounts and settings: their exact form, their defaults, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentbay import (
    AppManagerRule,
    BetaContextMount,
    BetaContextMountAccessMode,
    BetaContextMountStrategy,
    BrowserContext,
    BrowserFingerprintContext,
    BrowserSyncMode,
    BWList,
    ContextBinding,
    ContextStatusData,
    ContextSync,
    CreateSessionParams,
    DeletePolicy,
    DownloadPolicy,
    ExtensionOption,
    ExtraConfigs,
    ExtractPolicy,
    Lifecycle,
    LifecyclePolicy,
    MappingPolicy,
    MobileExtraConfig,
    MobileSimulateConfig,
    MobileSimulateMode,
    RecyclePolicy,
    SyncPolicy,
    UploadMode,
    UploadPolicy,
    WhiteList,
)
from agentbay.types.context import read_context_status

DEFAULT: dict[str, Any] = {
    "uploadPolicy": {
        "autoUpload": True,
        "uploadStrategy": "UploadBeforeResourceRelease",
        "uploadMode": "File",
    },
    "downloadPolicy": {"autoDownload": True, "downloadStrategy": "DownloadAsync"},
    "deletePolicy": {"syncLocalFile": True},
    "extractPolicy": {"extract": True, "deleteSrcFile": True, "extractToCurrentFolder": False},
    "recyclePolicy": {"lifecycle": "Lifecycle_Forever", "paths": [""]},
    "bwList": {"whiteLists": [{"path": "", "excludePaths": [], "isPathRegex": False, "isExcludeRegex": False}]},
}


def text(value: Any) -> str:
    """JSON text, in which the order of keys shows."""
    return json.dumps(value)


# --- Policies ---------------------------------------------------------------------------------------------------------


def test_a_policy_has_all_parts_in_their_order() -> None:
    assert text(SyncPolicy().to_map()) == text(SyncPolicy.default().to_map()) == text(DEFAULT)


@pytest.mark.parametrize(
    ("policy", "part"),
    [
        (
            SyncPolicy(UploadPolicy(auto_upload=False)),
            {"uploadPolicy": {**DEFAULT["uploadPolicy"], "autoUpload": False}},
        ),
        (
            SyncPolicy(download_policy=DownloadPolicy(auto_download=False)),
            {"downloadPolicy": {"autoDownload": False, "downloadStrategy": "DownloadAsync"}},
        ),
        (SyncPolicy(delete_policy=DeletePolicy(sync_local_file=False)), {"deletePolicy": {"syncLocalFile": False}}),
        (
            SyncPolicy(extract_policy=ExtractPolicy(False, False, True)),
            {"extractPolicy": {"extract": False, "deleteSrcFile": False, "extractToCurrentFolder": True}},
        ),
        (
            SyncPolicy(recycle_policy=RecyclePolicy(Lifecycle.LIFECYCLE_1DAY, ["/a"])),
            {"recyclePolicy": {"lifecycle": "Lifecycle_1Day", "paths": ["/a"]}},
        ),
        (SyncPolicy(bw_list=BWList()), {"bwList": {"whiteLists": []}}),
        (
            SyncPolicy(bw_list=BWList([WhiteList("/a.*", ["/b.*"], True, True)])),
            {
                "bwList": {
                    "whiteLists": [
                        {"path": "/a.*", "excludePaths": ["/b.*"], "isPathRegex": True, "isExcludeRegex": True}
                    ]
                }
            },
        ),
        (SyncPolicy(mapping_policy=MappingPolicy("c:\\Users\\x")), {"mappingPolicy": {"path": "c:\\Users\\x"}}),
    ],
)
def test_a_part_replaces_its_default(policy: SyncPolicy, part: dict[str, Any]) -> None:
    assert text(policy.to_map()) == text(DEFAULT | part)


def test_excluded_paths_are_told_only_of_archives() -> None:
    archive = UploadPolicy(upload_mode=UploadMode.ARCHIVE, archive_exclude_paths=["a"])

    assert archive.to_map()["archiveExcludePaths"] == ["a"]
    assert "archiveExcludePaths" not in UploadPolicy(archive_exclude_paths=["a"]).to_map()
    assert "archiveExcludePaths" not in UploadPolicy(upload_mode=UploadMode.ARCHIVE).to_map()


@pytest.mark.parametrize("value", ["x", None, 1])
def test_unknown_modes_are_refused(value: Any) -> None:
    for make in (
        lambda: UploadPolicy(upload_mode=value),
        lambda: UploadPolicy(upload_strategy=value),
        lambda: DownloadPolicy(download_strategy=value),
        lambda: RecyclePolicy(value),
        lambda: BetaContextMount("c", "/m", value),
        lambda: BetaContextMount("c", "/m", strategy=value),
    ):
        with pytest.raises((TypeError, ValueError), match=r"must be (one of|an?) "):
            make()


def test_modes_may_be_given_by_their_values() -> None:
    assert UploadPolicy(upload_mode="Archive").upload_mode is UploadMode.ARCHIVE
    assert RecyclePolicy("Lifecycle_5Days").lifecycle is Lifecycle.LIFECYCLE_5DAYS


@given(st.text(), st.sampled_from("*?[]"), st.text())
def test_a_wildcard_is_refused_wherever_a_path_must_be_exact(before: str, sign: str, after: str) -> None:
    path = before + sign + after
    for make in (
        lambda: RecyclePolicy(paths=["/ok", path]),
        lambda: WhiteList(path),
        lambda: WhiteList("", [path]),
        lambda: WhiteList("", [path], is_path_regex=True),
        lambda: WhiteList(path, is_exclude_regex=True),
    ):
        with pytest.raises(ValueError, match="must be exact"):
            make()
    assert WhiteList(path, [path], True, True).to_map()["path"] == path


def test_what_was_changed_later_is_checked_before_it_is_sent() -> None:
    policy = SyncPolicy()
    policy.recycle_policy.paths.append("*")
    with pytest.raises(ValueError, match="must be exact"):
        policy.to_map()
    other = SyncPolicy()
    other.bw_list.white_lists[0].path = "*"
    with pytest.raises(ValueError, match="must be exact"):
        other.to_map()
    with pytest.raises(TypeError):
        SyncPolicy().upload_policy = {}  # type: ignore[assignment]


@pytest.mark.parametrize("name", ["upload_policy", "bw_list", "mapping_policy"])
def test_parts_of_another_kind_are_refused(name: str) -> None:
    with pytest.raises(TypeError):
        SyncPolicy(**{name: {}})
    with pytest.raises(TypeError, match="paths must be a list of str, but item 0 is 1"):
        RecyclePolicy(paths=[1])  # type: ignore[list-item]
    changed = RecyclePolicy()
    changed.paths = [1]  # type: ignore[list-item]
    with pytest.raises(TypeError, match="must be text, not int"):
        changed.to_map()


def test_policies_can_be_changed_as_plain_objects() -> None:
    policy = SyncPolicy.default()
    policy.upload_policy = UploadPolicy.default()
    policy.upload_policy.auto_upload = False
    policy.mapping_policy = MappingPolicy.default()

    assert policy.to_map()["uploadPolicy"]["autoUpload"] is False
    assert policy.to_map()["mappingPolicy"] == {"path": ""}


# --- Syncs and mounts -------------------------------------------------------------------------------------------------


def test_a_sync_without_a_policy_sends_none() -> None:
    assert ContextSync("c", "/p").to_map() == {"ContextId": "c", "Path": "/p"}
    assert ContextSync.new("c", "/p", None, False) == ContextSync("c", "/p", beta_wait_for_completion=False)


def test_a_policy_travels_as_text_with_its_characters_as_they_are() -> None:
    sync = ContextSync("c", "/p").with_policy(SyncPolicy(bw_list=BWList([WhiteList("/é")])))

    assert '"path": "/é"' in sync.to_map()["Policy"]


def test_a_mount_can_be_made_step_by_step() -> None:
    performance, read_only = BetaContextMountStrategy.PERFORMANCE, BetaContextMountAccessMode.READ_ONLY
    mount = BetaContextMount.new("c", "/m").with_strategy(performance).with_access_mode(read_only).with_source_path("s")

    assert mount == BetaContextMount.new("c", "/m", read_only, performance, "s")
    assert mount.to_map() == {
        "ContextId": "c",
        "Path": "/m",
        "Type": "mount",
        "MountConfig": {"AccessMode": "readOnly", "StorageMode": "performance", "SourcePath": "s"},
    }


# --- Browsers ---------------------------------------------------------------------------------------------------------


def test_a_browser_keeps_its_whole_profile_unless_told_otherwise() -> None:
    def paths(context: BrowserContext) -> list[str]:
        policy = context.get_profile_context_sync().policy
        assert policy is not None
        return [entry.path for entry in policy.bw_list.white_lists]

    minimal = ["/Local State", "/Default/Cookies", "/Default/Cookies-journal"]
    assert paths(BrowserContext("b", sync_mode=BrowserSyncMode.MINIMAL)) == minimal
    assert paths(BrowserContext("b"))[:3] == minimal
    assert len(paths(BrowserContext("b"))) == 19
    assert paths(BrowserContext("b"))[-1] == "/Default/Affiliation Database-journal"


def test_a_browser_without_more_brings_nothing_more() -> None:
    assert BrowserContext("b").get_extension_context_syncs() == []
    assert BrowserContext("b").get_fingerprint_context_sync() is None


@pytest.mark.parametrize("blank", ["", "  "])
def test_blank_ids_are_refused(blank: str) -> None:
    with pytest.raises(ValueError, match="context_id cannot be empty"):
        ExtensionOption(blank, ["e"])
    with pytest.raises(ValueError, match="fingerprint_context_id cannot be empty"):
        BrowserFingerprintContext(blank)
    with pytest.raises(ValueError, match="extension_ids cannot be empty"):
        ExtensionOption("c", [])
    assert not ExtensionOption("c", [blank]).validate()
    assert ExtensionOption("c", ["e"]).validate()


# --- Mobile settings --------------------------------------------------------------------------------------------------

FULL = ExtraConfigs(
    MobileExtraConfig(
        True,
        AppManagerRule("Black", ["a"]),
        False,
        ["z"],
        MobileSimulateConfig(True, "/p", MobileSimulateMode.ALL, "c"),
    )
)


def test_mobile_settings_go_to_a_map_and_back() -> None:
    FULL.validate()
    told = FULL.to_map()

    assert told == {
        "Mobile": {
            "LockResolution": True,
            "AppManagerRule": {"RuleType": "Black", "AppPackageNameList": ["a"]},
            "HideNavigationBar": False,
            "UninstallBlacklist": ["z"],
            "SimulateConfig": {
                "Simulate": True,
                "SimulatePath": "/p",
                "SimulateMode": "All",
                "SimulatedContextId": "c",
            },
        }
    }
    assert ExtraConfigs.from_map(told | {"Unknown": 1}) == FULL
    assert ExtraConfigs.from_map() == ExtraConfigs()
    assert ExtraConfigs().to_map() == ExtraConfigs().for_create() == {}


def test_the_device_to_simulate_is_not_told_at_creation() -> None:
    assert "SimulateConfig" not in FULL.for_create()["Mobile"]
    assert FULL.simulated_context_id == "c"
    assert ExtraConfigs(MobileExtraConfig(simulate_config=MobileSimulateConfig())).simulated_context_id == ""
    assert ExtraConfigs(MobileExtraConfig()).simulated_context_id == ExtraConfigs().simulated_context_id == ""


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (MobileExtraConfig(app_manager_rule=AppManagerRule("Grey")), "rule_type must be 'White' or 'Black'"),
        (MobileExtraConfig(simulate_config=MobileSimulateConfig(True)), "simulate_path is required"),
    ],
)
def test_mobile_settings_refuse_what_is_wrong(settings: MobileExtraConfig, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        ExtraConfigs(settings).validate()


# --- Sessions ---------------------------------------------------------------------------------------------------------


def test_the_parameters_of_a_session_have_the_known_order() -> None:
    syncs, mounts, browser, policy = [ContextSync("c", "/p")], [BetaContextMount("m", "/m")], BrowserContext("b"), None

    params = CreateSessionParams(
        {"a": "b"}, "i", None, LifecyclePolicy(), syncs, mounts, browser, "p", "n", True, FULL, "f", True, ["s"]
    )

    assert policy is None
    assert (params.context_syncs, params.beta_context_mounts, params.browser_context) == (syncs, mounts, browser)
    assert (params.policy_id, params.beta_network_id, params.enable_browser_replay) == ("p", "n", True)
    assert (params.extra_configs, params.framework, params.load_skills, params.skill_names) == (FULL, "f", True, ["s"])


def test_parameters_do_not_share_the_lists_of_the_caller() -> None:
    syncs = [ContextSync("c", "/p")]
    params = CreateSessionParams(context_syncs=syncs)

    syncs.clear()

    assert params.context_syncs == [ContextSync("c", "/p")]
    assert CreateSessionParams().context_syncs == []


# --- Hostile answers --------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
FIELDS = ["contextId", "path", "errorMessage", "status", "startTime", "finishTime", "taskType", "type", "data"]


@given(st.text())
def test_any_text_is_read_as_a_list_of_tasks(text: str) -> None:
    assert isinstance(read_context_status(text), list)


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), json_values)))
def test_any_objects_are_read_as_tasks(items: list[dict[str, Any]]) -> None:
    groups = [{"type": "data", "data": json.dumps(items)}, {"type": "other", "data": json.dumps(items)}]

    assert len(read_context_status(json.dumps(groups))) == len(items)


def test_endless_nesting_is_no_task() -> None:
    assert read_context_status("[" * 200_000) == []


MOMENTS = st.integers(-(10**12), 10**12)


@given(st.builds(ContextStatusData, *[st.text()] * 4, MOMENTS, MOMENTS, st.text()))
def test_a_task_survives_the_wire(task: ContextStatusData) -> None:
    own = ("context_id", "path", "error_message", "status", "start_time", "finish_time", "task_type")
    inner = json.dumps([{name: getattr(task, field) for name, field in zip(FIELDS, own, strict=False)} | {"new": 1}])

    assert read_context_status(json.dumps([{"type": "data", "data": inner}])) == [task]


def test_a_binding_is_read_from_the_service_s_object() -> None:
    assert ContextBinding.from_dict({"ContextId": "c", "Path": None, "New": 1}) == ContextBinding("c")


def test_a_device_to_simulate_is_read_from_a_map_by_either_way_of_calling() -> None:
    told = {"Simulate": True, "SimulatePath": "/p", "SimulateMode": "All"}
    wanted = MobileSimulateConfig(True, "/p", MobileSimulateMode.ALL)

    assert [MobileSimulateConfig.from_map(told), MobileSimulateConfig.from_map(map=told)] == [wanted] * 2
    assert MobileSimulateConfig.from_map() == MobileSimulateConfig()
