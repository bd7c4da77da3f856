"""The values typed into the form of a new resource."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.http import QueryDict

from portal.core.errors import FieldError
from portal.core.targets import MAX_TYPED_LENGTH, TargetError, classify, read
from portal.core.wording.targets import field_error
from portal.organizations.models import ResourceKind
from portal.organizations.services import MAX_RESOURCE_NAME_LENGTH


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceForm:
    """As typed, with what is wrong."""

    name: str = ""
    value: str = ""
    name_errors: tuple[FieldError, ...] = ()
    value_errors: tuple[FieldError, ...] = ()

    @classmethod
    def typed(cls, data: QueryDict) -> ResourceForm:
        fix = data.get("fix", "")
        return cls(
            name=data.get("name", "").strip()[: 2 * MAX_RESOURCE_NAME_LENGTH],
            value=(fix or data.get("value", "")).strip()[:MAX_TYPED_LENGTH],
        )

    @property
    def kind(self) -> ResourceKind:
        """What the text is, or was most likely meant to be."""
        try:
            return ResourceKind(read(self.value).kind)
        except TargetError:
            return ResourceKind(classify(self.value))

    def problems(self) -> list[FieldError]:
        """What is wrong with the name and, if anything is, with the value too: the service, which
        would notice that, is not called then.
        """
        found = []
        if not self.name:
            found.append(FieldError("name", "blank", "Give it a name that people know."))
        if len(self.name) > MAX_RESOURCE_NAME_LENGTH:
            message = f"The name may have at most {MAX_RESOURCE_NAME_LENGTH} characters."
            found.append(FieldError("name", "too-long", message))
        if "\0" in self.name:
            message = "The name contains characters that are not allowed. Type it again."
            found.append(FieldError("name", "odd-characters", message))
        return [*found, *self._unreadable()] if found else []

    def _unreadable(self) -> list[FieldError]:
        try:
            read(self.value)
        except TargetError as error:
            return [field_error("value", error)]
        return []

    def with_errors(self, errors: Sequence[FieldError]) -> ResourceForm:
        return replace(
            self,
            name_errors=tuple(one for one in errors if one.field == "name"),
            value_errors=tuple(one for one in errors if one.field != "name"),
        )

    @property
    def is_refused(self) -> bool:
        return bool(self.name_errors or self.value_errors)
