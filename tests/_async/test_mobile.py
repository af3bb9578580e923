"""The phone: refusals, elements, settings, and what the creation of a session does to it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest

from agentbay import (
    AgentBayError,
    APIError,
    APIResponseError,
    AppManagerRule,
    AsyncAgentBay,
    AsyncSession,
    BoolResult,
    CommandError,
    CreateSessionParams,
    ExtraConfigs,
    KeyCode,
    MobileExtraConfig,
    MobileSimulateConfig,
    MobileSimulateMode,
    NotFoundError,
    ToolError,
)
from tests.catalogue import example
from tests.gateway import SESSION_ID, Gateway, Said, ok, raw, refusal

Call = Callable[[AsyncSession], Any]

# --- What is refused --------------------------------------------------------------------------------------------------

VALUES: dict[str, tuple[Call, str]] = {
    "a place off the screen": (
        lambda session: session.mobile.tap(0, -1),
        "y must be a whole number of pixels from 0 to 65535, not -1",
    ),
    "a swipe without time": (
        lambda session: session.mobile.swipe(0, 0, 1, 1, 0),
        "duration_ms must be a whole number of milliseconds from 1 to 600000, not 0",
    ),
    "a key that is none": (
        lambda session: session.mobile.send_key(65536),
        "key must be a key code from 0 to 65535, not 65536",
    ),
    "no time to look": (
        lambda session: session.mobile.get_clickable_ui_elements(-1),
        "timeout_ms must be above 0 milliseconds, not -1",
    ),
    "too much time to look": (
        lambda session: session.mobile.get_all_ui_elements(600_001),
        "timeout_ms must be a whole number of milliseconds from 1 to 600000, not 600001",
    ),
    "an adb key of nothing": (lambda session: session.mobile.get_adb_url(" "), "adbkey_pub must not be empty"),
    "a picture of another kind": (
        lambda session: session.mobile.beta_take_long_screenshot(4, "bmp"),
        "Invalid format: must be 'png', 'jpeg', or 'jpg', not 'bmp'",
    ),
    "one screen": (
        lambda session: session.mobile.beta_take_long_screenshot(1),
        "Invalid max_screens: must be an integer in [2, 10], not 1",
    ),
    "eleven screens": (
        lambda session: session.mobile.beta_take_long_screenshot(11),
        "Invalid max_screens: must be an integer in [2, 10], not 11",
    ),
    "quality of nothing": (
        lambda session: session.mobile.beta_take_long_screenshot(4, "jpeg", 0),
        "Invalid quality: must be an integer in [1, 100], not 0",
    ),
    "a package of two words": (
        lambda session: session.mobile.set_app_whitelist(["com.a", "x y"]),
        "A package name must be one word, such as 'com.example.app', not 'x y'",
    ),
    "a package of two lines": (
        lambda session: session.mobile.set_app_blacklist(["a\nrm"]),
        "A package name must be one word, such as 'com.example.app', not 'a\\nrm'",
    ),
    "a package that ends the list": (
        lambda session: session.mobile.set_uninstall_blacklist(["EOF"]),
        "A package name must be one word, such as 'com.example.app', not 'EOF'",
    ),
    "a rule of another kind": (
        lambda session: session.mobile.configure(MobileExtraConfig(app_manager_rule=AppManagerRule("Grey", []))),
        "rule_type must be 'White' or 'Black', not 'Grey'",
    ),
}

KINDS: dict[str, tuple[Call, str]] = {
    "a swipe from nowhere": (
        lambda session: session.mobile.swipe("0", 0, 1, 1),
        "start_x must be a whole number, not a str",
    ),
    "a key by its name": (lambda session: session.mobile.send_key("HOME"), "key must be a whole number, not a str"),
    "an adb key that is no text": (
        lambda session: session.mobile.get_adb_url(b"x"),
        "adbkey_pub must be a str, not bytes",
    ),
    "screens that are no number": (
        lambda session: session.mobile.beta_take_long_screenshot("4"),
        "max_screens must be a whole number, not a str",
    ),
    "quality that is a truth": (
        lambda session: session.mobile.beta_take_long_screenshot(4, "jpeg", quality=True),
        "quality must be a whole number or None, not True",
    ),
    "a package that is no text": (
        lambda session: session.mobile.set_uninstall_blacklist([7]),
        "package_names must be a list of str, but item 0 is 7",
    ),
    "a package alone": (
        lambda session: session.mobile.set_app_whitelist("com.a"),
        "package_names must be a list of str, not a str",
    ),
    "a lock in words": (
        lambda session: session.mobile.set_resolution_lock("on"),
        "enable must be True or False, not a str",
    ),
    "a bar of neither kind": (
        lambda session: session.mobile.set_navigation_bar_visibility(None),
        "hide must be True or False, not None",
    ),
    "settings of another class": (
        lambda session: session.mobile.configure({"lock_resolution": True}),
        "mobile_config must be a MobileExtraConfig, not a dict",
    ),
}


@pytest.mark.parametrize(("call", "message"), VALUES.values(), ids=list(VALUES))
async def test_a_wrong_value_is_refused_before_any_request(
    session: AsyncSession, gateway: Gateway, call: Call, message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        await call(session)
    assert gateway.names == []


@pytest.mark.parametrize(("call", "message"), KINDS.values(), ids=list(KINDS))
async def test_a_value_of_a_wrong_kind_is_refused_before_any_request(
    session: AsyncSession, gateway: Gateway, call: Call, message: str
) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        await call(session)
    assert gateway.names == []


async def test_an_unknown_format_of_elements_is_a_failed_result(session: AsyncSession, gateway: Gateway) -> None:
    result = await session.mobile.get_all_ui_elements(format="yaml")

    assert result.error_message == "Unsupported UI elements format: 'yaml'. Supported values: 'json', 'xml'."
    assert (result.success, type(result.error), gateway.names) == (False, AgentBayError, [])


def test_key_codes_are_those_of_android() -> None:
    assert [int(code) for code in KeyCode] == list(range(289))
    assert (KeyCode.KEYCODE_BACK, KeyCode.KEYCODE_MENU, KeyCode.KEYCODE_3D_MODE, KeyCode.KEYCODE_0) == (4, 82, 206, 7)


# --- The screen -------------------------------------------------------------------------------------------------------


async def test_an_older_image_has_another_name_for_a_tap(client: AsyncAgentBay, gateway: Gateway) -> None:
    tools = [{"name": "click", "server": "wuying_ui"}]
    gateway.on("GetSession", ok(gateway.session_data(ToolList=json.dumps(tools))))
    gateway.on("click", Said("True"))
    session = (await client.get(SESSION_ID)).unwrap().session

    result = await session.mobile.tap(3, 4)

    assert (result.success, gateway.last("click").args) == (True, {"x": 3, "y": 4})


async def test_elements_have_what_the_tool_told_or_the_documented_default(
    either: AsyncSession, gateway: Gateway
) -> None:
    told = [{"text": "OK", "secret": 1, "children": [{"bounds": "[1,2][3,4]"}, 7]}, "noise"]
    gateway.on("get_all_ui_elements", Said(json.dumps(told)))
    gateway.on("get_clickable_ui_elements", Said(json.dumps(told)))

    known = (await either.mobile.get_all_ui_elements()).elements
    clickable = (await either.mobile.get_clickable_ui_elements()).elements

    empty = {"bounds": "", "className": "", "text": "", "type": "", "resourceId": "", "index": -1, "isParent": False}
    rect = {"left": 1, "top": 2, "right": 3, "bottom": 4}
    inner = empty | {"bounds": "[1,2][3,4]", "bounds_rect": rect, "children": []}
    assert known == [empty | {"text": "OK", "bounds_rect": None, "children": [inner]}]
    child = {"bounds": "[1,2][3,4]", "bounds_rect": rect}
    assert clickable == [{"text": "OK", "secret": 1, "bounds_rect": None, "children": [child]}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("oops", "Failed to parse {}UI elements data: Expecting value"),
        ("{}", "Failed to parse {}UI elements data: expected an array, not dict"),
        ('[{"bounds": "' + "9" * 5000 + ',1,2,3"}]', "Failed to parse {}UI elements data: Exceeds the limit"),
        ('[{"children":' * 100_000, "Failed to parse {}UI elements data: "),
    ],
)
async def test_elements_that_cannot_be_read_are_a_failed_result(
    either: AsyncSession, gateway: Gateway, text: str, message: str
) -> None:
    gateway.on("get_all_ui_elements", Said(text))
    gateway.on("get_clickable_ui_elements", Said(text))

    results = [await either.mobile.get_all_ui_elements(), await either.mobile.get_clickable_ui_elements()]

    for result, what in zip(results, ("", "clickable "), strict=True):
        assert result.error_message.startswith(message.format(what))
        assert (result.success, result.elements, result.raw, type(result.error)) == (False, [], text, ToolError)


async def test_a_tool_that_fails_without_a_word_has_a_message_all_the_same(
    session: AsyncSession, gateway: Gateway
) -> None:
    gateway.on("get_all_ui_elements", Said("", failed=True))
    gateway.on("get_clickable_ui_elements", Said("", failed=True))
    gateway.on("long_screenshot", Said("dark", failed=True))

    every = await session.mobile.get_all_ui_elements(format="xml")
    clickable = await session.mobile.get_clickable_ui_elements()

    assert (every.error_message, every.format) == ("Failed to get all UI elements", "xml")
    assert (clickable.error_message, clickable.format) == ("Failed to get clickable UI elements", "json")
    with pytest.raises(ToolError, match="Failed to take long screenshot: dark"):
        await session.mobile.beta_take_long_screenshot()


async def test_an_adb_link_may_be_refused_or_missing(session: AsyncSession, gateway: Gateway) -> None:
    wrong = refusal("ImageTypeNotMatched", "Expected: MobileUse, Actual: BrowserUse")
    gateway.on("GetAdbLink", wrong, ok({}), ok({"Url": ""}))

    results = [await session.mobile.get_adb_url("key") for _ in range(3)]

    assert [(result.success, result.data, result.error_message) for result in results] == [
        (False, None, "[ImageTypeNotMatched] Expected: MobileUse, Actual: BrowserUse"),
        (False, None, "The service gave no ADB URL"),
        (False, None, "The service gave no ADB URL"),
    ]
    assert {type(result.error) for result in results} == {APIError}


# --- Settings ---------------------------------------------------------------------------------------------------------

FULL = MobileExtraConfig(
    lock_resolution=False,
    app_manager_rule=AppManagerRule("Black", ["com.a"]),
    hide_navigation_bar=True,
    uninstall_blacklist=["com.y", "com.z"],
)
BLACKLIST = (
    "cat > /data/system/pm_blacklist.txt << 'EOF'\ncom.a\nEOF\nchmod 644 /data/system/pm_blacklist.txt; "
    "setprop rw.wy.pm_blacklist.refresh 1; setprop persist.wy.pm_blacklist.switch 1"
)
LOCKED = (
    "cat > /data/system/pm_lock.conf << 'EOF'\ncom.y\ncom.z\nEOF\nchmod 644 /data/system/pm_lock.conf; "
    "setprop persist.wy.pm_lock.trigger SECONDS"
)
STEPS = [
    "setprop sys.wuying.lockres 0",
    BLACKLIST,
    "setprop persist.wy.hasnavibar false; killall com.android.systemui",
    LOCKED,
]


def steps(gateway: Gateway) -> list[str]:
    """The commands that were run, each second of the clock made the same."""
    return [re.sub(r"trigger \d{10}$", "trigger SECONDS", call.args["command"]) for call in gateway.of("shell")]


async def test_settings_are_applied_in_the_order_of_the_service(either: AsyncSession, gateway: Gateway) -> None:
    gateway.on("shell", Said(""))

    result = await either.mobile.configure(FULL)

    assert (result.success, result.data, steps(gateway)) == (True, True, STEPS)


async def test_the_first_failure_is_told_and_the_other_settings_are_applied(
    session: AsyncSession, gateway: Gateway
) -> None:
    gateway.on("shell", Said(""), Said('{"stdout":"","stderr":"read-only","exit_code":1}', failed=True), Said(""))

    result = await session.mobile.configure(FULL)

    assert (result.success, result.data, len(steps(gateway))) == (False, None, 4)
    assert (result.error_message, type(result.error)) == ("The command exited with code 1: read-only", CommandError)


NOTHING = MobileExtraConfig(app_manager_rule=AppManagerRule("White", []), uninstall_blacklist=[])


@pytest.mark.parametrize(
    "call",
    [
        lambda session: session.mobile.set_app_whitelist([]),
        lambda session: session.mobile.set_app_blacklist(()),
        lambda session: session.mobile.set_uninstall_blacklist([]),
        lambda session: session.mobile.configure(NOTHING),
        lambda session: session.mobile.configure(MobileExtraConfig(app_manager_rule=AppManagerRule())),
        lambda session: session.mobile.configure(MobileExtraConfig(app_manager_rule=AppManagerRule("White"))),
    ],
)
async def test_empty_lists_change_nothing(session: AsyncSession, gateway: Gateway, call: Call) -> None:
    assert await call(session) == BoolResult(success=True, data=True)
    assert gateway.names == []


async def test_an_uninstall_list_is_written_and_triggered(session: AsyncSession, gateway: Gateway) -> None:
    gateway.on("shell", Said(""))

    (await session.mobile.set_uninstall_blacklist(["com.y", "com.z"])).unwrap()

    assert steps(gateway) == [LOCKED]


# --- At creation ------------------------------------------------------------------------------------------------------


def phone(config: MobileExtraConfig) -> CreateSessionParams:
    return CreateSessionParams(image_id="mobile_latest", extra_configs=ExtraConfigs(config))


async def test_a_new_phone_is_made_as_it_is_wanted(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("CreateMcpSession", example("CreateMcpSession"))
    gateway.on("shell", Said(""))

    result = await client.create(phone(FULL))

    assert (result.success, gateway.names) == (True, ["CreateMcpSession", "shell", "shell", "shell", "shell"])
    assert steps(gateway) == STEPS


MODES: list[tuple[Any, str]] = [
    (None, ""),
    (MobileSimulateMode.PROPERTIES_ONLY, ""),
    (MobileSimulateMode.SENSORS_ONLY, " -sensors"),
    (MobileSimulateMode.PACKAGES_ONLY, " -packages"),
    (MobileSimulateMode.SERVICES_ONLY, " -services"),
    (MobileSimulateMode.ALL, " -all"),
]


@pytest.mark.parametrize(("mode", "option"), MODES)
async def test_a_device_is_simulated_once_its_files_are_there(
    client: AsyncAgentBay, gateway: Gateway, mode: Any, option: str
) -> None:
    task = [{"contextId": "c8", "status": "Success", "taskType": "download"}]
    gateway.on("CreateMcpSession", example("CreateMcpSession"))
    gateway.on("GetContextInfo", ok({"ContextStatus": json.dumps([{"type": "data", "data": json.dumps(task)}])}))
    gateway.on("shell", Said(""))
    device = MobileSimulateConfig(True, "/data/agentbay_mobile_info", mode, "c8")

    await client.create(phone(MobileExtraConfig(lock_resolution=True, simulate_config=device)))

    assert gateway.names == ["CreateMcpSession", "shell", "GetContextInfo", "shell"]
    path = "/data/agentbay_mobile_info"
    assert steps(gateway)[1:] == [f"chmod -R a+rwx {path}; wya apply{option} {path}/dev_info.json"]


async def test_a_path_is_one_word_for_the_shell(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("CreateMcpSession", example("CreateMcpSession"))
    gateway.on("shell", Said(""))

    await client.create(phone(MobileExtraConfig(simulate_config=MobileSimulateConfig(True, "/a b'; id"))))

    path = "/a b'\\''; id"
    assert steps(gateway) == [f"chmod -R a+rwx '{path}'; wya apply '{path}/dev_info.json'"]


async def test_a_device_that_is_not_wanted_is_not_simulated(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("CreateMcpSession", example("CreateMcpSession"))

    await client.create(phone(MobileExtraConfig(simulate_config=MobileSimulateConfig(False, "/p"))))

    assert gateway.names == ["CreateMcpSession"]


async def test_a_device_without_a_path_is_refused(client: AsyncAgentBay, gateway: Gateway) -> None:
    with pytest.raises(ValueError, match="simulate_path is required"):
        await client.create(phone(MobileExtraConfig(simulate_config=MobileSimulateConfig(True))))
    assert gateway.names == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Said('{"stdout":"","stderr":"canary","exit_code":1}', failed=True), CommandError),
        (refusal("InvalidMcpSession.NotFound", "canary"), NotFoundError),
        (raw("canary"), APIResponseError),
    ],
)
async def test_a_setting_that_fails_is_logged_and_the_session_is_there(
    client: AsyncAgentBay, gateway: Gateway, caplog: pytest.LogCaptureFixture, answer: Any, kind: type[AgentBayError]
) -> None:
    gateway.on("CreateMcpSession", example("CreateMcpSession"))
    gateway.on("shell", answer)

    with caplog.at_level(logging.WARNING, "agentbay"):
        result = await client.create(phone(MobileExtraConfig(hide_navigation_bar=True)))

    assert result.unwrap().session.session_id == SESSION_ID
    [record] = caplog.records
    assert record.getMessage() == f"session {SESSION_ID}: a mobile setting failed: {kind.__name__}"
    assert "canary" not in caplog.text


async def test_a_session_that_was_not_made_is_not_configured(client: AsyncAgentBay, gateway: Gateway) -> None:
    gateway.on("CreateMcpSession", refusal("No.Way", "no"))

    result = await client.create(phone(FULL))

    assert (result.success, gateway.names) == (False, ["CreateMcpSession"])
