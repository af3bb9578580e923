"""Where the public names are that `agentbay` loads when they are first used."""

from __future__ import annotations

__all__ = ["home_of"]

_COLOURED = {
    "Agent": "agent",
    "AgentBay": "client",
    "BackgroundCommand": "background",
    "BetaNamespace": "skills",
    "BetaNetworkService": "network",
    "BetaSkillsService": "skills",
    "Browser": "browser",
    "BrowserFingerprintGenerator": "fingerprint",
    "BrowserOperator": "browser_operator",
    "Code": "code",
    "CodeStream": "code",
    "Command": "command",
    "Computer": "computer",
    "ContextManager": "context_manager",
    "ContextService": "context",
    "Env": "env",
    "ExtensionsService": "extension",
    "FileSystem": "filesystem",
    "FileTransfer": "file_transfer",
    "Git": "git",
    "Mobile": "mobile",
    "MobileSimulateService": "mobile_simulate",
    "Oss": "oss",
    "Pty": "pty",
    "PtyHandle": "pty",
    "Session": "session",
    "TaskExecution": "agent_tasks",
    "TaskStream": "agent_tasks",
}
"""Where the classes of both colours are: `Session` in `_sync.session`, `AsyncSession` in `_async.session`."""

_TYPES = {
    "agent": "AgentEvent DefaultSchema ExecutionResult QueryResult",
    "browser": ("BrowserFingerprint BrowserNotifyMessage BrowserOption BrowserProxy BrowserScreen BrowserViewport"),
    "browser_context": "BrowserContext BrowserFingerprintContext BrowserSyncMode ExtensionOption",
    "browser_operator": "ActOptions ActResult ExtractOptions ObserveOptions ObserveResult",
    "code": "CodeEvent CodeExecutionResult EnhancedCodeExecutionResult ExecutionLogs",
    "command": "CommandOutput CommandResult",
    "computer": (
        "AppOperationResult InstalledApp InstalledAppListResult MouseButton Process ProcessListResult ScreenshotMode "
        "ScrollDirection Window WindowInfoResult WindowListResult"
    ),
    "context": (
        "ClearContextResult Context ContextBinding ContextBindingsResult ContextBindResult ContextFileEntry "
        "ContextFileListResult ContextInfoResult ContextListParams ContextListResult ContextResult "
        "ContextStatusData ContextSyncResult FileUrlResult"
    ),
    "context_mount": "BetaContextMount BetaContextMountAccessMode BetaContextMountStrategy",
    "context_sync": (
        "BWList ContextSync DeletePolicy DownloadPolicy DownloadStrategy ExtractPolicy Lifecycle "
        "MappingPolicy RecyclePolicy SyncPolicy UploadMode UploadPolicy UploadStrategy WhiteList"
    ),
    "extension": "Extension",
    "filesystem": (
        "BinaryFileContentResult DirectoryEntry DirectoryListResult FileChangeEvent FileChangeResult "
        "FileContentResult FileInfoResult FileSearchResult FileWriteResult MultipleFileContentResult"
    ),
    "fingerprint": (
        "Brand ExtraProperties Fingerprint FingerprintFormat NavigatorFingerprint ScreenFingerprint UserAgentData "
        "VideoCard"
    ),
    "git": (
        "GitBranchInfo GitBranchListResult GitCloneResult GitCommitResult GitFileStatus GitInitResult "
        "GitLogEntry GitLogResult GitStatusResult"
    ),
    "keys": "KeyCode",
    "mobile": "AdbUrlResult MobileSimulateUploadResult UIElementListResult",
    "mobile_config": "AppManagerRule ExtraConfigs MobileExtraConfig MobileSimulateConfig MobileSimulateMode",
    "network": "NetworkResult NetworkStatusResult",
    "oss": "OSSClientResult OSSDownloadResult OSSUploadResult",
    "pty": "PtySession",
    "response": (
        "ApiResponse BaseResult BoolResult DeleteResult EnvResult McpTool McpToolResult McpToolsResult "
        "OperationResult Response extract_request_id"
    ),
    "screenshot": "ScreenshotResult",
    "session": (
        "CreateSessionParams GetSessionData GetSessionResult LifecyclePolicy ListSessionParams SessionInfo "
        "SessionListResult SessionMetrics SessionMetricsResult SessionPauseResult SessionResult SessionResumeResult "
        "SessionStatus SessionStatusResult"
    ),
    "skills": "SkillInfo SkillsMetadataResult",
    "transfer": "DirectoryTransferResult DownloadResult UploadResult",
}
"""Where the results and options are: names by the module of `types`."""

_HOMES = {name: f"types.{module}" for module, names in _TYPES.items() for name in names.split()}
_OLD = {
    "AsyncBetaNetwork": "AsyncBetaNetworkService",
    "BetaNetwork": "BetaNetworkService",
    "SyncBetaNamespace": "BetaNamespace",
    "SyncBetaNetworkService": "BetaNetworkService",
    "SyncBetaSkillsService": "BetaSkillsService",
    "SyncGit": "Git",
}
"""Names by which programs know some of them."""


def home_of(name: str) -> tuple[str, str]:
    """The module of a public name, and its name there; the module is empty when there is no such name."""
    known = _OLD.get(name, name)
    plain = known.removeprefix("Async")
    if plain in _COLOURED:
        return f"{'_sync' if plain == known else '_async'}.{_COLOURED[plain]}", known
    return _HOMES.get(known, ""), known
