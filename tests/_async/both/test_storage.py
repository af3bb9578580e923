"""Object storage as a session reaches it, or does not. Whole transfers are in the runtime's own tests."""

from __future__ import annotations

from agentbay import AsyncSession, OssError
from tests._async.both.doors import FOLDER, mocked, wrong

KEY = ("STS.id", "secret", "token")


@mocked(oss_env_init='{"endpoint": "https://oss-cn-beijing.aliyuncs.com", "region": "cn-beijing"}')
async def test_a_session_takes_a_key_and_says_where_its_storage_is(session: AsyncSession) -> None:
    result = (await session.oss.env_init(*KEY, region="cn-beijing")).unwrap()
    assert '{"endpoint": "https://oss-cn-beijing.aliyuncs.com", "region": "cn-beijing"}' == result.client_config


@mocked(oss_env_init=wrong("Invalid arguments for tool oss_env_init: endpoint must be a host alone"))
async def test_an_endpoint_that_cannot_be_one_is_refused(session: AsyncSession) -> None:
    result = await session.oss.env_init(*KEY, endpoint="https://oss.example/path")
    assert (False, OssError, True) == (result.success, type(result.error), "endpoint must" in result.error_message)


@mocked(
    oss_download_annon=wrong("Egress is denied by default", -32603), shell='{"stdout":"","stderr":"","exit_code":0}'
)
async def test_what_the_policy_does_not_allow_is_not_fetched(session: AsyncSession) -> None:
    result = await session.oss.download_anonymous("https://files.example.com/a", f"{FOLDER}/a")
    assert (False, OssError, True) == (result.success, type(result.error), "denied by default" in result.error_message)
    assert "" == (await session.command.run(f"ls -A {FOLDER}")).unwrap().stdout
