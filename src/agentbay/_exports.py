"""Where the public names are that `agentbay` loads when they are first used."""

from __future__ import annotations

__all__ = ["home_of"]

_COLOURED = {
    "AgentBay": "client",
    "BackgroundCommand": "background",
    "Code": "code",
    "CodeStream": "code",
    "Command": "command",
    "ContextManager": "context_manager",
    "ContextService": "context",
    "Env": "env",
    "FileSystem": "filesystem",
    "FileTransfer": "file_transfer",
    "Git": "git",
    "Pty": "pty",
    "PtyHandle": "pty",
    "Session": "session",
}
"""Where the classes of both colours are: `Session` in `_sync.session`, `AsyncSession` in `_async.session`."""

_TYPES = {
    "browser_context": "BrowserContext BrowserFingerprintContext BrowserSyncMode ExtensionOption",
    "code": "CodeEvent CodeExecutionResult EnhancedCodeExecutionResult ExecutionLogs",
    "command": "CommandOutput CommandResult",
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
    "filesystem": (
        "BinaryFileContentResult DirectoryEntry DirectoryListResult FileChangeEvent FileChangeResult "
        "FileContentResult FileInfoResult FileSearchResult FileWriteResult MultipleFileContentResult"
    ),
    "git": (
        "GitBranchInfo GitBranchListResult GitCloneResult GitCommitResult GitFileStatus GitInitResult "
        "GitLogEntry GitLogResult GitStatusResult"
    ),
    "mobile_config": "AppManagerRule ExtraConfigs MobileExtraConfig MobileSimulateConfig MobileSimulateMode",
    "pty": "PtySession",
    "response": (
        "ApiResponse BaseResult BoolResult DeleteResult EnvResult McpTool McpToolResult McpToolsResult "
        "OperationResult Response"
    ),
    "session": (
        "CreateSessionParams LifecyclePolicy ListSessionParams SessionInfo SessionListResult SessionMetrics "
        "SessionMetricsResult SessionPauseResult SessionResult SessionResumeResult SessionStatus "
        "SessionStatusResult"
    ),
    "transfer": "DirectoryTransferResult DownloadResult UploadResult",
}
"""Where the results and options are: names by the module of `types`."""

_HOMES = {name: f"types.{module}" for module, names in _TYPES.items() for name in names.split()}
_OLD = {"SyncGit": "Git"}
"""Names by which programs know some of them."""


def home_of(name: str) -> tuple[str, str]:
    """The module of a public name, and its name there; the module is empty when there is no such name."""
    known = _OLD.get(name, name)
    plain = known.removeprefix("Async")
    if plain in _COLOURED:
        return f"{'_sync' if plain == known else '_async'}.{_COLOURED[plain]}", known
    return _HOMES.get(known, ""), known
