"""What a page operator is asked for, and what it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Generic, Self, TypeVar, overload

from attrs import define, field, frozen

from agentbay._checked import checked_fields
from agentbay._tools import ToolAnswer
from agentbay._value import Value
from agentbay.errors import BrowserError
from agentbay.types.response import ApiResponse

__all__ = ["ActOptions", "ActResult", "ExtractOptions", "ObserveOptions", "ObserveResult"]

T = TypeVar("T")

NOTHING_DONE = "No actions have been executed."


def _sentence(text: Any, name: str) -> None:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{name} must be text, and not blank")


def _above_zero(value: Any, name: str) -> None:
    """Check a number that may be left out."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value <= 0):
        raise ValueError(f"{name} must be a whole number above 0, not {value!r}")


@checked_fields()
@define
class ActOptions:
    """Something to do on a page.

    - `action`: what to do, in words. `variables`: values by the names that the words use.
    - `use_vision`: let the operator look at the page's picture.
    - `timeout`: seconds that it may take (default 300).

    Raises:
        ValueError: the action is blank, or the time is not above 0.
    """

    action: str
    variables: dict[str, str] | None = field(default=None, repr=False)
    use_vision: bool | None = None
    timeout: int | None = None

    def __attrs_post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raise a ValueError unless it can be asked for."""
        _sentence(self.action, "action")
        _above_zero(self.timeout, "timeout (seconds)")


@checked_fields()
@define
class ObserveOptions:
    """Something to look for on a page.

    - `instruction`: what to look for, in words.
    - `use_vision`: let the operator look at the page's picture.
    - `selector`: look only within this part of the page.
    - `timeout`: seconds that it may take (default 300).

    Raises:
        ValueError: the instruction is blank, or the time is not above 0.
    """

    instruction: str
    use_vision: bool | None = None
    selector: str | None = None
    timeout: int | None = None

    def __attrs_post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raise a ValueError unless it can be asked for."""
        _sentence(self.instruction, "instruction")
        _above_zero(self.timeout, "timeout (seconds)")


@checked_fields("schema")
@define(init=False)
class ExtractOptions(Generic[T]):
    """Data to take from a page.

    - `instruction`: what to take, in words.
    - `schema`: its form: a pydantic model, an attrs class, a dataclass, or a JSON Schema as a dictionary.
    - `use_text_extract`: take it from the page's text. `use_vision`: let the operator look at the page's picture.
    - `selector`: look only within this part of the page.
    - `timeout`: seconds that it may take (default 300).
    - `max_page`: how many pages of a list to go through.

    Raises:
        ValueError: the instruction is blank, or a number is not above 0.
    """

    instruction: str
    schema: type[T] | Mapping[str, Any]
    use_text_extract: bool | None
    use_vision: bool | None
    selector: str | None
    timeout: int | None
    max_page: int | None

    @overload
    def __init__(
        self: ExtractOptions[Any],
        instruction: str,
        schema: Mapping[str, Any],
        use_text_extract: bool | None = None,
        use_vision: bool | None = None,
        selector: str | None = None,
        timeout: int | None = None,
        max_page: int | None = 1,
    ) -> None: ...
    @overload
    def __init__(
        self,
        instruction: str,
        schema: type[T],
        use_text_extract: bool | None = None,
        use_vision: bool | None = None,
        selector: str | None = None,
        timeout: int | None = None,
        max_page: int | None = 1,
    ) -> None: ...

    def __init__(
        self,
        instruction: str,
        schema: type[T] | Mapping[str, Any],
        use_text_extract: bool | None = None,
        use_vision: bool | None = None,
        selector: str | None = None,
        timeout: int | None = None,
        max_page: int | None = 1,
    ) -> None:
        self.__attrs_init__(  # pyright: ignore[reportAttributeAccessIssue]
            instruction, schema, use_text_extract, use_vision, selector, timeout, max_page
        )
        self.check()

    def check(self) -> None:
        """Raise a ValueError unless it can be asked for."""
        _sentence(self.instruction, "instruction")
        _above_zero(self.timeout, "timeout (seconds)")
        _above_zero(self.max_page, "max_page (pages)")


@frozen(eq=False, repr=False)
class ObserveResult(Value):
    """Something found on a page: where it is, what it is, and how to act on it.

    It can be handed to `act` as it is. `arguments`, mostly an object, belong to the `method`.
    """

    selector: str
    description: str
    method: str
    arguments: Any = field(factory=dict)

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Self:
        """Read what the service found; members of another kind count as empty."""
        texts = {name: value if isinstance(value := item.get(name), str) else "" for name in _MEMBERS}
        return cls(**texts, arguments=_arguments(item.get("arguments")))

    def as_action(self) -> str:
        """The text by which the service knows it again."""
        return json.dumps({"method": self.method, "arguments": self.arguments})


_MEMBERS = ("selector", "description", "method")


def _arguments(value: Any) -> Any:
    """Read what is mostly JSON text; other text stays what it is."""
    try:
        return json.loads(value) if isinstance(value, str) and value else value or dict[str, Any]()
    except (ValueError, RecursionError):
        return value


@frozen(eq=False, repr=False)
class ActResult(ApiResponse):
    """What came of an action or a login: `message` tells the steps, or what the operator said."""

    success: bool = False
    message: str = ""
    request_id: str = field(default="", kw_only=True)

    @property
    def error_message(self) -> str:
        """What went wrong; empty on success."""
        return "" if self.success else self.message

    @classmethod
    def of_steps(cls, steps: Any, success: bool, request_id: str) -> Self:
        """Make the result of an action from its steps."""
        message = (
            (steps if isinstance(steps, str) else json.dumps(steps, ensure_ascii=False)) if steps else NOTHING_DONE
        )
        error = None if success else BrowserError(message, request_id=request_id)
        return cls(success, message, request_id=request_id, error=error)

    @classmethod
    def of_tool(cls, answer: ToolAnswer) -> Self:
        """Make the result of a tool that answers in words."""
        error = answer.error
        if error is None:
            return cls(True, answer.text, request_id=answer.request_id)
        fault = BrowserError(error.message, **answer.facts) if answer.said else error
        return cls(False, error.message, request_id=answer.request_id, error=fault, code=error.code)
