"""What the object storage tools say."""

from __future__ import annotations

from typing import Self

from attrs import field, frozen

from agentbay._tools import ToolAnswer
from agentbay.errors import OssError
from agentbay.types.response import ToolResult

__all__ = ["OSSClientResult", "OSSDownloadResult", "OSSUploadResult"]


@frozen(eq=False, repr=False)
class OSSClientResult(ToolResult):
    """Whether a session can reach the object storage; `client_config` is the tool's text, mostly a JSON object."""

    client_config: str | None = field(default=None, repr=False)
    error_message: str = ""

    fault = OssError
    fallback = "Failed to initialize OSS environment"

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """This tool tells failures as text of a success."""
        if not answer.text:
            return cls.failed(OssError(cls.fallback, **answer.facts))
        if "failed" in answer.text.lower():
            return cls.failed(OssError(f"OSS environment initialization failed: {answer.text}", **answer.facts))
        return cls(answer.request_id, success=True, client_config=answer.text)


@frozen(eq=False, repr=False)
class OSSUploadResult(ToolResult):
    """What came of an upload; `content` is the tool's text."""

    content: str = ""
    error_message: str = ""

    fault = OssError
    fallback = "Failed to upload to OSS"

    @classmethod
    def read(cls, answer: ToolAnswer) -> Self:
        """Any text means success."""
        return cls(answer.request_id, success=True, content=answer.text)


@frozen(eq=False, repr=False)
class OSSDownloadResult(OSSUploadResult):
    """What came of a download; `content` is the tool's text."""

    fallback = "Failed to download from OSS"
