"""The form of what a provider agreed to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Final

from django.urls import reverse

from portal.core.errors import FieldError, Invalid
from portal.providers.models import Subscription
from portal.scorecard.models import ServiceLevels
from portal.scorecard.services import SECONDS, LevelValues
from portal.web.frame import Frame
from portal.web.settings.navigation import SettingsPage
from portal.web.settings.policy_page import MAX_TYPED, TypedField

AVAILABILITY: Final = "availability"
WORDS: Final = {
    "accept_within_s": (
        "Accepts within, in seconds",
        "From the first message sent until it confirms the request. Empty: not agreed.",
    ),
    "filter_within_s": (
        "Filters within, in seconds",
        "From the first message sent until it reports that it drops attack traffic.",
    ),
    "stop_within_s": (
        "Stops within, in seconds",
        "From the withdrawal until it reports that it has stopped.",
    ),
    AVAILABILITY: (
        "Availability of the session, in percent",
        "Such as 99.9. Time without a session because of the portal itself does not count.",
    ),
}
"""The label and the hint of each field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelsForm:
    """What was typed, by the name of the column."""

    typed: Mapping[str, str]
    errors: Sequence[FieldError] = ()

    def error(self, name: str) -> str:
        own = (one.message for one in self.errors if one.field == name.removesuffix("_s"))
        return next(own, "")

    def values(self) -> LevelValues:
        """Raises Invalid with every text that is no number, and every other wrong value."""
        seconds: dict[str, int | None] = {}
        errors = []
        for name in SECONDS:
            text = self.typed[name]
            seconds[name] = int(text) if _is_whole(text) else None
            if text and seconds[name] is None:
                words = f"“{text}” is not a whole number of seconds."
                errors.append(FieldError(name.removesuffix("_s"), "not-a-number", words))
        text = self.typed[AVAILABILITY].removesuffix("%").strip().replace(",", ".")
        is_percent = re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text, re.ASCII)
        if text and not is_percent:
            words = f"“{self.typed[AVAILABILITY]}” is not a percentage, such as 99.9."
            errors.append(FieldError(AVAILABILITY, "not-a-number", words))
        percent = Decimal(text) if is_percent else None
        values = LevelValues(**seconds, availability=percent)
        errors += values.problems()
        if errors:
            raise Invalid("Nothing was saved.", errors=errors)
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelsPage(SettingsPage):
    """The form of the service levels of one provider."""

    template: ClassVar = "scorecard/levels.html"
    tab: ClassVar = "providers"

    name: str
    fields: Sequence[TypedField]
    back: str
    is_admin: bool = True
    error: str
    "that nothing was saved; empty: nothing is wrong"


def levels_page(start: Frame, subscription: Subscription, form: LevelsForm) -> LevelsPage:
    wrong = len(form.errors)
    return LevelsPage(
        frame=start,
        title="Service levels",
        name=subscription.provider.name,
        fields=[
            TypedField(
                name=name, label=label, hint=hint, value=form.typed[name], error=form.error(name)
            )
            for name, (label, hint) in WORDS.items()
        ],
        back=reverse(
            "connections:provider", args=[start.organization.slug, subscription.provider_id]
        ),
        error=""
        if not wrong
        else f"Nothing was saved. Correct {'one thing' if wrong == 1 else f'{wrong} things'}.",
    )


def saved_form(subscription: Subscription) -> LevelsForm:
    row = ServiceLevels.objects.filter(pk=subscription.pk).first()
    values = LevelValues.of(row)
    typed = {name: _text(getattr(values, name)) for name in WORDS}
    return LevelsForm(typed=typed)


def typed_form(post: Mapping[str, str]) -> LevelsForm:
    return LevelsForm(typed={name: post.get(name, "").strip()[:MAX_TYPED] for name in WORDS})


def _text(value: int | Decimal | None) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return "" if value is None else str(value)


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal()
