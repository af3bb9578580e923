"""The live view of a desktop: what is on the screen is seen, and what is done in the view reaches programs."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp
import pytest
import pytest_asyncio

from tests.local.conftest import Served
from tests.local.page.looking import Looker
from tests.local.page.viewing import begun, looking
from tests.local.programs import need_desktop
from tests.local.service.api import Api

pytestmark = pytest.mark.asyncio(loop_scope="session")

GROUND = (0x3B, 0x42, 0x52)
RED, GREEN, BLUE = (170, 0, 0), (0, 136, 0), (0, 0, 187)
NOWHERE = (404, "InvalidMcpSession.NotFound")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def caller(runtime: Served) -> AsyncIterator[Api]:
    need_desktop()
    async with Api(runtime.endpoint, runtime.key) as api:
        yield api


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(caller: Api) -> Looker:
    """A session whose desktop runs; what tests leave on it must not matter to another."""
    looker = await Looker.of(caller, (await caller.create(ImageId="linux_latest"))["SessionId"])
    await begun(looker, "desktop")
    return looker


@pytest_asyncio.fixture(loop_scope="session")
async def alone(caller: Api) -> Looker:
    return await Looker.of(caller, (await caller.create(ImageId="linux_latest"))["SessionId"])


async def sh(looker: Looker, command: str) -> str:
    return str((await looker.api.shell(looker.session, command))["stdout"])


async def terminal(looker: Looker, colour: str, command: str = "cat", place: str = "60x12+40+60") -> None:
    """A terminal of a colour, in front of all others, with the keyboard."""
    line = f"xterm -bg {shlex.quote(colour)} -fg white -geometry {place} -e sh -c {shlex.quote(command)}"
    assert not (await looker.api.tool(looker.session, "start_app", start_cmd=line)).said[1]


async def clear(looker: Looker) -> None:
    await sh(looker, "pkill xterm; while pgrep -x xterm; do sleep 0.02; done")


async def holds(looker: Looker, path: str, wanted: str) -> str:
    """What a file holds once it holds what is wanted, or after a while."""
    same = f'[ "$(cat {path} 2>/dev/null)" = {shlex.quote(wanted)} ]'
    return (await sh(looker, f"{waiting(same)}; cat {path}")).rstrip("\n")


def waiting(condition: str) -> str:
    """A command that waits until another one succeeds, or for a while."""
    return f"for _ in $(seq 150); do {condition} && break; sleep 0.05; done"


# --- What is seen -----------------------------------------------------------------------------------------------------


async def test_a_look_starts_no_desktop_and_a_press_on_the_button_does(alone: Looker) -> None:
    async with looking(alone) as eye:
        assert "" == (await eye.state("off"))["message"]
        assert {"type": "hello", "of": "desktop", "offers": ["desktop", "browser"]} == eye.told["hello"]
        assert "" == (await sh(alone, "pgrep -x 'Xvnc|Xtigervnc|Xvfb' || true"))
        await eye.send("start")
        await eye.shown(GROUND, (640, 400))
        assert [(1280, 800), "on"] == [eye.picture.size, eye.told["state"]["state"]]


async def test_a_desktop_that_a_tool_starts_is_seen_without_a_button(alone: Looker) -> None:
    async with looking(alone) as eye:
        await eye.state("off")
        await terminal(alone, "#aa0000")
        await eye.shown(RED, (200, 150))


async def test_a_window_is_seen_when_it_comes_and_when_it_goes(desk: Looker) -> None:
    async with looking(desk, of="desktop") as eye, looking(desk, of="desktop") as other:
        await terminal(desk, "#aa0000")
        await asyncio.gather(*(each.shown(RED, (200, 150)) for each in (eye, other)))
        await clear(desk)
        await asyncio.gather(*(each.shown(GROUND, (200, 150)) for each in (eye, other)))


async def test_pictures_wait_for_a_viewer_who_has_not_drawn_the_last_one_and_hold_up_no_other(desk: Looker) -> None:
    async with looking(desk, of="desktop") as slow, looking(desk, of="desktop") as quick:
        slow.acknowledges = False
        await slow.until(lambda: slow.frames)
        for colour in ("#aa0000", "#008800", "#0000bb"):
            await terminal(desk, colour)
        await quick.shown(BLUE, (200, 150))
        await slow.send("ping", time=5)
        await slow.until(lambda: "pong" in slow.told)
        assert 1 == slow.frames
        await slow.send("ack", frame=1)
        await slow.until(lambda: slow.frames == 2)
        await slow.shown(BLUE, (200, 150))  # nothing of what came between
        await clear(desk)


async def test_only_what_has_changed_is_sent(desk: Looker) -> None:
    async with looking(desk, of="desktop") as eye:
        wait = "until [ -e /tmp/go ]; do sleep 0.05; done"
        await terminal(desk, "#aa0000", f"{wait}; while printf '\\033[5;5H%s' $((n+=1)); do sleep 0.2; done")
        await eye.shown(RED, (200, 150))
        await sh(desk, "touch /tmp/go")
        await eye.until(lambda: eye.sizes[-1] < 3000)
        await clear(desk)


# --- What is done -----------------------------------------------------------------------------------------------------


async def test_keys_text_and_clicks_reach_the_program(desk: Looker) -> None:
    await terminal(desk, "#aa0000", "cat > /tmp/typed")
    async with looking(desk, of="desktop") as eye:
        await eye.shown(RED, (200, 150))
        await eye.click(200, 150)
        await eye.key("a", "KeyA")
        await eye.key("Shift", "ShiftLeft", 8, "down")
        await eye.key("B", "KeyB", 8)
        await eye.key("1", "Digit1", 8)  # as a French keyboard has it
        await eye.key("Shift", "ShiftLeft", 0, "up")
        await eye.key("&", "Digit1")
        await eye.key("é", "Digit2")
        await eye.key("Hyper", "Fn")  # a key that there is not
        await eye.send("text", text="漢字 שלום 👍")
        await eye.key("Enter")
        assert "aB1&é漢字 שלום 👍" == await holds(desk, "/tmp/typed", "aB1&é漢字 שלום 👍")
    await clear(desk)


async def test_mouse_and_wheel_reach_the_program(desk: Looker) -> None:
    mouse = "stty -echo -icanon min 1; printf '\\033[?1002h\\033[?1006h'; cat > /tmp/seen"
    await terminal(desk, "#aa0000", mouse)
    async with looking(desk, of="desktop") as eye:
        await eye.shown(RED, (200, 150))
        await eye.pointer("down", 200, 150)
        await eye.pointer("move", 260, 150)
        await eye.pointer("up", 260, 150)
        await eye.click(200, 150, "right")
        await eye.send("wheel", dx=0, dy=60, x=200, y=150, modifiers=0)
        await eye.send("wheel", dx=0, dy=50, x=200, y=150, modifiers=0)  # with the rest of the first, one more notch
        events = waiting("[ $(tr -cd 'Mm' </tmp/seen | wc -c) -ge 7 ]") + "; cat /tmp/seen"
        kinds = [each.split(";")[0] for each in (await sh(desk, events)).split("\x1b[<")[1:]]
        assert ["0", "32", "0", "2", "2", "65", "65"] == kinds
    await clear(desk)


async def test_keys_and_buttons_that_a_viewer_holds_are_let_go_when_they_leave(desk: Looker) -> None:
    mouse = "stty -echo -icanon min 1; printf '\\033[?1002h\\033[?1006h'; cat > /tmp/left"
    await terminal(desk, "#aa0000", mouse)
    async with looking(desk, of="desktop") as eye:
        await eye.shown(RED, (200, 150))
        await eye.pointer("down", 200, 150)
        await eye.key("Shift", "ShiftLeft", 8, "down")
        await eye.key("B", "KeyB", 8)
        await sh(desk, waiting("grep -q B /tmp/left"))
    async with looking(desk, of="desktop") as eye:
        await eye.until(lambda: eye.frames)
        await eye.key("a", "KeyA")
        _, _, after = (await sh(desk, waiting("grep -q a /tmp/left") + "; cat /tmp/left")).partition("B")
        assert ("a", "m") == (after[-1], after.strip("a")[-1])
    await clear(desk)


async def test_what_is_copied_in_the_session_is_offered(desk: Looker) -> None:
    options = "-xrm 'XTerm*selectToClipboard: true'"
    await terminal(desk, "#aa0000", "printf Grüße你好; cat", f"60x12+40+60 {options}")
    async with looking(desk, of="desktop") as eye:
        await eye.shown(RED, (200, 150))
        left, top = eye.first(RED)

        def offered() -> bool:
            return "Grüße你好" == str(eye.told.get("clipboard", {}).get("text", "")).rstrip("\n")

        for _ in range(10):  # it may not be printed yet
            for action, along in (("down", 1), ("move", 200), ("up", 200)):
                await eye.pointer(action, left + along, top + 8)
            with suppress(TimeoutError):
                await eye.until(offered, 2.0)
                break
        assert offered(), eye.told
    await clear(desk)


# --- Who may, and what goes wrong -------------------------------------------------------------------------------------


async def test_nobody_looks_without_the_code_with_anothers_or_after_the_end(caller: Api, desk: Looker) -> None:
    other = await Looker.of(caller, (await caller.create())["SessionId"])
    for looker, code in ((desk, ""), (desk, other.code), (other, desk.code)):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with looking(Looker(caller, looker.session, "", code)):
                pass
        assert 404 == refused.value.status
    assert NOWHERE == (await Looker(caller, desk.session, "", "wrong").ask("/view")).verdict


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("{", "a message must be a text in JSON"),
        ("[]", "type must be one of ack, ping, start"),
        ('{"type": "nothing"}', "type must be one of ack, ping, start"),
        ('{"type": "ack"}', "frame of ack must be a number from 0"),
        ('{"type": "pointer", "action": "fly"}', "action of pointer must be one of move, down, up"),
        (json.dumps({"type": "text", "text": "x" * 20_001}), "text of text must be a text of at most 20000 characters"),
        ('{"type": "text", "text": "\\ud800"}', "text of text must be a text of"),
        ('{"type": "navigate", "url": 5}', "url of navigate must be a text of"),
        ('{"type": "wheel", "dx": NaN}', "dx of wheel must be a number"),
        (b"\1\2", "a message must be a text in JSON"),
    ],
)
async def test_input_that_is_none_ends_the_view_and_says_why(alone: Looker, sent: str | bytes, reason: str) -> None:
    async with looking(alone, of="desktop") as eye:
        await (eye.socket.send_str(sent) if isinstance(sent, str) else eye.socket.send_bytes(sent))
        code, said = await eye.ended()
        assert (1008, reason) == (code, said[: len(reason)])


async def test_a_screen_that_there_is_not_is_refused(caller: Api, alone: Looker) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with looking(alone, of="phone"):
            pass
    assert 400 == refused.value.status
    blind = await Looker.of(caller, (await caller.create(ImageId="code_latest"))["SessionId"])
    async with looking(blind) as eye:
        assert (1008, "a session with code_latest has no screen") == await eye.ended()


async def test_a_paused_session_says_so_and_its_view_goes_on(alone: Looker) -> None:
    await begun(alone, "desktop")
    await terminal(alone, "#aa0000")
    async with looking(alone, of="desktop") as eye:
        await eye.shown(RED, (200, 150))
        await alone.api.call("PauseSessionAsync", SessionId=alone.session)
        await eye.state("paused")
        await eye.click(200, 150)  # nothing comes of it
        await alone.api.call("ResumeSessionAsync", SessionId=alone.session)
        await eye.state("on")
        await terminal(alone, "#008800")
        await eye.shown(GREEN, (200, 150))


async def test_an_x_server_that_ends_is_told_of_and_can_be_started_again(alone: Looker) -> None:
    await begun(alone, "desktop")
    async with looking(alone, of="desktop") as eye:
        await eye.state("on")
        await sh(alone, "pkill -KILL -x 'Xvnc|Xtigervnc|Xvfb'")
        assert "The desktop has ended" == (await eye.state("off"))["message"]
        frames = eye.frames
        await eye.send("start")
        await eye.state("on")
        await eye.until(lambda: eye.frames > frames)


async def test_a_deleted_session_ends_the_view_with_its_reason(alone: Looker) -> None:
    async with looking(alone, of="desktop") as eye:
        await eye.state("off")
        await alone.api.call("ReleaseMcpSession", SessionId=alone.session)
        assert (1001, "the session has ended: Released") == await eye.ended()


async def test_viewers_are_limited(desk: Looker) -> None:
    eyes = [looking(desk, of="desktop") for _ in range(20)]
    for each in eyes:
        await each.__aenter__()
    try:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with looking(desk, of="desktop"):
                pass
        assert 429 == refused.value.status
    finally:
        for each in eyes:
            await each.__aexit__(None, None, None)
