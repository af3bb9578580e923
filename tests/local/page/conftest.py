"""A session on the shared runtime, and somebody who looks at it."""

from __future__ import annotations

import pytest

from tests.local.page.looking import Looker
from tests.local.service.api import Api


@pytest.fixture
async def looker(api: Api) -> Looker:
    return await Looker.of(api, (await api.create())["SessionId"])
