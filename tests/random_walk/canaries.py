"""A unique text in each text column of each row of a tenant: a response that contains it has read
that row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import Any, Final
from uuid import UUID

from django.db.models import EmailField, Model

from tests.random_walk.owned_rows import owners, rows_of, text_columns

CANARY: Final = re.compile(r"qz(acme|globex|initech)\d{4}")
UUID_TEXT: Final = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
LONGEST: Final = len("qzinitech0000")
WRITTEN_ONCE: Final = "audit"
"""The database refuses to change these rows; they name what the others do."""
_numbers = count()


def new_canary(slug: str) -> str:
    return f"qz{slug}{next(_numbers) % 10000:04d}"


def brand(slug: str, organization: UUID) -> None:
    """Write a canary into each text column of each row of the organization."""
    for model in owners():
        if model._meta.app_label != WRITTEN_ONCE:
            for row in rows_of(model, organization):
                branded = dict(_branded(model, row, slug))
                if branded:
                    model._default_manager.filter(pk=row.pk).update(**branded)


def _branded(model: type[Model], row: Model, slug: str) -> Iterator[tuple[str, str]]:
    for field in text_columns(model):
        has_one = CANARY.search(str(getattr(row, field.name)))
        if has_one or (getattr(field, "max_length", None) or LONGEST) < LONGEST:
            continue
        canary = new_canary(slug)
        if field.name == "issuer":
            canary = f"https://127.0.0.1:1/{canary}"
        elif model.__name__ == "EmailDomain":
            canary = f"{canary}.example"
        elif isinstance(field, EmailField) or field.name in ("mail_to", "email"):
            canary = f"{canary}@{slug}.example"
        yield field.name, canary


def canaries_of(organization: UUID) -> list[str]:
    """All that the rows of the organization have now."""
    found: set[str] = set()
    for model in owners():
        names = [field.name for field in text_columns(model)]
        if model.__name__ == "User":
            names.append("username")
        for row in rows_of(model, organization).values_list(*names) if names else ():
            found.update(one[0] for text in row for one in CANARY.finditer(str(text)))
    return sorted(found)


def ids_of(organization: UUID) -> dict[str, list[Any]]:
    """The primary keys of the organization's rows, by the name of the model."""
    return {
        model.__name__: list(rows_of(model, organization).values_list("pk", flat=True))
        for model in owners()
    }
