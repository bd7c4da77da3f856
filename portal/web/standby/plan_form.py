"""The values typed into the form of a plan: a name, and the fields of a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.http import QueryDict

from portal.core.errors import FieldError
from portal.mitigations.resubmission import resubmission
from portal.standby.models import StandbyPlan
from portal.web.requests.request_form import InputError, RequestForm

MAX_TYPED_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanForm:
    """The current form: every typed value is kept."""

    name: str
    request_form: RequestForm
    name_errors: tuple[InputError, ...] = ()

    @classmethod
    def fresh(cls, *, lifetime_s: int) -> PlanForm:
        return cls(name="", request_form=RequestForm.fresh(lifetime_s=lifetime_s))

    @classmethod
    def of(cls, plan: StandbyPlan) -> PlanForm:
        """A form filled with what the plan asks for."""
        request = plan.request
        resources = {one.pk for one in request.resources.all()}
        request_form = RequestForm.filled(resubmission(request, resources=resources))
        return cls(
            name=plan.name,
            request_form=replace(
                request_form, subscriptions=tuple(map(str, request.subscriptions))
            ),
        )

    @classmethod
    def typed(cls, data: QueryDict) -> PlanForm:
        return cls(name=data.get("name", "")[:MAX_TYPED_NAME], request_form=RequestForm.typed(data))

    def fixed(self, fix: str) -> PlanForm:
        return replace(self, request_form=self.request_form.fixed(fix))

    def with_request_form(self, request_form: RequestForm) -> PlanForm:
        return replace(self, request_form=request_form)

    def with_errors(self, errors: Sequence[FieldError]) -> PlanForm:
        own = [error for error in errors if error.field == "name"]
        others = [error for error in errors if error.field != "name"]
        return replace(
            self,
            name_errors=tuple(InputError("name", error.message) for error in own),
            request_form=self.request_form.with_errors(others),
        )

    @property
    def errors(self) -> tuple[InputError, ...]:
        """In the order of the page."""
        return (*self.name_errors, *self.request_form.errors)
