"""Actions: the files of contexts, and the addresses under which they can be read and written."""

from __future__ import annotations

import hashlib
import os

from agentbay.actions import (
    DeleteContextFile,
    DescribeContextFiles,
    FileData,
    FileUrlData,
    GetContextFileDownloadUrl,
    GetContextFileUploadUrl,
)
from agentbay_local.contexts import Child, Context, Folder, Kind, NoFile
from agentbay_local.contexts.paths import clean_file, clean_path
from agentbay_local.presigning import VALID, Place, presigned
from agentbay_local.service.contexts import wire_time
from agentbay_local.service.core import Caller, Page, Service, serves
from agentbay_local.service.paging import page_size, place_of, token_for
from agentbay_local.service.refusals import bad

_PAGE = 50
_LARGEST_PAGE = 1000


def _file_id(context_id: str, path: str) -> str:
    return "fid-" + hashlib.sha256(os.fsencode(f"{context_id}{path}")).hexdigest()[:24]


def _data(context_id: str, child: Child) -> FileData:
    entry = child.entry
    kind = "FOLDER" if entry.kind is Kind.FOLDER else "FILE"
    names = child.name, entry.path, child.name
    times = wire_time(entry.created), wire_time(entry.stored)
    return FileData(_file_id(context_id, entry.path), *names, kind, entry.size, "ready", *times)


async def _own(service: Service, caller: Caller, context_id: str) -> Context:
    """Finds a context of the caller, the hidden ones included: file transfer works with these."""
    return await service.contexts.find(caller.owner, context_id, hidden=True)


@serves(DescribeContextFiles)
async def describe_context_files(service: Service, caller: Caller, action: DescribeContextFiles) -> Page:
    context = await _own(service, caller, action.context_id)
    path = clean_path(action.parent_folder_path or "/", "ParentFolderPath")
    if action.max_results is None and action.next_token is None:
        size = page_size(action.page_size, "PageSize", default=_PAGE, most=_LARGEST_PAGE)
        number = _page_number(action.page_number)
        found = await service.contexts.children(context.id, path, size, skip=size * (number - 1))
        return _page(context, found, size, "")
    size = page_size(action.max_results, default=_PAGE, most=_LARGEST_PAGE)
    found = await service.contexts.children(context.id, path, size, after=place_of(action.next_token))
    return _page(context, found, size, token_for(found.after))


def _page_number(given: int | None) -> int:
    number = 1 if given is None else given
    if not 1 <= number <= 10**9:
        raise bad("PageNumber", "must be from 1 to 1000000000")
    return number


def _page(context: Context, found: Folder, size: int, token: str) -> Page:
    return Page([_data(context.id, child) for child in found.children], token, size, found.total, "Count")


@serves(DeleteContextFile)
async def delete_context_file(service: Service, caller: Caller, action: DeleteContextFile) -> None:
    context = await _own(service, caller, action.context_id)
    await service.contexts.remove(context.id, clean_file(action.file_path))


@serves(GetContextFileUploadUrl)
async def get_context_file_upload_url(service: Service, caller: Caller, action: GetContextFileUploadUrl) -> FileUrlData:
    context = await _own(service, caller, action.context_id)
    return await _address(service, "PUT", Place(context.id, clean_file(action.file_path)))


@serves(GetContextFileDownloadUrl)
async def get_context_file_download_url(
    service: Service, caller: Caller, action: GetContextFileDownloadUrl
) -> FileUrlData:
    context = await _own(service, caller, action.context_id)
    entry = await service.contexts.entry(context.id, clean_file(action.file_path))
    if entry.kind is not Kind.FILE:
        raise NoFile(entry.path, f" (it is a {entry.kind})")
    return await _address(service, "GET", Place(context.id, entry.path))


async def _address(service: Service, method: str, place: Place) -> FileUrlData:
    return FileUrlData(presigned(service.base, await service.contexts.secret(), method, place), VALID)
