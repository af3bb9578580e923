"""The rows of `test_tools` about agents and object storage."""

from __future__ import annotations

from agentbay import (
    AsyncSession,
    ExecutionResult,
    OSSClientResult,
    OSSDownloadResult,
    OSSUploadResult,
    QueryResult,
)
from tests._async.tool_rows import Row
from tests.catalogue import TOOLS, example_text

DEFAULT_SCHEMA = (
    '{"description": "Basic schema for agent output.", "properties": {"result": {"title": "Result", "type": "string"}}'
    ', "required": ["result"], "title": "DefaultSchema", "type": "object"}'
)
BEGUN = ExecutionResult(success=True, task_id="t1", task_status="running")
ENDED = ExecutionResult(success=True, task_id="t1", task_status="finished")
TASK = {"task_id": "t1"}
KEY = {"access_key_id": "id", "access_key_secret": "sécret", "security_token": "tok"}
PUT = {"bucket": "b", "object": "ö.txt", "path": "/tmp/a"}
BY_URL = {"url": "https://b.example.com/o?Signature=x", "path": "/tmp/a"}


async def begin_on_a_phone(session: AsyncSession) -> ExecutionResult:
    """The handle of a phone's task has no request id; what is known of it is compared by its wait."""
    execution = await session.agent.mobile.execute_task("öffne", max_steps=7)
    return await execution.wait()


AGENT_ROWS = {
    "agent.computer.execute_task": Row(
        "flux_execute_task", lambda session: session.agent.computer.execute_task("öffne"), {"task": "öffne"}, BEGUN
    ),
    "agent.computer.get_task_status": Row(
        "flux_get_task_status",
        lambda session: session.agent.computer.get_task_status("t1"),
        TASK,
        QueryResult(success=True, task_id="t1", task_status="running", task_action="click"),
    ),
    "agent.computer.terminate_task": Row(
        "flux_terminate_task", lambda session: session.agent.computer.terminate_task("t1"), TASK, ENDED
    ),
    "agent.browser.execute_task": Row(
        "browser_use_execute_task",
        lambda session: session.agent.browser.execute_task("öffne", use_vision=True),
        {
            "task": "öffne",
            "use_vision": True,
            "full_page_screenshot": False,
            "output_schema": DEFAULT_SCHEMA,
        },
        BEGUN,
    ),
    "agent.browser.execute_task with a schema": Row(
        "browser_use_execute_task",
        lambda session: session.agent.browser.execute_task("x", False, {"type": "array"}, True),
        {"task": "x", "use_vision": False, "full_page_screenshot": True, "output_schema": '{"type": "array"}'},
        BEGUN,
    ),
    "agent.browser.get_task_status": Row(
        "browser_use_get_task_status",
        lambda session: session.agent.browser.get_task_status("t1"),
        TASK,
        QueryResult(success=True, task_id="t1", task_status="finished", task_product='{"result":"..."}'),
    ),
    "agent.browser.terminate_task": Row(
        "browser_use_terminate_task", lambda session: session.agent.browser.terminate_task("t1"), TASK, ENDED
    ),
    "agent.mobile.execute_task": Row(
        "execute_task",
        begin_on_a_phone,
        {"task": "öffne", "max_steps": 7},
        ExecutionResult(success=True, task_status="completed", task_result="It is done."),
        text="It is done.",
    ),
    "agent.mobile.get_task_status": Row(
        "get_task_status",
        lambda session: session.agent.mobile.get_task_status("t1"),
        TASK,
        QueryResult(
            success=True,
            task_id="t1",
            task_status="running",
            task_action="tap",
            stream=TOOLS["get_task_status"]["result_example"]["stream"],
        ),
    ),
    "agent.mobile.terminate_task": Row(
        "terminate_task",
        lambda session: session.agent.mobile.terminate_task("t1"),
        TASK,
        ExecutionResult(success=True, task_id="t1", task_status="cancelling"),
    ),
    "oss.env_init": Row(
        "oss_env_init",
        lambda session: session.oss.env_init("id", "sécret", "tok", "host", "cn-x"),
        KEY | {"endpoint": "host", "region": "cn-x"},
        OSSClientResult(success=True, client_config=example_text("oss_env_init")),
    ),
    "oss.env_init plain": Row(
        "oss_env_init",
        lambda session: session.oss.env_init("id", "sécret", "tok"),
        KEY,
        OSSClientResult(success=True, client_config=example_text("oss_env_init")),
    ),
    "oss.upload": Row(
        "oss_upload",
        lambda session: session.oss.upload("b", "ö.txt", "/tmp/a"),
        PUT,
        OSSUploadResult(success=True, content="Upload success"),
    ),
    "oss.upload without a name": Row(
        "oss_upload",
        lambda session: session.oss.upload("b", "", "/tmp/a"),
        PUT | {"object": ""},
        OSSUploadResult(success=True, content="Upload success"),
    ),
    "oss.upload_anonymous": Row(
        "oss_upload_annon",
        lambda session: session.oss.upload_anonymous(**BY_URL),
        BY_URL,
        OSSUploadResult(success=True, content="Upload success"),
    ),
    "oss.download": Row(
        "oss_download",
        lambda session: session.oss.download("b", "ö.txt", "/tmp/a"),
        PUT,
        OSSDownloadResult(success=True, content="download success"),
    ),
    "oss.download_anonymous": Row(
        "oss_download_annon",
        lambda session: session.oss.download_anonymous(**BY_URL),
        BY_URL,
        OSSDownloadResult(success=True, content="download success"),
    ),
}
