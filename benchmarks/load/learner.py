"""A learner without a browser: Streamlit's own protocol over a websocket, as a browser speaks it.

What a browser would do beyond asking for runs is done too: it keeps the address, tells which
messages it holds already, and answers for the component that keeps what was typed.
"""

import asyncio
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlencode

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

DONE = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)
TIMEOUT_S = 60.0  # seconds; a later answer is an error


class WentWrong(Exception):
    """Something a learner would have seen as a failure."""


class Learner:
    """One session on the server at ``address`` (http://...)."""

    def __init__(self, address: str, cookie: str = "") -> None:
        self.address, self.cookie = address.rstrip("/"), cookie
        self.polled: dict[str, float] = {}  # fragment -> seconds after which it runs by itself
        self.kept = "{}"  # what the browser keeps for the page
        self.query, self.page, self.page_hash = "", "", ""
        self.pages: dict[str, str] = {}
        self.shown: dict[tuple[int, ...], Any] = {}  # delta path -> (kind, element, fragment)
        self.values: dict[str, WidgetState] = {}
        self.held: dict[str, ForwardMsg] = {}
        self.received = 0  # bytes

    async def open(self, page: str, **query: str) -> None:
        """Connect, and run a page for the first time."""
        self.page, self.query = page, urlencode(query)
        stream = self.address.replace("http", "ws", 1) + "/_stcore/stream"
        self.socket = await websockets.connect(
            stream,
            subprotocols=["streamlit"],
            max_size=None,
            open_timeout=TIMEOUT_S,
            additional_headers={"Cookie": self.cookie} if self.cookie else {},
        )
        self.values.clear()
        await self.run()
        kept = self.find("bidi_component", "headlab_browser_store")
        if kept is not None:  # a new browser has kept nothing, and says so
            await self.set(kept, "json_value", json.dumps({"kept": self.kept}))

    async def close(self) -> None:
        await self.socket.close()

    async def go(self, page: str, **query: str) -> None:
        """Follow a link to another page."""
        self.page, self.page_hash = page, self.pages[page]
        self.query = urlencode(query)
        self.values.clear()
        await self.run()

    async def set(self, found: Any, field: str, value: Any, press: Any = None) -> None:
        """Give a widget a value, press a button along with it if asked to, and wait."""
        _, element, fragment = found
        state = WidgetState(id=element.id)
        setattr(state, field, value)
        self.values[element.id] = state
        await self.run(fragment, press)

    async def choose(self, label: str, place: int) -> None:
        """Press one of the chips under the last such label; negative places count from the end."""
        found = [each for each in self.shown.values() if each[0] == "button_group"]
        mine = [each for each in found if each[1].label == label]
        if not mine:
            raise WentWrong(f"there are no chips {label!r} on {self.page}?{self.query}")
        options = mine[-1][1].options
        state = WidgetState(id=mine[-1][1].id)
        state.string_array_value.data.append(options[place % len(options)].content)
        self.values[state.id] = state
        await self.run(mine[-1][2])

    async def press(self, label: str) -> None:
        """Press a button."""
        found = self.the("button", label)
        await self.run(found[2], found)

    async def poll(self) -> None:
        """Run what the page runs by itself every few seconds."""
        for fragment in list(self.polled):
            await self.run(fragment)

    async def run(self, fragment: str = "", press: Any = None) -> None:
        """Ask for a run and take what comes until it is finished."""
        message = BackMsg()
        asked = message.rerun_script
        asked.query_string, asked.page_script_hash = self.query, self.page_hash
        asked.page_name, asked.fragment_id = ("" if self.page_hash else self.page), fragment
        asked.widget_states.widgets.extend(self.values.values())
        if press is not None:
            asked.widget_states.widgets.add(id=press[1].id, trigger_value=True)
        asked.cached_message_hashes.extend(self.held)
        asked.context_info.url = f"{self.address}/{self.page}"
        asked.context_info.timezone = "UTC"
        await self.socket.send(message.SerializeToString())
        held, self.fresh, self.fragment = dict(self.held), {}, fragment
        limit = time.monotonic() + TIMEOUT_S
        while True:
            raw = await asyncio.wait_for(self.socket.recv(), limit - time.monotonic())
            self.received += len(raw)
            answer = ForwardMsg()
            answer.ParseFromString(raw)
            if answer.WhichOneof("type") == "ref_hash":
                metadata = answer.metadata
                whole = held.get(answer.ref_hash) or self.fresh[answer.ref_hash]
                answer = ForwardMsg()
                answer.CopyFrom(whole)
                answer.metadata.CopyFrom(metadata)
            if self._take(answer):
                break
        self.held = self.fresh if not fragment else held | self.fresh

    def _take(self, answer: ForwardMsg) -> bool:
        """Take one message; whether the run is finished."""
        if answer.metadata.cacheable and answer.hash:
            self.fresh[answer.hash] = answer
        kind = answer.WhichOneof("type")
        if kind == "new_session":
            session = answer.new_session
            self.page_hash = session.page_script_hash
            self.pages = {
                page.page_name.replace(" ", "_"): page.page_script_hash
                for page in session.app_pages
            }
            if not self.fragment:
                self.shown.clear()
                self.polled.clear()
        elif kind == "auto_rerun":
            self.polled[answer.auto_rerun.fragment_id] = answer.auto_rerun.interval
        elif (
            kind == "navigation"
        ):  # a session begins with the first page's hash and then says which
            self.page_hash = answer.navigation.page_script_hash
        elif kind == "page_info_changed":
            self.query = answer.page_info_changed.query_string
        elif kind == "delta":
            self._show(answer)
        elif kind == "script_finished":
            if answer.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                raise WentWrong("a page did not compile")
            return answer.script_finished in DONE
        return False

    def _show(self, answer: ForwardMsg) -> None:
        element = answer.delta.new_element
        kind = element.WhichOneof("type")
        if kind is None:
            return
        part = getattr(element, kind)
        if kind == "exception" or (kind == "alert" and "our side" in part.body):
            raise WentWrong(kind)
        if getattr(part, "component_name", "") == "headlab_browser_store":
            data = json.loads(part.json or "{}")
            self.kept = data.get("keep") or self.kept
        self.shown[tuple(answer.metadata.delta_path)] = (kind, part, answer.delta.fragment_id)

    def find(self, kind: str, name: str) -> Any:
        """The element of a kind with this label (or component name), or None."""
        for found in self.shown.values():
            part = found[1]
            label = getattr(part, "label", "") or getattr(part, "component_name", "")
            if found[0] == kind and label == name:
                return found
        return None

    def the(self, kind: str, name: str) -> Any:
        found = self.find(kind, name)
        if found is None:
            raise WentWrong(f"there is no {kind} {name!r} on {self.page}?{self.query}")
        return found

    def asked(self, part: str, otherwise: str) -> str:
        """A part of the address."""
        return parse_qs(self.query).get(part, [otherwise])[0]
