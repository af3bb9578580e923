"""Phones that look like others: the description of a device, kept in a context for sessions to come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentbay import _simulation
from agentbay._checked import Checked
from agentbay._mobile import DEVICE_FILE
from agentbay._tracing import TransferFault
from agentbay._transfer import Held
from agentbay.errors import NotFoundError
from agentbay.types.context_sync import ContextSync
from agentbay.types.mobile import MobileSimulateUploadResult
from agentbay.types.mobile_config import SIMULATE_PATH, MobileSimulateConfig, MobileSimulateMode

from .storing import async_store

if TYPE_CHECKING:
    from .client import AsyncAgentBay

__all__ = ["AsyncMobileSimulateService"]

PAGE_SIZE = 50


class AsyncMobileSimulateService(Checked):
    """Stores the description of a device, and makes the settings with which a session simulates it.

    Args:
        agent_bay: the client.
    """

    def __init__(self, agent_bay: AsyncAgentBay) -> None:
        self.agent_bay = agent_bay
        self._enabled = False
        self._mode = MobileSimulateMode.PROPERTIES_ONLY
        self._context_id = ""
        self._path = ""
        # Whether the context holds only the device, so that a session has to be told to sync it.
        self._internal = True

    # --- Settings -----------------------------------------------------------------------------------------------------

    def set_simulate_enable(self, enable: bool) -> None:
        """Say whether sessions shall simulate the device; at first they do not."""
        self._enabled = enable

    def get_simulate_enable(self) -> bool:
        """Whether sessions shall simulate the device."""
        return self._enabled

    def set_simulate_mode(self, mode: MobileSimulateMode) -> None:
        """Say what of the device is simulated; at first its properties only."""
        self._mode = mode

    def get_simulate_mode(self) -> MobileSimulateMode:
        """What of the device is simulated."""
        return self._mode

    def set_simulate_context_id(self, context_id: str) -> None:
        """Use a device that was stored before: `context_id` is what `upload_mobile_info` gave then."""
        self._use(context_id, SIMULATE_PATH, internal=True)

    def get_simulate_context_id(self) -> str:
        """The context that holds the device; empty when there is none yet."""
        return self._context_id

    def get_simulate_config(self) -> MobileSimulateConfig:
        """The settings for `MobileExtraConfig(simulate_config=...)`.

        A context of your own is not part of them: give its `ContextSync` to the session as well.
        """
        context_id = self._context_id if self._internal else ""
        return MobileSimulateConfig(self._enabled, self._path or None, self._mode, context_id or None)

    def _use(self, context_id: str, path: str, *, internal: bool) -> None:
        self._context_id, self._path, self._internal = context_id, path, internal

    # --- The device ---------------------------------------------------------------------------------------------------

    async def upload_mobile_info(
        self, mobile_dev_info_content: str, context_sync: ContextSync | None = None
    ) -> MobileSimulateUploadResult:
        """Store the description of a device, and use it from now on.

        Args:
            mobile_dev_info_content: the JSON text that describes it.
            context_sync: a context of your own to keep it in; where its policy limits what is carried, the device is
                added. None makes a new context.

        Returns:
            The context's id in `mobile_simulate_context_id`.

        Raises:
            ValueError: the content is empty or not a JSON object, or the sync lacks its context or path.
            SessionError: the service gave no usable answer.

        Source: actions `GetContext` and `GetContextFileUploadUrl`.
        """
        content = _simulation.check_device(mobile_dev_info_content)
        sync = None if context_sync is None else _simulation.check_sync(context_sync)
        if sync is None:
            made = await self.agent_bay.context.create(_simulation.internal_context_name())
            if made.error is not None:
                return MobileSimulateUploadResult.failed(made.error)
            return await self._store(content, made.context_id, SIMULATE_PATH, internal=True)
        result = await self._store(content, sync.context_id, _simulation.device_folder(sync), internal=False)
        if result.success:
            _simulation.let_device_through(sync)
        return result

    async def _store(self, content: bytes, context_id: str, path: str, *, internal: bool) -> MobileSimulateUploadResult:
        try:
            request_id = await async_store(self.agent_bay, context_id, f"{path}/{DEVICE_FILE}", Held(content))
        except TransferFault as fault:
            return MobileSimulateUploadResult.failed(fault.error, mobile_simulate_context_id=context_id)
        self._use(context_id, path, internal=internal)
        return MobileSimulateUploadResult(True, context_id, request_id=request_id)

    async def has_mobile_info(self, context_sync: ContextSync) -> bool:
        """Look whether a context of your own has a device; if so, use it from now on.

        Args:
            context_sync: the context, and where sessions see it; where its policy limits what is carried, the device
                that is found is added.

        Raises:
            ValueError: the sync lacks its context or path.
            AgentBayError: the service refused, or no usable answer came.

        Source: action `DescribeContextFiles`.
        """
        sync = _simulation.check_sync(context_sync)
        folder = _simulation.device_folder(sync)
        found = await self.agent_bay.context.list_files(sync.context_id, folder, 1, PAGE_SIZE)
        if isinstance(found.error, NotFoundError):
            return False
        if all(entry.file_name != DEVICE_FILE for entry in found.unwrap().entries):
            return False
        self._use(sync.context_id, folder, internal=False)
        _simulation.let_device_through(sync)
        return True
