"""Random lives of sessions and contexts, and what should have become of them: a model of dictionaries."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Coroutine
from typing import Any, TypeVar

from attrs import define, field
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, multiple, precondition, rule

from tests.local.conftest import Served
from tests.local.endurance.syncs import finished, synced
from tests.local.service.api import Answer, Api
from tests.local.service.test_contexts_files import address, fetched

NO_SESSION = (400, "InvalidMcpSession.NotFound")
NO_CONTEXT = (400, "Context.NotFound")
OK = (200, "ok")
PLACE = "/workspace/kept"
LONG_AGO = "session-00000000000000000"

OWNERS = st.integers(0, 1)
NAMES = st.sampled_from(["a", "b.txt", "ü 1"])
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=200)
LABELS = st.dictionaries(st.sampled_from(["team", "task"]), st.sampled_from(["red", "blue"]), max_size=2)
TITLES = st.sampled_from(["one", "two"])

T = TypeVar("T")


@define(eq=False)
class Store:
    """A context as it should be: files by path."""

    owner: int
    name: str
    id: str
    files: dict[str, bytes] = field(factory=dict)
    holder: Life | None = None
    there: bool = True


@define(eq=False)
class Life:
    """A session as it should be."""

    owner: int
    id: str
    labels: dict[str, str]
    files: dict[str, str] = field(factory=dict)
    envs: dict[str, str] = field(factory=dict)
    kept: dict[str, str] = field(factory=dict)
    store: Store | None = None
    paused: bool = False
    there: bool = True


class Lives(RuleBasedStateMachine):
    """Callers with two keys do this and that; whatever they are told is what the model says."""

    lives: Bundle[Life] = Bundle("lives")
    stores: Bundle[Store] = Bundle("stores")

    def __init__(self, served: Served) -> None:
        super().__init__()
        self._served = served
        self._runner = asyncio.Runner()
        self._apis: list[Api] = []
        self.sessions: list[Life] = []
        self.contexts: list[Store] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(asyncio.wait_for(work, 40))

    @initialize()
    def begin(self) -> None:
        async def opened() -> list[Api]:
            return [Api(self._served.endpoint, key) for key in (self._served.key, self._served.other_key)]

        self._apis = self.run(opened())

    def teardown(self) -> None:
        """Ends all that there is, so that the next life begins with nothing."""
        for life in self.sessions:
            if life.there:
                self.resume_if_paused(life)
                self.call(life.owner, "ReleaseMcpSession", SessionId=life.id)
        for store in self.contexts:
            if store.there:
                self.call(store.owner, "DeleteContext", Id=store.id)
        for api in self._apis:
            self.run(api.http.close())
        self._runner.close()

    def call(self, owner: int, action: str, **params: str) -> Answer:
        return self.run(self._apis[owner].call(action, **params))

    def tool(self, life: Life, name: str, **args: Any) -> Answer:
        return self.run(self._apis[life.owner].tool(life.id, name, **args))

    def expected(self, life: Life, answer: Answer, paused: str = "InvalidMcpSession.Paused") -> bool:
        """Makes sure of the answer that the session's state demands; gives whether what was asked for was done."""
        if not life.there:
            assert answer.verdict == NO_SESSION
        elif life.paused:
            assert answer.verdict == (400, paused)
        else:
            assert answer.verdict == OK, answer.body
        return life.there and not life.paused

    # --- Sessions -----------------------------------------------------------------------------------------------------

    @rule(target=lives, owner=OWNERS, labels=LABELS)
    def create(self, owner: int, labels: dict[str, str]) -> Life:
        if sum(life.there for life in self.sessions) > 5:
            return multiple()
        answer = self.call(owner, "CreateMcpSession", Labels=json.dumps(labels))
        assert answer.verdict == OK, answer.body
        self.sessions.append(Life(owner, answer.data["SessionId"], labels))
        return self.sessions[-1]

    @rule(life=lives)
    def look(self, life: Life) -> None:
        """Its owner sees it as it is, and nobody else sees anything."""
        answer = self.call(life.owner, "GetSession", SessionId=life.id)
        assert answer.verdict == (OK if life.there else NO_SESSION)
        detail = self.call(life.owner, "GetSessionDetail", SessionId=life.id).data["Status"]
        assert detail == ("FINISH" if not life.there else "PAUSED" if life.paused else "RUNNING")
        for action in ("GetSession", "GetSessionDetail", "GetLabel", "ReleaseMcpSession", "PauseSessionAsync"):
            assert self.call(1 - life.owner, action, SessionId=life.id).verdict == NO_SESSION

    @rule(owner=OWNERS, labels=LABELS)
    def list_sessions(self, owner: int, labels: dict[str, str]) -> None:
        answer = self.call(owner, "ListSession", Labels=json.dumps(labels), MaxResults="50")
        mine = [life for life in self.sessions if life.there and life.owner == owner]
        right = [life.id for life in mine if labels.items() <= life.labels.items()]
        assert [item["SessionId"] for item in answer.data] == right[::-1]

    @rule(life=lives, labels=LABELS)
    def label(self, life: Life, labels: dict[str, str]) -> None:
        answer = self.call(life.owner, "SetLabel", SessionId=life.id, Labels=json.dumps(labels))
        assert answer.verdict == (OK if life.there else NO_SESSION)
        if life.there:
            life.labels = labels
            assert json.loads(self.call(life.owner, "GetLabel", SessionId=life.id).data["Labels"]) == labels

    @rule(life=lives)
    def pause(self, life: Life) -> None:
        answer = self.call(life.owner, "PauseSessionAsync", SessionId=life.id)
        if self.expected(life, answer, "InvalidMcpSession.InvalidStatus"):
            life.paused = True

    @rule(life=lives)
    def resume(self, life: Life) -> None:
        answer = self.call(life.owner, "ResumeSessionAsync", SessionId=life.id)
        if not life.there:
            assert answer.verdict == NO_SESSION
        else:
            assert answer.verdict == (OK if life.paused else (400, "InvalidMcpSession.InvalidStatus"))
            life.paused = False

    def resume_if_paused(self, life: Life) -> None:
        if life.paused:
            self.resume(life)

    @rule(life=lives)
    def keep_alive(self, life: Life) -> None:
        answer = self.call(life.owner, "RefreshSessionIdleTime", SessionId=life.id)
        assert answer.verdict == (OK if life.there else NO_SESSION)

    @rule(life=lives, action=st.sampled_from(["ReleaseMcpSession", "DeleteSessionAsync"]))
    def end(self, life: Life, action: str) -> None:
        answer = self.call(life.owner, action, SessionId=life.id)
        if self.expected(life, answer):
            assert self.run(self._apis[life.owner].becomes(life.id, "FINISH"))
            life.there = False
            self.take_up(life)
            if life.store is not None:
                life.store.holder = None

    # --- Inside -------------------------------------------------------------------------------------------------------

    @rule(life=lives, name=NAMES, text=TEXTS)
    def write(self, life: Life, name: str, text: str) -> None:
        if self.expected(life, self.tool(life, "write_file", path=f"/workspace/{name}", content=text)):
            life.files[name] = text

    @rule(life=lives, name=NAMES)
    def read(self, life: Life, name: str) -> None:
        answer = self.tool(life, "read_file", path=f"/workspace/{name}")
        if self.expected(life, answer):
            text, failed = answer.said
            assert (failed, None if failed else text) == (name not in life.files, life.files.get(name))

    @rule(life=lives, name=NAMES)
    def shell(self, life: Life, name: str) -> None:
        command = f"cd /workspace; cat '{name}' && rm '{name}'; echo -n \"|$ONE|$TWO\""
        answer = self.tool(life, "shell", command=command, timeout_ms=20_000)
        if self.expected(life, answer):
            told = json.loads(answer.said[0])
            assert told["stdout"] == f"{life.files.pop(name, '')}|{life.envs.get('ONE', '')}|{life.envs.get('TWO', '')}"

    @rule(life=lives, name=st.sampled_from(["ONE", "TWO"]), value=TEXTS)
    def set_env(self, life: Life, name: str, value: str) -> None:
        if self.expected(life, self.tool(life, "set_env", envs=[{"key": name, "value": value}])):
            life.envs[name] = value

    @rule(life=lives, port=st.sampled_from(["30100", "30101"]))
    def link(self, life: Life, port: str) -> None:
        params = {"SessionId": life.id, "ProtocolType": "https", "Port": port}
        answers = [self.call(life.owner, "GetLink", **params) for _ in range(2)]
        if life.there and not life.paused:
            assert [answer.verdict for answer in answers] == [OK] * 2
            assert answers[0].data["Url"] == answers[1].data["Url"]
        elif not life.there:
            assert answers[0].verdict == NO_SESSION
        assert self.call(1 - life.owner, "GetLink", **params).verdict == NO_SESSION

    # --- Contexts -----------------------------------------------------------------------------------------------------

    def named(self, owner: int, name: str) -> Store | None:
        return next((one for one in self.contexts if (one.there, one.owner, one.name) == (True, owner, name)), None)

    @rule(target=stores, owner=OWNERS, name=TITLES)
    def get_context(self, owner: int, name: str) -> Store:
        known = self.named(owner, name)
        assert self.call(owner, "GetContext", Name=name).verdict == (OK if known else NO_CONTEXT)
        answer = self.call(owner, "GetContext", Name=name, AllowCreate="True")
        assert answer.verdict == OK
        if known is None:
            known = Store(owner, name, answer.data["Id"])
            self.contexts.append(known)
        assert (answer.data["Id"], answer.data["State"]) == (known.id, "in-use" if known.holder else "available")
        return known

    @rule(owner=OWNERS)
    def list_contexts(self, owner: int) -> None:
        answer = self.call(owner, "ListContexts", MaxResults="50")
        right = [store.id for store in self.contexts if store.there and store.owner == owner]
        assert [item["Id"] for item in answer.data] == right[::-1]

    @rule(store=stores, name=TITLES)
    def rename(self, store: Store, name: str) -> None:
        answer = self.call(store.owner, "ModifyContext", Id=store.id, Name=name)
        other = self.named(store.owner, name)
        if not store.there:
            assert answer.verdict == NO_CONTEXT
        elif other in {None, store}:
            assert answer.verdict == OK
            store.name = name
        else:
            assert answer.verdict == (400, "Context.AlreadyExists")

    @rule(store=stores, name=NAMES, data=st.binary(max_size=300))
    def put(self, store: Store, name: str, data: bytes) -> None:
        if not store.there:
            asked = self.call(store.owner, "GetContextFileUploadUrl", ContextId=store.id, FilePath=f"/own/{name}")
            assert asked.verdict == NO_CONTEXT
            return

        async def upload(api: Api) -> int:
            url = await address(api, "Upload", store.id, f"/own/{name}")
            async with api.http.put(url, data=io.BytesIO(data)) as response:
                return response.status

        assert self.run(upload(self._apis[store.owner])) == 200
        store.files[f"/own/{name}"] = data

    @rule(store=stores)
    def files(self, store: Store) -> None:
        """All files are there, with their bytes, and nobody else sees any."""
        api = self._apis[store.owner]
        for folder in ("/own", PLACE):
            answer = self.call(store.owner, "DescribeContextFiles", ContextId=store.id, ParentFolderPath=folder)
            assert answer.verdict == (OK if store.there else NO_CONTEXT)
            if store.there:
                right = sorted(path for path in store.files if path.startswith(folder + "/"))
                assert sorted(item["FilePath"] for item in answer.data) == right
                assert [self.run(fetched(api, store.id, path)) for path in right] == [store.files[x] for x in right]
        for action, name in (("GetContext", "ContextId"), ("DeleteContext", "Id"), ("ClearContext", "Id")):
            assert self.call(1 - store.owner, action, **{name: store.id}).verdict == NO_CONTEXT

    @rule(store=stores, name=NAMES)
    def delete_file(self, store: Store, name: str) -> None:
        path = f"/own/{name}"
        answer = self.call(store.owner, "DeleteContextFile", ContextId=store.id, FilePath=path)
        if not store.there:
            assert answer.verdict == NO_CONTEXT
        else:
            assert answer.verdict == (OK if path in store.files else (400, "ContextFile.NotFound"))
            store.files.pop(path, None)

    @rule(store=stores)
    def clear(self, store: Store) -> None:
        answer = self.call(store.owner, "ClearContext", Id=store.id)
        if not store.there:
            assert answer.verdict == NO_CONTEXT
        elif store.holder is not None:
            assert answer.verdict == (400, "Context.InvalidStatus")
        else:
            assert answer.verdict == OK
            store.files = {}
            while self.call(store.owner, "GetContext", ContextId=store.id).data["State"] != "available":
                pass

    @precondition(lambda self: any(store.holder is None for store in self.contexts))
    @rule(store=consumes(stores))
    def delete_context(self, store: Store) -> None:
        if store.holder is None:
            answer = self.call(store.owner, "DeleteContext", Id=store.id)
            assert answer.verdict == (OK if store.there else NO_CONTEXT)
            store.there, store.files = False, {}

    # --- Contexts in sessions -----------------------------------------------------------------------------------------

    @rule(life=lives, store=stores)
    def bind(self, life: Life, store: Store) -> None:
        """A context has one session, and a session one context: then the model needs to know no order of events."""
        if not life.there or life.paused or life.store is not None or (store.there and store.holder is not None):
            return
        entries = json.dumps([{"ContextId": store.id, "Path": PLACE}])
        answer = self.call(life.owner, "BindContexts", SessionId=life.id, PersistenceDataList=entries)
        if not store.there or store.owner != life.owner:
            assert answer.verdict == NO_CONTEXT
            return
        assert answer.verdict == OK, answer.body
        tasks = self.run(finished(self._apis[life.owner], life.id, store.id))
        assert {task["status"] for task in tasks} <= {"Success"}, tasks
        life.store, store.holder = store, life
        skip = len(PLACE) + 1
        life.kept = {path[skip:]: data.decode() for path, data in store.files.items() if path.startswith(PLACE)}

    @rule(life=lives, name=NAMES, text=TEXTS)
    def keep(self, life: Life, name: str, text: str) -> None:
        if life.store is not None:
            answer = self.tool(life, "write_file", path=f"{PLACE}/{name}", content=text)
            if self.expected(life, answer):
                life.kept[name] = text

    @rule(life=lives, name=NAMES)
    def drop(self, life: Life, name: str) -> None:
        if life.store is not None:
            answer = self.tool(life, "shell", command=f"rm -f '{PLACE}/{name}'", timeout_ms=20_000)
            if self.expected(life, answer):
                life.kept.pop(name, None)

    @rule(life=lives)
    def sync(self, life: Life) -> None:
        if life.there and not life.paused and life.store is not None:
            tasks = self.run(synced(self._apis[life.owner], life.id, life.store.id))
            assert {task["status"] for task in tasks} <= {"Success"}, tasks
            self.take_up(life)

    def take_up(self, life: Life) -> None:
        """What a session has kept is what its context has, from then on."""
        if life.store is not None:
            own = {path: data for path, data in life.store.files.items() if not path.startswith(PLACE)}
            life.store.files = own | {f"{PLACE}/{name}": text.encode() for name, text in life.kept.items()}
