"""The forms of a page, as a browser would send them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass(slots=True)
class Field:
    """One named field. `choices`: the values of a select or of radio buttons."""

    name: str
    value: str = ""
    choices: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Form:
    """`action` is empty for the page's own URL."""

    action: str = ""
    method: str = "get"
    fields: list[Field] = field(default_factory=list)

    def add(self, name: str, value: str, *, is_choice: bool, is_chosen: bool) -> None:
        found = next((one for one in self.fields if one.name == name and is_choice), None)
        if found is None:
            found = Field(name)
            self.fields.append(found)
        if is_choice:
            found.choices.append(value)
        if is_chosen or not is_choice:
            found.value = value


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select = self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name, value = given.get("name", ""), given.get("value", "")
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._form)
        elif self._form is None:
            return
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            is_chosen = "selected" in given
            self._form.add(self._select, value, is_choice=True, is_chosen=is_chosen)
        elif tag == "textarea" and name:
            self._form.add(name, "", is_choice=False, is_chosen=True)
            self._area = name
        elif tag in ("input", "button") and name:
            is_choice = given.get("type") in ("radio", "checkbox", "submit") or tag == "button"
            is_chosen = "checked" in given
            self._form.add(name, value or "on", is_choice=is_choice, is_chosen=is_chosen)

    def handle_data(self, data: str) -> None:
        if self._form is not None and self._area:
            self._form.fields[-1].value += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""


def forms_of(page: str) -> list[Form]:
    reader = _Reader()
    reader.feed(page)
    return reader.forms
