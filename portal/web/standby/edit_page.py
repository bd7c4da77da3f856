"""The form of a new plan, or of a plan to change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from portal.organizations.models import Membership, Organization
from portal.standby import services
from portal.standby.models import StandbyPlan
from portal.web.frame import frame
from portal.web.rendering import FramedPage
from portal.web.requests.form_page import Choices, choices_of
from portal.web.requests.request_form import RequestForm
from portal.web.standby.plan_form import PlanForm


def with_all_errors(
    organization: Organization, form: PlanForm, plan: StandbyPlan | None = None
) -> PlanForm:
    """Everything that is wrong, whether it could be read or not."""
    submission, unread = form.request_form.submission()
    name = form.name.strip()
    found = services.problems(
        organization,
        name=None if plan is not None and name == plan.name else name,
        submission=submission,
        but=plan,
    )
    return form.with_errors([*unread, *map(form.request_form.as_typed, found)])


@dataclass(frozen=True, slots=True, kw_only=True)
class EditPage(FramedPage):
    """The form, and its errors."""

    template: ClassVar = "standby/edit.html"

    plan: StandbyPlan | None
    plan_form: PlanForm
    form: RequestForm
    choices: Choices
    is_refused: bool


def edit_page(
    membership: Membership,
    form: PlanForm,
    now: datetime,
    *,
    plan: StandbyPlan | None = None,
    is_refused: bool = False,
) -> EditPage:
    return EditPage(
        frame=frame(membership, now),
        here="standby",
        plan=plan,
        plan_form=form,
        form=form.request_form,
        choices=choices_of(membership.organization, form.request_form, now),
        is_refused=is_refused,
    )
