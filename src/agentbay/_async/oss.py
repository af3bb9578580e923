"""Object storage (Alibaba Cloud OSS): files between a session and a bucket, without a way through this machine."""

from __future__ import annotations

from typing import Any

from agentbay._input import words
from agentbay.types.oss import OSSClientResult, OSSDownloadResult, OSSUploadResult

from .module import AsyncModule

__all__ = ["AsyncOss"]

TRANSFER_SECONDS = 900.0


class AsyncOss(AsyncModule):
    """Carries files between a session and object storage. Directories are zipped first."""

    async def env_init(
        self,
        access_key_id: str,
        access_key_secret: str,
        security_token: str,
        endpoint: str | None = None,
        region: str | None = None,
    ) -> OSSClientResult:
        """Give the session the credentials for `upload` and `download`. They travel to the session and stay there.

        Args:
            access_key_id: the id of a temporary key (STS).
            access_key_secret: its secret.
            security_token: its token.
            endpoint: the host of the storage; None means that of the session's region.
            region: the storage's region; None means the session's.

        Returns:
            What the tool says in `client_config`.

        Raises:
            ValueError: a part of the key is blank.
            SessionError: no usable answer came.

        Source: tool `oss_env_init`.
        """
        key: dict[str, Any] = {
            "access_key_id": words("access_key_id", access_key_id),
            "access_key_secret": words("access_key_secret", access_key_secret),
            "security_token": words("security_token", security_token),
        }
        return await self._call(
            "oss_env_init", OSSClientResult, repeatable=True, **key, endpoint=endpoint or None, region=region or None
        )

    async def upload(self, bucket: str, object: str, path: str) -> OSSUploadResult:
        """Store a file or directory of the session in a bucket; `env_init` comes first.

        Args:
            bucket: the bucket.
            object: the name in the bucket; empty means the file's own.
            path: the file or directory in the session.

        Returns:
            What the tool says in `content`.

        Raises:
            ValueError: the bucket or the path is blank.
            SessionError: no usable answer came within 15 minutes.

        Source: tool `oss_upload`.
        """
        return await self._call(
            "oss_upload",
            OSSUploadResult,
            work=TRANSFER_SECONDS,
            bucket=words("bucket", bucket),
            object=object,
            path=words("path", path),
        )

    async def upload_anonymous(self, url: str, path: str) -> OSSUploadResult:
        """Store a file or directory of the session by a presigned URL.

        Args:
            url: an URL that takes a PUT.
            path: the file or directory in the session.

        Returns:
            What the tool says in `content`.

        Raises:
            ValueError: the URL or the path is blank.
            SessionError: no usable answer came within 15 minutes.

        Source: tool `oss_upload_annon`.
        """
        return await self._call(
            "oss_upload_annon",
            OSSUploadResult,
            work=TRANSFER_SECONDS,
            url=words("url", url),
            path=words("path", path),
        )

    async def download(self, bucket: str, object: str, path: str) -> OSSDownloadResult:
        """Fetch an object of a bucket into the session; `env_init` comes first.

        Args:
            bucket: the bucket.
            object: the name in the bucket.
            path: the file in the session. Directories above it are made, a file that is there is replaced.

        Returns:
            What the tool says in `content`.

        Raises:
            ValueError: the bucket, the object or the path is blank.
            SessionError: no usable answer came within 15 minutes.

        Source: tool `oss_download`.
        """
        return await self._call(
            "oss_download",
            OSSDownloadResult,
            work=TRANSFER_SECONDS,
            bucket=words("bucket", bucket),
            object=words("object", object),
            path=words("path", path),
        )

    async def download_anonymous(self, url: str, path: str) -> OSSDownloadResult:
        """Fetch an URL into the session.

        Args:
            url: an URL that takes a GET.
            path: the file in the session. Directories above it are made, a file that is there is replaced.

        Returns:
            What the tool says in `content`.

        Raises:
            ValueError: the URL or the path is blank.
            SessionError: no usable answer came within 15 minutes.

        Source: tool `oss_download_annon`.
        """
        return await self._call(
            "oss_download_annon",
            OSSDownloadResult,
            work=TRANSFER_SECONDS,
            url=words("url", url),
            path=words("path", path),
        )
