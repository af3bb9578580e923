"""The rows of `test_actions` about networks and skills."""

from __future__ import annotations

from typing import Any

from agentbay import NetworkResult, NetworkStatusResult, OperationResult, SkillInfo, SkillsMetadataResult
from tests._async.context_rows import Row
from tests.gateway import REQUEST_ID

OK: dict[str, Any] = {"request_id": REQUEST_ID, "success": True, "code": "ok"}
YES: dict[str, Any] = OK | {"http_status_code": 200}
BOUND = [{"ContextId": "c1", "SkillIds": ["a", "é"], "Path": "/p"}]
BOUND_TEXT = '[{"ContextId":"c1","SkillIds":["a","é"],"Path":"/p"}]'

BETA_ROWS = {
    "beta_network.get_network_bind_token": Row(
        "CreateNetwork",
        lambda client, session: client.beta_network.get_network_bind_token("net-1"),
        {"NetworkId": "net-1", "LoginRegionId": "cn-hangzhou"},
        NetworkResult(**OK, network_id="net-0a1b2c3d", network_token="token"),
    ),
    "beta_network.get_network_bind_token of a new one": Row(
        "CreateNetwork",
        lambda client, session: client.beta.network.get_network_bind_token(),
        {"LoginRegionId": "cn-hangzhou"},
        NetworkResult(**OK, network_id="net-0a1b2c3d", network_token="token"),
    ),
    "beta_network.describe": Row(
        "DescribeNetwork",
        lambda client, session: client.beta_network.describe("net-1"),
        {"NetworkId": "net-1"},
        NetworkStatusResult(**OK, online=True),
    ),
    "beta_skills.get_metadata": Row(
        "GetSkillMetaData",
        lambda client, session: client.beta_skills.get_metadata("linux_latest", ["pdf", "é"]),
        {"ImageId": "linux_latest", "SkillGroupIds": '["pdf","é"]'},
        SkillsMetadataResult([SkillInfo("pdf", "...")], "/home/wuying/skills", request_id=REQUEST_ID),
    ),
    "beta_skills.get_metadata of all": Row(
        "GetSkillMetaData",
        lambda client, session: client.beta.skills.get_metadata(),
        {},
        SkillsMetadataResult([SkillInfo("pdf", "...")], "/home/wuying/skills", request_id=REQUEST_ID),
    ),
    "beta_skills.get_metadata by ids": Row(
        "ListSkillMetaData",
        lambda client, session: client.beta_skills.get_metadata(skill_ids=["builtin:web_search"]),
        {"SkillIdList": '["builtin:web_search"]'},
        SkillsMetadataResult(
            [SkillInfo("web_search", "...", "builtin:web_search")], "/home/wuying/skills", request_id=REQUEST_ID
        ),
    ),
    "beta_skills.bind_context": Row(
        "BindContextSkillAsync",
        lambda client, session: client.beta_skills.bind_context(BOUND),
        {"ContextSkillBindItems": BOUND_TEXT},
        OperationResult(**YES),
    ),
    "beta_skills.unbind_context": Row(
        "UnbindContextSkillAsync",
        lambda client, session: client.beta_skills.unbind_context(
            [{"context_id": "c1", "skill_ids": ["a", "é"], "path": "/p"}]
        ),
        {"ContextSkillUnbindItems": BOUND_TEXT},
        OperationResult(**YES),
    ),
}
