"""What the creation of a session is told, and what it must wait for. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentbay._version import __version__
from agentbay.actions import CreateMcpSession
from agentbay.types.session import CreateSessionParams

if TYPE_CHECKING:
    from agentbay.types.context_sync import ContextSync

__all__ = ["awaited_contexts", "creation", "phone_steps"]


def creation(params: CreateSessionParams, region_id: str) -> CreateMcpSession:
    """Make the action that opens a session.

    Raises:
        ValueError: a context's policy or a mobile setting is refused.
    """
    policy = params.lifecycle_policy
    manual = policy is not None and policy.manual_release
    return CreateMcpSession(
        image_id=params.image_id or None,
        labels=params.labels or None,
        timeout=policy.idle_release_timeout if policy else params.idle_release_timeout,
        max_runtime=policy.max_runtime if policy else None,
        manual_release=True if manual else None,
        persistence_data_list=_persistence(params) or None if _has_contexts(params) else None,
        mcp_policy_id=params.policy_id or None,
        network_id=params.beta_network_id or None,
        enable_record=params.enable_browser_replay,
        load_skill=True if params.load_skills else None,
        skills=(params.skill_names or None) if params.load_skills else None,
        extra_configs=_extra(params) or None,
        sdk_stats=_statistics(params.framework),
        login_region_id=region_id,
    )


def awaited_contexts(params: CreateSessionParams) -> set[str]:
    """The ids of the contexts whose files must be there before the session is handed over."""
    if not _has_contexts(params):
        return set()
    syncs = (*params.context_syncs, *_own_syncs(params))
    ids = {sync.context_id for sync in syncs if sync.beta_wait_for_completion is not False}
    return ids | ({params.browser_context.context_id} if params.browser_context else set())


def phone_steps(params: CreateSessionParams) -> tuple[list[str], list[str]]:
    """The commands that make a new phone as it is wanted: its settings, then, once its files are there, the rest.

    Raises:
        TypeError: the settings of the phone are not a `MobileExtraConfig`.
        ValueError: a setting is refused.
    """
    phone = params.extra_configs.mobile if params.extra_configs else None
    if phone is None:
        return [], []
    from agentbay._mobile import settings_commands, simulation_commands  # noqa: PLC0415  (only phones need it)

    return settings_commands(phone), simulation_commands(phone.simulate_config)


def _has_contexts(params: CreateSessionParams) -> bool:
    return bool(params.context_syncs or params.beta_context_mounts or params.browser_context or params.extra_configs)


def _persistence(params: CreateSessionParams) -> list[dict[str, Any]]:
    """The entries in the service's order: syncs, mounts, the browser's profile."""
    from agentbay.types.context_mount import persistence_entries  # noqa: PLC0415  (only sessions with contexts need it)

    entries = persistence_entries([*params.context_syncs, *_own_syncs(params), *params.beta_context_mounts])
    if params.browser_context is not None:
        entries.append(params.browser_context.get_profile_context_sync().to_map())
    return entries


def _own_syncs(params: CreateSessionParams) -> list[ContextSync]:
    """Syncs that other parameters bring along."""
    from agentbay.types.context_sync import ContextSync  # noqa: PLC0415
    from agentbay.types.mobile_config import SIMULATE_PATH  # noqa: PLC0415

    simulated = params.extra_configs.simulated_context_id if params.extra_configs else ""
    syncs = [ContextSync(simulated, SIMULATE_PATH)] if simulated else []
    if params.browser_context is not None:
        fingerprint = params.browser_context.get_fingerprint_context_sync()
        syncs += [*params.browser_context.get_extension_context_syncs(), *([fingerprint] if fingerprint else [])]
    return syncs


def _extra(params: CreateSessionParams) -> dict[str, Any]:
    if params.extra_configs is None:
        return {}
    params.extra_configs.validate()
    return params.extra_configs.for_create()


def _statistics(framework: str | None) -> dict[str, Any]:
    return {
        "source": "sdk",
        "sdk_language": "python",
        "sdk_version": __version__,
        "is_release": True,
        "framework": framework or "",
    }
