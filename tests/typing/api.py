"""Every public method in both colours, as the type checkers see them. Never run: it only has to be accepted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

import httpx
from attrs import frozen

import agentbay as ab


@frozen
class Title:
    """What is taken from a page."""

    title: str


async def asynchronous_client(params: ab.CreateSessionParams) -> None:
    carrier = httpx.AsyncClient()
    client = ab.AsyncAgentBay(
        "key",
        ab.Config(timeout_ms=1, region_id="x", endpoint="y"),
        ".env",
        endpoint="local",
        timeout=1.5,
        retries=ab.RetryPolicy(attempts=2, repeat_tools=True),
        http_client=carrier,
        verify="ca.pem",
        proxy=None,
        max_connections=10,
        engine="pool",
    )
    async with client as entered:
        assert_type(entered, ab.AsyncAgentBay)
    assert_type(await client.create(), ab.SessionResult[ab.AsyncSession])
    assert_type(await client.create(params), ab.SessionResult[ab.AsyncSession])
    assert_type((await client.create()).unwrap().session, ab.AsyncSession)
    assert_type(await client.get("id"), ab.SessionResult[ab.AsyncSession])
    assert_type(await client.list({"a": "b"}, 1, 10, "RUNNING", "image"), ab.SessionListResult)
    assert_type(client.list_all({"a": "b"}, 10, "RUNNING", "image"), AsyncIterator[dict[str, str]])
    async for item in client.list_all():
        assert_type(item, dict[str, str])
    session = (await client.get("id")).session
    assert_type(await client.delete(session, sync_context=True), ab.DeleteResult)
    assert_type(await client.pause(session, 60, 0.5), ab.SessionPauseResult)
    assert_type(await client.resume(session), ab.SessionResumeResult)
    assert_type(await client.beta_pause(session), ab.SessionPauseResult)
    assert_type(await client.beta_resume(session), ab.SessionResumeResult)
    assert_type(await client.aclose(), None)


async def asynchronous_session(session: ab.AsyncSession) -> None:
    async with session as entered:
        assert_type(entered, ab.AsyncSession)
    assert_type(session.session_id, str)
    assert_type(await session.delete(sync_context=True), ab.DeleteResult)
    assert_type(await session.get_status(), ab.SessionStatusResult)
    assert_type(await session.keep_alive(), ab.OperationResult)
    assert_type(await session.pause(timeout=600, poll_interval=2.0), ab.SessionPauseResult)
    assert_type(await session.pause_async(), ab.SessionPauseResult)
    assert_type(await session.resume(timeout=600, poll_interval=2.0), ab.SessionResumeResult)
    assert_type(await session.resume_async(), ab.SessionResumeResult)
    assert_type(await session.beta_pause(), ab.SessionPauseResult)
    assert_type(await session.beta_pause_async(), ab.SessionPauseResult)
    assert_type(await session.beta_resume(), ab.SessionResumeResult)
    assert_type(await session.beta_resume_async(), ab.SessionResumeResult)
    assert_type(await session.set_labels({"a": "b"}), ab.OperationResult)
    assert_type(await session.get_labels(), ab.OperationResult)
    assert_type(await session.info(), ab.OperationResult)
    assert_type(await session.get_link("https", 30100, "options"), ab.OperationResult)
    assert_type((await session.list_mcp_tools("image")).tools, list[ab.McpTool])
    assert_type(await session.call_mcp_tool("shell", {}, 1, 2, auto_gen_session=True), ab.McpToolResult)
    assert_type((await session.get_metrics(1, 2)).metrics, ab.SessionMetrics | None)
    assert_type(session.get_token() + session.get_link_url() + session.getToken() + session.getLinkUrl(), str)
    assert_type(await session.env.set({"A": "b"}), ab.BoolResult)
    assert_type((await session.env.get(["A"])).envs, dict[str, str])
    assert_type(await session.command.execute_command("ls", 1, "/", {"A": "b"}), ab.CommandResult)
    assert_type(await session.command.run("ls"), ab.CommandResult)
    assert_type(await session.command.exec("ls"), ab.CommandResult)
    run = await session.code.run_code("1", "python", 60, stream_beta=True, on_stdout=print, on_stderr=print)
    assert_type(run, ab.EnhancedCodeExecutionResult)
    assert_type(run.results[0].formats(), list[str])
    assert_type((await session.code.run("1", "py")).unwrap(), ab.EnhancedCodeExecutionResult)
    assert_type(await session.code.execute("1", "py"), ab.EnhancedCodeExecutionResult)


async def asynchronous_files(files: ab.AsyncFileSystem, events: list[ab.FileChangeEvent]) -> None:
    assert_type(await files.create_directory("/a"), ab.FileWriteResult)
    assert_type(await files.delete_file("/a"), ab.FileWriteResult)
    assert_type(await files.edit_file("/a", [{"oldText": "x", "newText": "y"}], dry_run=True), ab.FileWriteResult)
    assert_type((await files.get_file_info("/a")).size, int)
    assert_type((await files.list_directory("/a")).entries, list[ab.DirectoryEntry])
    assert_type(await files.move_file("/a", "/b"), ab.FileWriteResult)
    assert_type((await files.read_multiple_files(["/a"])).contents, dict[str, str])
    assert_type((await files.search_files("/", "*", ("x",))).matches, list[str])
    assert_type(await files.read_file("/a"), ab.FileContentResult)
    assert_type(await files.read_file("/a", format="text"), ab.FileContentResult)
    assert_type(await files.read_file("/a", format="bytes"), ab.BinaryFileContentResult)
    assert_type((await files.read("/a", format="bytes")).content, bytes)
    assert_type(await files.write_file("/a", "x", mode="append"), ab.FileWriteResult)
    assert_type(await files.write("/a", "x"), ab.FileWriteResult)
    assert_type(await files.get_file_change("/a"), ab.FileChangeResult)
    assert_type(await files.delete("/a"), ab.FileWriteResult)
    assert_type(await files.remove("/a"), ab.FileWriteResult)
    assert_type(await files.rm("/a"), ab.FileWriteResult)
    assert_type(await files.list("/a"), ab.DirectoryListResult)
    assert_type(await files.ls("/a"), ab.DirectoryListResult)
    async for changes in files.watch_directory("/a", interval=0.5):
        assert_type(changes, list[ab.FileChangeEvent])
    watcher = files.watch_directory("/a", events.extend)
    watcher.start()
    assert_type(watcher.ready_event.wait(), bool)
    watcher.stop_event.set()


async def asynchronous_desktop(session: ab.AsyncSession) -> None:
    desktop = session.computer
    assert_type(desktop, ab.AsyncComputer)
    assert_type(await desktop.click_mouse(1, 2), ab.BoolResult)
    assert_type(await desktop.click_mouse(1, 2, ab.MouseButton.RIGHT), ab.BoolResult)
    assert_type(await desktop.move_mouse(1, 2), ab.BoolResult)
    assert_type(await desktop.drag_mouse(1, 2, 3, 4, "left"), ab.BoolResult)
    assert_type(await desktop.scroll(1, 2, ab.ScrollDirection.DOWN, 3), ab.BoolResult)
    assert_type(await desktop.get_cursor_position(), ab.OperationResult)
    assert_type(await desktop.get_screen_size(), ab.OperationResult)
    assert_type(await desktop.screenshot(), ab.OperationResult)
    picture = await desktop.beta_take_screenshot("jpg")
    assert_type((picture.data, picture.mime_type, picture.width), tuple[bytes, str, int | None])
    assert_type(await desktop.input_text("x"), ab.BoolResult)
    assert_type(await desktop.press_keys(["Ctrl", "c"], hold=True), ab.BoolResult)
    assert_type(await desktop.release_keys(["Ctrl"]), ab.BoolResult)
    assert_type((await desktop.list_root_windows(1)).windows, list[ab.Window])
    assert_type((await desktop.get_active_window()).window, ab.Window | None)
    assert_type(await desktop.activate_window(1), ab.BoolResult)
    assert_type(await desktop.close_window(1), ab.BoolResult)
    assert_type(await desktop.maximize_window(1), ab.BoolResult)
    assert_type(await desktop.minimize_window(1), ab.BoolResult)
    assert_type(await desktop.restore_window(1), ab.BoolResult)
    assert_type(await desktop.fullscreen_window(1), ab.BoolResult)
    assert_type(await desktop.resize_window(1, 2, 3), ab.BoolResult)
    assert_type(await desktop.focus_mode(on=True), ab.BoolResult)
    assert_type((await desktop.get_installed_apps(desktop=True)).data, list[ab.InstalledApp])
    assert_type((await desktop.start_app("x", "/", ".A")).data, list[ab.Process])
    assert_type((await desktop.list_visible_apps()).data, list[ab.Process])
    assert_type(await desktop.stop_app_by_pname("x"), ab.AppOperationResult)
    assert_type(await desktop.stop_app_by_pid(1), ab.AppOperationResult)
    assert_type(await desktop.stop_app_by_cmd("x"), ab.AppOperationResult)


async def asynchronous_phone(session: ab.AsyncSession, config: ab.MobileExtraConfig) -> None:
    phone = session.mobile
    assert_type(phone, ab.AsyncMobile)
    assert_type(await phone.tap(1, 2), ab.BoolResult)
    assert_type(await phone.swipe(1, 2, 3, 4, 5), ab.BoolResult)
    assert_type(await phone.input_text("x"), ab.BoolResult)
    assert_type(await phone.send_key(ab.KeyCode.KEYCODE_HOME), ab.BoolResult)
    assert_type((await phone.get_clickable_ui_elements(1)).elements, list[dict[str, Any]])
    assert_type((await phone.get_all_ui_elements(1, "xml")).raw, str)
    assert_type((await phone.get_installed_apps(True, False, True)).data, list[ab.InstalledApp])
    assert_type((await phone.start_app("x", activity=".A")).data, list[ab.Process])
    assert_type(await phone.stop_app_by_cmd("x"), ab.AppOperationResult)
    assert_type(await phone.screenshot(), ab.OperationResult)
    assert_type(await phone.beta_take_screenshot(), ab.ScreenshotResult)
    assert_type(await phone.beta_take_long_screenshot(2, "jpeg", 80), ab.ScreenshotResult)
    assert_type((await phone.get_adb_url("key")).data, str | None)
    assert_type(await phone.configure(config), ab.BoolResult)
    assert_type(await phone.set_resolution_lock(True), ab.BoolResult)
    assert_type(await phone.set_app_whitelist(["a"]), ab.BoolResult)
    assert_type(await phone.set_app_blacklist(["a"]), ab.BoolResult)
    assert_type(await phone.set_navigation_bar_visibility(True), ab.BoolResult)
    assert_type(await phone.set_uninstall_blacklist(["a"]), ab.BoolResult)


async def asynchronous_devices(client: ab.AsyncAgentBay, sync: ab.ContextSync) -> None:
    devices = ab.AsyncMobileSimulateService(client)
    devices.set_simulate_enable(True)
    devices.set_simulate_mode(ab.MobileSimulateMode.ALL)
    devices.set_simulate_context_id("id")
    assert_type((devices.get_simulate_enable(), devices.get_simulate_context_id()), tuple[bool, str])
    assert_type(devices.get_simulate_mode(), ab.MobileSimulateMode)
    assert_type(devices.get_simulate_config(), ab.MobileSimulateConfig)
    assert_type(await devices.upload_mobile_info("{}"), ab.MobileSimulateUploadResult)
    assert_type(await devices.upload_mobile_info("{}", sync), ab.MobileSimulateUploadResult)
    assert_type(await devices.has_mobile_info(sync), bool)


async def asynchronous_browser(session: ab.AsyncSession, title: type[Title], page: Any) -> None:
    browser = session.browser
    assert_type(browser, ab.AsyncBrowser)
    option = ab.BrowserOption(
        use_stealth=True,
        viewport=ab.BrowserViewport(1, 2),
        screen=ab.BrowserScreen(1, 2),
        fingerprint=ab.BrowserFingerprint(["desktop"], ["linux"], ["de"]),
        proxies=[ab.BrowserProxy("managed", strategy="sticky", user_id="u")],
        browser_type="chromium",
    )
    assert_type(await browser.initialize(option), bool)
    assert_type(await browser.init(), bool)
    assert_type((browser.is_initialized(), browser.get_option()), tuple[bool, ab.BrowserOption | None])
    assert_type(browser.error, ab.AgentBayError | None)
    assert_type(await browser.get_endpoint_url(), str)
    assert_type(await browser.screenshot(page, full_page=True, type="png"), bytes)
    assert_type(await browser.register_callback(lambda message: print(message.extra_params)), bool)
    assert_type(await browser.send_notify_message(ab.BrowserNotifyMessage(code=0)), bool)
    assert_type(await browser.send_takeover_done(1), bool)
    await browser.unregister_callback()
    await browser.destroy()
    operator = browser.operator
    assert_type(operator, ab.AsyncBrowserOperator)
    assert_type((browser.agent, operator.browser), tuple[ab.AsyncBrowserOperator, ab.AsyncBrowser])
    assert_type(await operator.navigate("https://example.com"), str)
    assert_type(await operator.screenshot(page, False, 80, {"x": 0.5, "y": 0, "width": 1, "height": 1}, 9), str)
    assert_type(await operator.act(ab.ActOptions("x", {"a": "b"}, True, 9), page), ab.ActResult)
    found = await operator.observe(ab.ObserveOptions("x", selector="#a"))
    assert_type(found, tuple[bool, list[ab.ObserveResult]])
    assert_type((await operator.act(found[1][0])).unwrap().message, str)
    assert_type((await operator.extract(ab.ExtractOptions("x", title)))[1], Title)
    assert_type((await operator.extract(ab.ExtractOptions("x", {"type": "object"})))[1], Any)
    assert_type(await operator.login("{}", use_vision=True), ab.ActResult)
    assert_type(await operator.close(), bool)


async def asynchronous_extensions(client: ab.AsyncAgentBay) -> None:
    extensions = ab.AsyncExtensionsService(client, "name")
    made = await extensions.create("x.zip")
    assert_type((made.id, made.created_at), tuple[str, str | None])
    assert_type(await extensions.list(), list[ab.Extension])
    assert_type(await extensions.update(made.id, "y.zip"), ab.Extension)
    assert_type(await extensions.delete(made.id), bool)
    assert_type(await extensions.create_extension_option([made.id]), ab.ExtensionOption)
    assert_type(await extensions.cleanup(), bool)
    generator = ab.AsyncBrowserFingerprintGenerator(headless=True, use_chrome_channel=False)
    fingerprint = await generator.generate_fingerprint()
    assert_type(fingerprint.merge({"headers": {}}), ab.FingerprintFormat)
    assert_type(ab.FingerprintFormat.load(fingerprint.to_json()).fingerprint.navigator.languages, list[str])
    assert_type(await generator.generate_fingerprint_to_file("x.json"), bool)


def synchronous_client(params: ab.CreateSessionParams) -> None:
    carrier = httpx.Client()
    client = ab.AgentBay(
        "key",
        ab.Config(timeout_ms=1, region_id="x", endpoint="y"),
        ".env",
        endpoint="local",
        timeout=1.5,
        retries=3,
        http_client=carrier,
        verify=False,
        proxy="http://proxy",
        max_connections=10,
        engine="auto",
    )
    with client as entered:
        assert_type(entered, ab.AgentBay)
    assert_type(client.create(), ab.SessionResult[ab.Session])
    assert_type(client.create(params), ab.SessionResult[ab.Session])
    assert_type(client.create().unwrap().session, ab.Session)
    assert_type(client.get("id"), ab.SessionResult[ab.Session])
    assert_type(client.list({"a": "b"}, 1, 10, "RUNNING", "image"), ab.SessionListResult)
    assert_type(client.list_all({"a": "b"}, 10, "RUNNING", "image"), Iterator[dict[str, str]])
    for item in client.list_all():
        assert_type(item, dict[str, str])
    session = client.get("id").session
    assert_type(client.delete(session, sync_context=True), ab.DeleteResult)
    assert_type(client.pause(session, 60, 0.5), ab.SessionPauseResult)
    assert_type(client.resume(session), ab.SessionResumeResult)
    assert_type(client.beta_pause(session), ab.SessionPauseResult)
    assert_type(client.beta_resume(session), ab.SessionResumeResult)
    client.close()


def synchronous_session(session: ab.Session) -> None:
    with session as entered:
        assert_type(entered, ab.Session)
    assert_type(session.session_id, str)
    assert_type(session.delete(sync_context=True), ab.DeleteResult)
    assert_type(session.get_status(), ab.SessionStatusResult)
    assert_type(session.keep_alive(), ab.OperationResult)
    assert_type(session.pause(timeout=600, poll_interval=2.0), ab.SessionPauseResult)
    assert_type(session.pause_async(), ab.SessionPauseResult)
    assert_type(session.resume(timeout=600, poll_interval=2.0), ab.SessionResumeResult)
    assert_type(session.resume_async(), ab.SessionResumeResult)
    assert_type(session.beta_pause(), ab.SessionPauseResult)
    assert_type(session.beta_pause_async(), ab.SessionPauseResult)
    assert_type(session.beta_resume(), ab.SessionResumeResult)
    assert_type(session.beta_resume_async(), ab.SessionResumeResult)
    assert_type(session.set_labels({"a": "b"}), ab.OperationResult)
    assert_type(session.get_labels(), ab.OperationResult)
    assert_type(session.info(), ab.OperationResult)
    assert_type(session.get_link("https", 30100, "options"), ab.OperationResult)
    assert_type(session.list_mcp_tools("image").tools, list[ab.McpTool])
    assert_type(session.call_mcp_tool("shell", {}, 1, 2, auto_gen_session=True), ab.McpToolResult)
    assert_type(session.get_metrics(1, 2).metrics, ab.SessionMetrics | None)
    assert_type(session.get_token() + session.get_link_url() + session.getToken() + session.getLinkUrl(), str)
    assert_type(session.env.set({"A": "b"}), ab.BoolResult)
    assert_type(session.env.get(["A"]).envs, dict[str, str])
    assert_type(session.command.execute_command("ls", 1, "/", {"A": "b"}), ab.CommandResult)
    assert_type(session.command.run("ls"), ab.CommandResult)
    assert_type(session.command.exec("ls"), ab.CommandResult)
    run = session.code.run_code("1", "python", 60, stream_beta=True, on_stdout=print, on_stderr=print)
    assert_type(run, ab.EnhancedCodeExecutionResult)
    assert_type(run.results[0].formats(), list[str])
    assert_type(session.code.run("1", "py").unwrap(), ab.EnhancedCodeExecutionResult)
    assert_type(session.code.execute("1", "py"), ab.EnhancedCodeExecutionResult)


def synchronous_files(files: ab.FileSystem, events: list[ab.FileChangeEvent]) -> None:
    assert_type(files.create_directory("/a"), ab.FileWriteResult)
    assert_type(files.delete_file("/a"), ab.FileWriteResult)
    assert_type(files.edit_file("/a", [{"oldText": "x", "newText": "y"}], dry_run=True), ab.FileWriteResult)
    assert_type(files.get_file_info("/a").size, int)
    assert_type(files.list_directory("/a").entries, list[ab.DirectoryEntry])
    assert_type(files.move_file("/a", "/b"), ab.FileWriteResult)
    assert_type(files.read_multiple_files(["/a"]).contents, dict[str, str])
    assert_type(files.search_files("/", "*", ("x",)).matches, list[str])
    assert_type(files.read_file("/a"), ab.FileContentResult)
    assert_type(files.read_file("/a", format="text"), ab.FileContentResult)
    assert_type(files.read_file("/a", format="bytes"), ab.BinaryFileContentResult)
    assert_type(files.read("/a", format="bytes").content, bytes)
    assert_type(files.write_file("/a", "x", mode="append"), ab.FileWriteResult)
    assert_type(files.write("/a", "x"), ab.FileWriteResult)
    assert_type(files.get_file_change("/a"), ab.FileChangeResult)
    assert_type(files.delete("/a"), ab.FileWriteResult)
    assert_type(files.remove("/a"), ab.FileWriteResult)
    assert_type(files.rm("/a"), ab.FileWriteResult)
    assert_type(files.list("/a"), ab.DirectoryListResult)
    assert_type(files.ls("/a"), ab.DirectoryListResult)
    for changes in files.watch_directory("/a", interval=0.5):
        assert_type(changes, list[ab.FileChangeEvent])
    watcher = files.watch_directory("/a", events.extend)
    watcher.start()
    assert_type(watcher.ready_event.wait(), bool)
    watcher.stop_event.set()


def synchronous_desktop(session: ab.Session) -> None:
    desktop = session.computer
    assert_type(desktop, ab.Computer)
    assert_type(desktop.click_mouse(1, 2), ab.BoolResult)
    assert_type(desktop.click_mouse(1, 2, ab.MouseButton.RIGHT), ab.BoolResult)
    assert_type(desktop.move_mouse(1, 2), ab.BoolResult)
    assert_type(desktop.drag_mouse(1, 2, 3, 4, "left"), ab.BoolResult)
    assert_type(desktop.scroll(1, 2, ab.ScrollDirection.DOWN, 3), ab.BoolResult)
    assert_type(desktop.get_cursor_position(), ab.OperationResult)
    assert_type(desktop.get_screen_size(), ab.OperationResult)
    assert_type(desktop.screenshot(), ab.OperationResult)
    picture = desktop.beta_take_screenshot("jpg")
    assert_type((picture.data, picture.mime_type, picture.width), tuple[bytes, str, int | None])
    assert_type(desktop.input_text("x"), ab.BoolResult)
    assert_type(desktop.press_keys(["Ctrl", "c"], hold=True), ab.BoolResult)
    assert_type(desktop.release_keys(["Ctrl"]), ab.BoolResult)
    assert_type(desktop.list_root_windows(1).windows, list[ab.Window])
    assert_type(desktop.get_active_window().window, ab.Window | None)
    assert_type(desktop.activate_window(1), ab.BoolResult)
    assert_type(desktop.close_window(1), ab.BoolResult)
    assert_type(desktop.maximize_window(1), ab.BoolResult)
    assert_type(desktop.minimize_window(1), ab.BoolResult)
    assert_type(desktop.restore_window(1), ab.BoolResult)
    assert_type(desktop.fullscreen_window(1), ab.BoolResult)
    assert_type(desktop.resize_window(1, 2, 3), ab.BoolResult)
    assert_type(desktop.focus_mode(on=True), ab.BoolResult)
    assert_type(desktop.get_installed_apps(desktop=True).data, list[ab.InstalledApp])
    assert_type(desktop.start_app("x", "/", ".A").data, list[ab.Process])
    assert_type(desktop.list_visible_apps().data, list[ab.Process])
    assert_type(desktop.stop_app_by_pname("x"), ab.AppOperationResult)
    assert_type(desktop.stop_app_by_pid(1), ab.AppOperationResult)
    assert_type(desktop.stop_app_by_cmd("x"), ab.AppOperationResult)


def synchronous_phone(session: ab.Session, config: ab.MobileExtraConfig) -> None:
    phone = session.mobile
    assert_type(phone, ab.Mobile)
    assert_type(phone.tap(1, 2), ab.BoolResult)
    assert_type(phone.swipe(1, 2, 3, 4, 5), ab.BoolResult)
    assert_type(phone.input_text("x"), ab.BoolResult)
    assert_type(phone.send_key(ab.KeyCode.KEYCODE_HOME), ab.BoolResult)
    assert_type(phone.get_clickable_ui_elements(1).elements, list[dict[str, Any]])
    assert_type(phone.get_all_ui_elements(1, "xml").raw, str)
    assert_type(phone.get_installed_apps(True, False, True).data, list[ab.InstalledApp])
    assert_type(phone.start_app("x", activity=".A").data, list[ab.Process])
    assert_type(phone.stop_app_by_cmd("x"), ab.AppOperationResult)
    assert_type(phone.screenshot(), ab.OperationResult)
    assert_type(phone.beta_take_screenshot(), ab.ScreenshotResult)
    assert_type(phone.beta_take_long_screenshot(2, "jpeg", 80), ab.ScreenshotResult)
    assert_type(phone.get_adb_url("key").data, str | None)
    assert_type(phone.configure(config), ab.BoolResult)
    assert_type(phone.set_resolution_lock(True), ab.BoolResult)
    assert_type(phone.set_app_whitelist(["a"]), ab.BoolResult)
    assert_type(phone.set_app_blacklist(["a"]), ab.BoolResult)
    assert_type(phone.set_navigation_bar_visibility(True), ab.BoolResult)
    assert_type(phone.set_uninstall_blacklist(["a"]), ab.BoolResult)


def synchronous_devices(client: ab.AgentBay, sync: ab.ContextSync) -> None:
    devices = ab.MobileSimulateService(client)
    devices.set_simulate_enable(True)
    devices.set_simulate_mode(ab.MobileSimulateMode.ALL)
    devices.set_simulate_context_id("id")
    assert_type((devices.get_simulate_enable(), devices.get_simulate_context_id()), tuple[bool, str])
    assert_type(devices.get_simulate_mode(), ab.MobileSimulateMode)
    assert_type(devices.get_simulate_config(), ab.MobileSimulateConfig)
    assert_type(devices.upload_mobile_info("{}"), ab.MobileSimulateUploadResult)
    assert_type(devices.upload_mobile_info("{}", sync), ab.MobileSimulateUploadResult)
    assert_type(devices.has_mobile_info(sync), bool)


def results(result: ab.OperationResult, failed: ab.ApiResponse) -> None:
    assert_type(result.unwrap(), ab.OperationResult)
    assert_type(result.error, ab.AgentBayError | None)
    assert_type(result.data, Any)
    assert_type((failed.request_id, failed.get_request_id(), failed.code), tuple[str, str, str])
    try:
        result.unwrap()
    except ab.RateLimitError as busy:
        assert_type(busy.retry_after, float | None)
    except ab.APIError as refused:
        assert_type(refused.status_code, int | None)
    except ab.AgentBayError as error:
        assert_type((error.code, error.request_id, error.action, error.hint), tuple[str, str, str, str])
        assert_type(error.attempts, int)


def options() -> ab.CreateSessionParams:
    policy = ab.LifecyclePolicy(idle_release_timeout=5, max_runtime=30)
    made = ab.CreateSessionParams(
        {"a": "b"},
        "linux_latest",
        lifecycle_policy=policy,
        context_syncs=[ab.ContextSync("c", "/a")],
        beta_context_mounts=[ab.BetaContextMount("c", "/b")],
        load_skills=True,
    )
    assert_type(made.labels, dict[str, str])
    return made


def synchronous_browser(session: ab.Session, title: type[Title], page: Any) -> None:
    browser = session.browser
    assert_type(browser, ab.Browser)
    option = ab.BrowserOption(
        use_stealth=True,
        viewport=ab.BrowserViewport(1, 2),
        screen=ab.BrowserScreen(1, 2),
        fingerprint=ab.BrowserFingerprint(["desktop"], ["linux"], ["de"]),
        proxies=[ab.BrowserProxy("managed", strategy="sticky", user_id="u")],
        browser_type="chromium",
    )
    assert_type(browser.initialize(option), bool)
    assert_type(browser.init(), bool)
    assert_type((browser.is_initialized(), browser.get_option()), tuple[bool, ab.BrowserOption | None])
    assert_type(browser.error, ab.AgentBayError | None)
    assert_type(browser.get_endpoint_url(), str)
    assert_type(browser.screenshot(page, full_page=True, type="png"), bytes)
    assert_type(browser.register_callback(lambda message: print(message.extra_params)), bool)
    assert_type(browser.send_notify_message(ab.BrowserNotifyMessage(code=0)), bool)
    assert_type(browser.send_takeover_done(1), bool)
    browser.unregister_callback()
    browser.destroy()
    operator = browser.operator
    assert_type(operator, ab.BrowserOperator)
    assert_type((browser.agent, operator.browser), tuple[ab.BrowserOperator, ab.Browser])
    assert_type(operator.navigate("https://example.com"), str)
    assert_type(operator.screenshot(page, False, 80, {"x": 0.5, "y": 0, "width": 1, "height": 1}, 9), str)
    assert_type(operator.act(ab.ActOptions("x", {"a": "b"}, True, 9), page), ab.ActResult)
    found = operator.observe(ab.ObserveOptions("x", selector="#a"))
    assert_type(found, tuple[bool, list[ab.ObserveResult]])
    assert_type((operator.act(found[1][0])).unwrap().message, str)
    assert_type((operator.extract(ab.ExtractOptions("x", title)))[1], Title)
    assert_type((operator.extract(ab.ExtractOptions("x", {"type": "object"})))[1], Any)
    assert_type(operator.login("{}", use_vision=True), ab.ActResult)
    assert_type(operator.close(), bool)


def synchronous_extensions(client: ab.AgentBay) -> None:
    extensions = ab.ExtensionsService(client, "name")
    made = extensions.create("x.zip")
    assert_type((made.id, made.created_at), tuple[str, str | None])
    assert_type(extensions.list(), list[ab.Extension])
    assert_type(extensions.update(made.id, "y.zip"), ab.Extension)
    assert_type(extensions.delete(made.id), bool)
    assert_type(extensions.create_extension_option([made.id]), ab.ExtensionOption)
    assert_type(extensions.cleanup(), bool)
    generator = ab.BrowserFingerprintGenerator(headless=True, use_chrome_channel=False)
    fingerprint = generator.generate_fingerprint()
    assert_type(fingerprint.merge({"headers": {}}), ab.FingerprintFormat)
    assert_type(ab.FingerprintFormat.load(fingerprint.to_json()).fingerprint.navigator.languages, list[str])
    assert_type(generator.generate_fingerprint_to_file("x.json"), bool)


async def asynchronous_agents(session: ab.AsyncSession, title: type[Title]) -> None:
    agent = session.agent
    assert_type(agent, ab.AsyncAgent)
    assert_type(await agent.computer.execute_task("x"), ab.ExecutionResult)
    result = await agent.computer.execute_task_and_wait("x", 60)
    assert_type((result.task_id, result.task_status, result.task_result), tuple[str, str, str])
    assert_type(await agent.computer.terminate_task("t"), ab.ExecutionResult)
    query = await agent.browser.get_task_status("t")
    assert_type((query.task_action, query.task_product), tuple[str, str])
    assert_type((query.stream, query.error), tuple[list[dict[str, Any]], ab.AgentBayError | None])
    assert_type(await agent.browser.initialize(ab.BrowserOption()), bool)
    assert_type(await agent.browser.execute_task("x", True, title, full_page_screenshot=True), ab.ExecutionResult)
    assert_type(await agent.browser.execute_task_and_wait("x", 60, output_schema={}), ab.ExecutionResult)
    execution = await agent.mobile.execute_task("x", 9, on_content=lambda event: print(event.content))
    assert_type(execution, ab.AsyncTaskExecution)
    assert_type(await execution.wait(timeout=9), ab.ExecutionResult)
    assert_type(
        await agent.mobile.execute_task_and_wait("x", 60, on_call_for_user=lambda event: event.prompt),
        ab.ExecutionResult,
    )
    async with agent.mobile.stream("x", 9) as running:
        assert_type(running, ab.AsyncTaskStream)
        async for event in running:
            assert_type(event, ab.AgentEvent)
            assert_type((event.asks, event.args), tuple[bool, dict[str, Any] | None])
            await running.answer(event, "yes")
    assert_type(running.result, ab.ExecutionResult | None)


async def asynchronous_storage(session: ab.AsyncSession) -> None:
    oss = session.oss
    assert_type(oss, ab.AsyncOss)
    assert_type((await oss.env_init("a", "b", "c", endpoint="e")).client_config, str | None)
    assert_type(await oss.upload("a", "b", "c"), ab.OSSUploadResult)
    assert_type(await oss.upload_anonymous("a", "b"), ab.OSSUploadResult)
    assert_type((await oss.download("a", "b", "c")).content, str)
    assert_type(await oss.download_anonymous("a", "b"), ab.OSSDownloadResult)


async def asynchronous_beta(client: ab.AsyncAgentBay) -> None:
    assert_type(
        (client.beta.network, client.beta_network), tuple[ab.AsyncBetaNetworkService, ab.AsyncBetaNetworkService]
    )
    assert_type(client.beta, ab.AsyncBetaNamespace)
    network = await client.beta_network.get_network_bind_token()
    assert_type((network.network_id, network.network_token), tuple[str, str])
    assert_type((await client.beta_network.describe("n")).online, bool)
    found = await client.beta_skills.get_metadata("linux_latest", ["a"], skill_ids=["b"])
    assert_type((found.skills, found.skills_root_path), tuple[list[ab.SkillInfo], str])
    assert_type(await client.beta.skills.bind_context([{"ContextId": "c", "SkillIds": ["s"]}]), ab.OperationResult)
    assert_type(await ab.AsyncBetaSkillsService(client, "/s").unbind_context([{}]), ab.OperationResult)


def synchronous_agents(session: ab.Session, title: type[Title]) -> None:
    agent = session.agent
    assert_type(agent, ab.Agent)
    assert_type(agent.computer.execute_task("x"), ab.ExecutionResult)
    result = agent.computer.execute_task_and_wait("x", 60)
    assert_type((result.task_id, result.task_status, result.task_result), tuple[str, str, str])
    assert_type(agent.computer.terminate_task("t"), ab.ExecutionResult)
    query = agent.browser.get_task_status("t")
    assert_type((query.task_action, query.task_product), tuple[str, str])
    assert_type((query.stream, query.error), tuple[list[dict[str, Any]], ab.AgentBayError | None])
    assert_type(agent.browser.initialize(ab.BrowserOption()), bool)
    assert_type(agent.browser.execute_task("x", True, title, full_page_screenshot=True), ab.ExecutionResult)
    assert_type(agent.browser.execute_task_and_wait("x", 60, output_schema={}), ab.ExecutionResult)
    execution = agent.mobile.execute_task("x", 9, on_content=lambda event: print(event.content))
    assert_type(execution, ab.TaskExecution)
    assert_type(execution.wait(timeout=9), ab.ExecutionResult)
    answered = agent.mobile.execute_task_and_wait("x", 60, on_call_for_user=lambda event: event.prompt)
    assert_type(answered, ab.ExecutionResult)
    with agent.mobile.stream("x", 9) as running:
        assert_type(running, ab.TaskStream)
        for event in running:
            assert_type(event, ab.AgentEvent)
            assert_type((event.asks, event.args), tuple[bool, dict[str, Any] | None])
            running.answer(event, "yes")
    assert_type(running.result, ab.ExecutionResult | None)


def synchronous_storage(session: ab.Session) -> None:
    oss = session.oss
    assert_type(oss, ab.Oss)
    assert_type((oss.env_init("a", "b", "c", endpoint="e")).client_config, str | None)
    assert_type(oss.upload("a", "b", "c"), ab.OSSUploadResult)
    assert_type(oss.upload_anonymous("a", "b"), ab.OSSUploadResult)
    assert_type((oss.download("a", "b", "c")).content, str)
    assert_type(oss.download_anonymous("a", "b"), ab.OSSDownloadResult)


def synchronous_beta(client: ab.AgentBay) -> None:
    assert_type((client.beta, client.beta.network), tuple[ab.BetaNamespace, ab.BetaNetworkService])
    assert_type((client.beta_network, client.beta_skills), tuple[ab.BetaNetworkService, ab.BetaSkillsService])
    network = client.beta_network.get_network_bind_token()
    assert_type((network.network_id, network.network_token), tuple[str, str])
    assert_type((client.beta_network.describe("n")).online, bool)
    found = client.beta_skills.get_metadata("linux_latest", ["a"], skill_ids=["b"])
    assert_type((found.skills, found.skills_root_path), tuple[list[ab.SkillInfo], str])
    assert_type(client.beta.skills.bind_context([{"ContextId": "c", "SkillIds": ["s"]}]), ab.OperationResult)
    assert_type(ab.BetaSkillsService(client, "/s").unbind_context([{}]), ab.OperationResult)
