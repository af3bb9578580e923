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
    AgentTimeoutError,
    APIConnectionError,
    APIError,
    APIResponseError,
    APITimeoutError,
    AuthenticationError,
    BrowserError,
    BrowserPageError,
    BrowserTimeoutError,
    ClearanceTimeoutError,
    ClientClosedError,
    CodeError,
    CommandError,
    ConflictError,
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
    from agentbay._async.agent import AsyncAgent
    from agentbay._async.agent_tasks import AsyncTaskExecution, AsyncTaskStream
    from agentbay._async.background import AsyncBackgroundCommand
    from agentbay._async.browser import AsyncBrowser
    from agentbay._async.browser_operator import AsyncBrowserOperator
    from agentbay._async.client import AsyncAgentBay
    from agentbay._async.code import AsyncCode, AsyncCodeStream
    from agentbay._async.command import AsyncCommand
    from agentbay._async.computer import AsyncComputer
    from agentbay._async.context import AsyncContextService
    from agentbay._async.context_manager import AsyncContextManager
    from agentbay._async.env import AsyncEnv
    from agentbay._async.extension import AsyncExtensionsService
    from agentbay._async.file_transfer import AsyncFileTransfer
    from agentbay._async.filesystem import AsyncFileSystem
    from agentbay._async.fingerprint import AsyncBrowserFingerprintGenerator
    from agentbay._async.git import AsyncGit
    from agentbay._async.mobile import AsyncMobile
    from agentbay._async.mobile_simulate import AsyncMobileSimulateService
    from agentbay._async.network import AsyncBetaNetworkService
    from agentbay._async.network import AsyncBetaNetworkService as AsyncBetaNetwork
    from agentbay._async.oss import AsyncOss
    from agentbay._async.pty import AsyncPty, AsyncPtyHandle
    from agentbay._async.session import AsyncSession
    from agentbay._async.skills import AsyncBetaNamespace, AsyncBetaSkillsService
    from agentbay._sync.agent import Agent
    from agentbay._sync.agent_tasks import TaskExecution, TaskStream
    from agentbay._sync.background import BackgroundCommand
    from agentbay._sync.browser import Browser
    from agentbay._sync.browser_operator import BrowserOperator
    from agentbay._sync.client import AgentBay
    from agentbay._sync.code import Code, CodeStream
    from agentbay._sync.command import Command
    from agentbay._sync.computer import Computer
    from agentbay._sync.context import ContextService
    from agentbay._sync.context_manager import ContextManager
    from agentbay._sync.env import Env
    from agentbay._sync.extension import ExtensionsService
    from agentbay._sync.file_transfer import FileTransfer
    from agentbay._sync.filesystem import FileSystem
    from agentbay._sync.fingerprint import BrowserFingerprintGenerator
    from agentbay._sync.git import Git
    from agentbay._sync.git import Git as SyncGit
    from agentbay._sync.mobile import Mobile
    from agentbay._sync.mobile_simulate import MobileSimulateService
    from agentbay._sync.network import BetaNetworkService
    from agentbay._sync.network import BetaNetworkService as BetaNetwork
    from agentbay._sync.network import BetaNetworkService as SyncBetaNetworkService
    from agentbay._sync.oss import Oss
    from agentbay._sync.pty import Pty, PtyHandle
    from agentbay._sync.session import Session
    from agentbay._sync.skills import BetaNamespace, BetaSkillsService
    from agentbay._sync.skills import BetaNamespace as SyncBetaNamespace
    from agentbay._sync.skills import BetaSkillsService as SyncBetaSkillsService
    from agentbay.types.agent import AgentEvent, DefaultSchema, ExecutionResult, QueryResult
    from agentbay.types.browser import (
        BrowserFingerprint,
        BrowserNotifyMessage,
        BrowserOption,
        BrowserProxy,
        BrowserScreen,
        BrowserViewport,
    )
    from agentbay.types.browser_context import (
        BrowserContext,
        BrowserFingerprintContext,
        BrowserSyncMode,
        ExtensionOption,
    )
    from agentbay.types.browser_operator import ActOptions, ActResult, ExtractOptions, ObserveOptions, ObserveResult
    from agentbay.types.code import CodeEvent, CodeExecutionResult, EnhancedCodeExecutionResult, ExecutionLogs
    from agentbay.types.command import CommandOutput, CommandResult
    from agentbay.types.computer import (
        AppOperationResult,
        InstalledApp,
        InstalledAppListResult,
        MouseButton,
        Process,
        ProcessListResult,
        ScreenshotMode,
        ScrollDirection,
        Window,
        WindowInfoResult,
        WindowListResult,
    )
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
    from agentbay.types.extension import Extension
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
    from agentbay.types.fingerprint import (
        Brand,
        ExtraProperties,
        Fingerprint,
        FingerprintFormat,
        NavigatorFingerprint,
        ScreenFingerprint,
        UserAgentData,
        VideoCard,
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
    from agentbay.types.keys import KeyCode
    from agentbay.types.mobile import AdbUrlResult, MobileSimulateUploadResult, UIElementListResult
    from agentbay.types.mobile_config import (
        AppManagerRule,
        ExtraConfigs,
        MobileExtraConfig,
        MobileSimulateConfig,
        MobileSimulateMode,
    )
    from agentbay.types.network import NetworkResult, NetworkStatusResult
    from agentbay.types.oss import OSSClientResult, OSSDownloadResult, OSSUploadResult
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
        extract_request_id,
    )
    from agentbay.types.screenshot import ScreenshotResult
    from agentbay.types.session import (
        CreateSessionParams,
        GetSessionData,
        GetSessionResult,
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
    from agentbay.types.skills import SkillInfo, SkillsMetadataResult
    from agentbay.types.transfer import DirectoryTransferResult, DownloadResult, UploadResult

__all__ = [
    "APIConnectionError", "APIError", "APIResponseError", "APITimeoutError", "ActOptions", "ActResult", "AdbUrlResult",
    "Agent", "AgentBay", "AgentBayError", "AgentError", "AgentEvent", "AgentTimeoutError", "ApiResponse",
    "AppManagerRule", "AppOperationResult", "AsyncAgent", "AsyncAgentBay", "AsyncBackgroundCommand",
    "AsyncBetaNamespace", "AsyncBetaNetwork", "AsyncBetaNetworkService", "AsyncBetaSkillsService", "AsyncBrowser",
    "AsyncBrowserFingerprintGenerator", "AsyncBrowserOperator", "AsyncCode", "AsyncCodeStream", "AsyncCommand",
    "AsyncComputer", "AsyncContextManager", "AsyncContextService", "AsyncEnv", "AsyncExtensionsService",
    "AsyncFileSystem", "AsyncFileTransfer", "AsyncGit", "AsyncMobile", "AsyncMobileSimulateService", "AsyncOss",
    "AsyncPty", "AsyncPtyHandle", "AsyncSession", "AsyncTaskExecution", "AsyncTaskStream", "AuthenticationError",
    "BWList", "BackgroundCommand", "BaseResult", "BetaContextMount", "BetaContextMountAccessMode",
    "BetaContextMountStrategy", "BetaNamespace", "BetaNetwork", "BetaNetworkService", "BetaSkillsService",
    "BinaryFileContentResult", "BoolResult", "Brand", "Browser", "BrowserContext", "BrowserError", "BrowserFingerprint",
    "BrowserFingerprintContext", "BrowserFingerprintGenerator", "BrowserNotifyMessage", "BrowserOperator",
    "BrowserOption", "BrowserPageError", "BrowserProxy", "BrowserScreen", "BrowserSyncMode", "BrowserTimeoutError",
    "BrowserViewport", "ClearContextResult", "ClearanceTimeoutError", "ClientClosedError", "Code", "CodeError",
    "CodeEvent", "CodeExecutionResult", "CodeStream", "Command", "CommandError", "CommandOutput", "CommandResult",
    "Computer", "Config", "ConflictError", "Context", "ContextBindResult", "ContextBinding", "ContextBindingsResult",
    "ContextFileEntry", "ContextFileListResult", "ContextInfoResult", "ContextListParams", "ContextListResult",
    "ContextManager", "ContextResult", "ContextService", "ContextStatusData", "ContextSync", "ContextSyncResult",
    "CreateSessionParams", "DefaultSchema", "DeletePolicy", "DeleteResult", "DirectoryEntry", "DirectoryListResult",
    "DirectoryTransferResult", "DownloadPolicy", "DownloadResult", "DownloadStrategy", "EnhancedCodeExecutionResult",
    "Env", "EnvResult", "EventLoopError", "ExecutionError", "ExecutionLogs", "ExecutionResult", "Extension",
    "ExtensionOption", "ExtensionsService", "ExtraConfigs", "ExtraProperties", "ExtractOptions", "ExtractPolicy",
    "FileChangeEvent", "FileChangeResult", "FileContentResult", "FileError", "FileInfoResult", "FileSearchResult",
    "FileSystem", "FileTransfer", "FileUrlResult", "FileWriteResult", "Fingerprint", "FingerprintFormat",
    "GetSessionData", "GetSessionResult", "Git", "GitAuthError", "GitBranchInfo", "GitBranchListResult",
    "GitCloneResult", "GitCommitResult", "GitConflictError", "GitError", "GitFileStatus", "GitInitResult",
    "GitLogEntry", "GitLogResult", "GitNotARepoError", "GitNotFoundError", "GitStatusResult", "InstalledApp",
    "InstalledAppListResult", "KeyCode", "Lifecycle", "LifecyclePolicy", "ListSessionParams", "LocalRuntimeError",
    "MappingPolicy", "McpTool", "McpToolResult", "McpToolsResult", "Mobile", "MobileExtraConfig",
    "MobileSimulateConfig", "MobileSimulateMode", "MobileSimulateService", "MobileSimulateUploadResult", "MouseButton",
    "MultipleFileContentResult", "NavigatorFingerprint", "NetworkResult", "NetworkStatusResult", "NotFoundError",
    "OSSClientResult", "OSSDownloadResult", "OSSUploadResult", "ObserveOptions", "ObserveResult", "OperationResult",
    "Oss", "OssError", "Process", "ProcessListResult", "Pty", "PtyError", "PtyHandle", "PtyNotConnectedError",
    "PtySession", "PtySessionNotFoundError", "PtySizeError", "PtyTimeoutError", "QueryResult", "RateLimitError",
    "RecyclePolicy", "Response", "RetryPolicy", "ScreenFingerprint", "ScreenshotMode", "ScreenshotResult",
    "ScrollDirection", "ServerError", "Session", "SessionError", "SessionInfo", "SessionListResult", "SessionMetrics",
    "SessionMetricsResult", "SessionPauseResult", "SessionResult", "SessionResumeResult", "SessionStatus",
    "SessionStatusResult", "SkillInfo", "SkillsMetadataResult", "SyncBetaNamespace", "SyncBetaNetworkService",
    "SyncBetaSkillsService", "SyncGit", "SyncPolicy", "TaskExecution", "TaskStream", "ToolError", "UIElementListResult",
    "UploadMode", "UploadPolicy", "UploadResult", "UploadStrategy", "UserAgentData", "VideoCard", "WhiteList", "Window",
    "WindowInfoResult", "WindowListResult", "WsCancelledError", "WsConnectionClosedError", "WsHandshakeRejectedError",
    "WsProtocolError", "WsRemoteError", "__version__", "extract_request_id", "get_logger", "log",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    home, known = home_of(name)
    if not home:
        # With the object, Python adds what may have been meant.
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=import_module(__name__))
    value = getattr(import_module(f"{__name__}.{home}"), known)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
