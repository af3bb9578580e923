"""AgentBay: disposable computers for AI agents.

`AgentBay` is the synchronous client, `AsyncAgentBay` the asynchronous one; both have the same methods. A module is
loaded when its first name is used: nobody waits for the other colour, or for what a program never touches.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from agentbay._exports import home_of
from agentbay._logging import get_logger, log
from agentbay._retry import RetryPolicy
from agentbay._version import __version__
from agentbay.config import Config
from agentbay.errors import (
    AgentBayError,
    AgentError,
    APIConnectionError,
    APIError,
    APIResponseError,
    APITimeoutError,
    AuthenticationError,
    BrowserError,
    ClearanceTimeoutError,
    ClientClosedError,
    CodeError,
    CommandError,
    EventLoopError,
    ExecutionError,
    FileError,
    GitAuthError,
    GitConflictError,
    GitError,
    GitNotARepoError,
    GitNotFoundError,
    LocalRuntimeError,
    NotFoundError,
    OssError,
    PtyError,
    PtyNotConnectedError,
    PtySessionNotFoundError,
    PtySizeError,
    PtyTimeoutError,
    RateLimitError,
    ServerError,
    SessionError,
    ToolError,
    WsCancelledError,
    WsConnectionClosedError,
    WsHandshakeRejectedError,
    WsProtocolError,
    WsRemoteError,
)

if TYPE_CHECKING:
    from agentbay._async.background import AsyncBackgroundCommand
    from agentbay._async.client import AsyncAgentBay
    from agentbay._async.code import AsyncCode, AsyncCodeStream
    from agentbay._async.command import AsyncCommand
    from agentbay._async.context import AsyncContextService
    from agentbay._async.context_manager import AsyncContextManager
    from agentbay._async.env import AsyncEnv
    from agentbay._async.file_transfer import AsyncFileTransfer
    from agentbay._async.filesystem import AsyncFileSystem
    from agentbay._async.git import AsyncGit
    from agentbay._async.pty import AsyncPty, AsyncPtyHandle
    from agentbay._async.session import AsyncSession
    from agentbay._sync.background import BackgroundCommand
    from agentbay._sync.client import AgentBay
    from agentbay._sync.code import Code, CodeStream
    from agentbay._sync.command import Command
    from agentbay._sync.context import ContextService
    from agentbay._sync.context_manager import ContextManager
    from agentbay._sync.env import Env
    from agentbay._sync.file_transfer import FileTransfer
    from agentbay._sync.filesystem import FileSystem
    from agentbay._sync.git import Git
    from agentbay._sync.git import Git as SyncGit
    from agentbay._sync.pty import Pty, PtyHandle
    from agentbay._sync.session import Session
    from agentbay.types.browser_context import (
        BrowserContext,
        BrowserFingerprintContext,
        BrowserSyncMode,
        ExtensionOption,
    )
    from agentbay.types.code import CodeEvent, CodeExecutionResult, EnhancedCodeExecutionResult, ExecutionLogs
    from agentbay.types.command import CommandOutput, CommandResult
    from agentbay.types.context import (
        ClearContextResult,
        Context,
        ContextBinding,
        ContextBindingsResult,
        ContextBindResult,
        ContextFileEntry,
        ContextFileListResult,
        ContextInfoResult,
        ContextListParams,
        ContextListResult,
        ContextResult,
        ContextStatusData,
        ContextSyncResult,
        FileUrlResult,
    )
    from agentbay.types.context_mount import BetaContextMount, BetaContextMountAccessMode, BetaContextMountStrategy
    from agentbay.types.context_sync import (
        BWList,
        ContextSync,
        DeletePolicy,
        DownloadPolicy,
        DownloadStrategy,
        ExtractPolicy,
        Lifecycle,
        MappingPolicy,
        RecyclePolicy,
        SyncPolicy,
        UploadMode,
        UploadPolicy,
        UploadStrategy,
        WhiteList,
    )
    from agentbay.types.filesystem import (
        BinaryFileContentResult,
        DirectoryEntry,
        DirectoryListResult,
        FileChangeEvent,
        FileChangeResult,
        FileContentResult,
        FileInfoResult,
        FileSearchResult,
        FileWriteResult,
        MultipleFileContentResult,
    )
    from agentbay.types.git import (
        GitBranchInfo,
        GitBranchListResult,
        GitCloneResult,
        GitCommitResult,
        GitFileStatus,
        GitInitResult,
        GitLogEntry,
        GitLogResult,
        GitStatusResult,
    )
    from agentbay.types.mobile_config import (
        AppManagerRule,
        ExtraConfigs,
        MobileExtraConfig,
        MobileSimulateConfig,
        MobileSimulateMode,
    )
    from agentbay.types.pty import PtySession
    from agentbay.types.response import (
        ApiResponse,
        BaseResult,
        BoolResult,
        DeleteResult,
        EnvResult,
        McpTool,
        McpToolResult,
        McpToolsResult,
        OperationResult,
        Response,
    )
    from agentbay.types.session import (
        CreateSessionParams,
        LifecyclePolicy,
        ListSessionParams,
        SessionInfo,
        SessionListResult,
        SessionMetrics,
        SessionMetricsResult,
        SessionPauseResult,
        SessionResult,
        SessionResumeResult,
        SessionStatus,
        SessionStatusResult,
    )
    from agentbay.types.transfer import DirectoryTransferResult, DownloadResult, UploadResult

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseError",
    "APITimeoutError",
    "AgentBay",
    "AgentBayError",
    "AgentError",
    "ApiResponse",
    "AppManagerRule",
    "AsyncAgentBay",
    "AsyncBackgroundCommand",
    "AsyncCode",
    "AsyncCodeStream",
    "AsyncCommand",
    "AsyncContextManager",
    "AsyncContextService",
    "AsyncEnv",
    "AsyncFileSystem",
    "AsyncFileTransfer",
    "AsyncGit",
    "AsyncPty",
    "AsyncPtyHandle",
    "AsyncSession",
    "AuthenticationError",
    "BWList",
    "BackgroundCommand",
    "BaseResult",
    "BetaContextMount",
    "BetaContextMountAccessMode",
    "BetaContextMountStrategy",
    "BinaryFileContentResult",
    "BoolResult",
    "BrowserContext",
    "BrowserError",
    "BrowserFingerprintContext",
    "BrowserSyncMode",
    "ClearContextResult",
    "ClearanceTimeoutError",
    "ClientClosedError",
    "Code",
    "CodeError",
    "CodeEvent",
    "CodeExecutionResult",
    "CodeStream",
    "Command",
    "CommandError",
    "CommandOutput",
    "CommandResult",
    "Config",
    "Context",
    "ContextBindResult",
    "ContextBinding",
    "ContextBindingsResult",
    "ContextFileEntry",
    "ContextFileListResult",
    "ContextInfoResult",
    "ContextListParams",
    "ContextListResult",
    "ContextManager",
    "ContextResult",
    "ContextService",
    "ContextStatusData",
    "ContextSync",
    "ContextSyncResult",
    "CreateSessionParams",
    "DeletePolicy",
    "DeleteResult",
    "DirectoryEntry",
    "DirectoryListResult",
    "DirectoryTransferResult",
    "DownloadPolicy",
    "DownloadResult",
    "DownloadStrategy",
    "EnhancedCodeExecutionResult",
    "Env",
    "EnvResult",
    "EventLoopError",
    "ExecutionError",
    "ExecutionLogs",
    "ExtensionOption",
    "ExtraConfigs",
    "ExtractPolicy",
    "FileChangeEvent",
    "FileChangeResult",
    "FileContentResult",
    "FileError",
    "FileInfoResult",
    "FileSearchResult",
    "FileSystem",
    "FileTransfer",
    "FileUrlResult",
    "FileWriteResult",
    "Git",
    "GitAuthError",
    "GitBranchInfo",
    "GitBranchListResult",
    "GitCloneResult",
    "GitCommitResult",
    "GitConflictError",
    "GitError",
    "GitFileStatus",
    "GitInitResult",
    "GitLogEntry",
    "GitLogResult",
    "GitNotARepoError",
    "GitNotFoundError",
    "GitStatusResult",
    "Lifecycle",
    "LifecyclePolicy",
    "ListSessionParams",
    "LocalRuntimeError",
    "MappingPolicy",
    "McpTool",
    "McpToolResult",
    "McpToolsResult",
    "MobileExtraConfig",
    "MobileSimulateConfig",
    "MobileSimulateMode",
    "MultipleFileContentResult",
    "NotFoundError",
    "OperationResult",
    "OssError",
    "Pty",
    "PtyError",
    "PtyHandle",
    "PtyNotConnectedError",
    "PtySession",
    "PtySessionNotFoundError",
    "PtySizeError",
    "PtyTimeoutError",
    "RateLimitError",
    "RecyclePolicy",
    "Response",
    "RetryPolicy",
    "ServerError",
    "Session",
    "SessionError",
    "SessionInfo",
    "SessionListResult",
    "SessionMetrics",
    "SessionMetricsResult",
    "SessionPauseResult",
    "SessionResult",
    "SessionResumeResult",
    "SessionStatus",
    "SessionStatusResult",
    "SyncGit",
    "SyncPolicy",
    "ToolError",
    "UploadMode",
    "UploadPolicy",
    "UploadResult",
    "UploadStrategy",
    "WhiteList",
    "WsCancelledError",
    "WsConnectionClosedError",
    "WsHandshakeRejectedError",
    "WsProtocolError",
    "WsRemoteError",
    "__version__",
    "get_logger",
    "log",
]


def __getattr__(name: str) -> Any:
    home, known = home_of(name)
    if not home:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), known)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
