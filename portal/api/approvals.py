"""`organizations/{slug}/approvals`: requests that wait for a second person, and their decision."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.authentication import actor_of, membership_of, require_fresh_factor
from portal.api.fields import StrictSerializer, Text
from portal.api.pagination import OldestFirst, page_of
from portal.api.request_shown import RequestShown
from portal.api.requests import reread, shown_request
from portal.api.schema import CURSOR, LIMIT, page_schema
from portal.mitigations import queries, services
from portal.mitigations.access import request_for
from portal.mitigations.models import MitigationRequest
from portal.mitigations.models.approval import MAX_APPROVAL_REASON_LENGTH
from portal.mitigations.services.approvals import MIN_BREAK_GLASS_REASON
from portal.mitigations.states import RequestStatus
from portal.organizations.models import Role

_DIGEST_LENGTH = 64


def _preview() -> Text:
    return Text(
        max_length=_DIGEST_LENGTH,
        allow_blank=True,
        required=False,
        help_text="`approval.preview`, or `preview` of the 409 `preview-changed`, as you saw it.",
    )


class Approving(StrictSerializer):
    preview = _preview()


class Declining(StrictSerializer):
    reason = Text(max_length=MAX_APPROVAL_REASON_LENGTH)


class BreakingGlass(StrictSerializer):
    reason = Text(
        max_length=MAX_APPROVAL_REASON_LENGTH,
        help_text=f"At least {MIN_BREAK_GLASS_REASON} characters.",
    )
    preview = _preview()


class ApprovalsView(APIView):
    @extend_schema(
        operation_id="list_approvals",
        responses=page_schema(RequestShown),
        parameters=[CURSOR, LIMIT],
    )
    def get(self, request: Request, slug: str) -> Response:
        """The requests that wait for approval, oldest first."""
        membership = membership_of(request, slug, Role.OPERATOR)
        waiting = queries.requests(membership.organization).filter(
            status=RequestStatus.AWAITING_APPROVAL
        )
        return page_of(waiting, RequestShown, OldestFirst(), request, self)


class _DecisionView(APIView):
    """One decision about a request that waits."""

    def found(self, request: Request, slug: str, request_id: UUID, role: Role) -> MitigationRequest:
        """The request. NotAllowed below `role`, FreshFactorRequired without a fresh factor."""
        membership = membership_of(request, slug, role)
        found = request_for(membership, request_id)
        require_fresh_factor(request)
        return found

    def answer(self, decided: MitigationRequest) -> Response:
        return shown_request(reread(decided.organization, decided.pk), status=202)


class ApproveView(_DecisionView):
    @extend_schema(
        operation_id="approve_mitigation_request",
        request=Approving,
        responses={202: RequestShown},
    )
    def post(self, request: Request, slug: str, request_id: UUID) -> Response:
        """Send a request that waits, as a second person. Needs the role approver or admin, and a
        fresh second factor.

        409 `preview-changed` if it would send something else than when it was submitted: the
        answer has `before`, `after` and the new `preview`. Nothing was sent; name that preview to
        approve what `after` says. 409 `already-decided` or `approval-expired` if it does not wait
        any more, 403 `not-your-own` for the person who asked for it.
        """
        found = self.found(request, slug, request_id, Role.APPROVER)
        read = Approving.of(request).validated_data
        services.approve(request_id=found.pk, actor=actor_of(request), seen=read.get("preview", ""))
        return self.answer(found)


class DeclineView(_DecisionView):
    @extend_schema(
        operation_id="decline_mitigation_request",
        request=Declining,
        responses={202: RequestShown},
    )
    def post(self, request: Request, slug: str, request_id: UUID) -> Response:
        """End a request that waits; nothing is sent. As `approve` otherwise."""
        found = self.found(request, slug, request_id, Role.APPROVER)
        read = Declining.of(request).validated_data
        services.decline(request_id=found.pk, actor=actor_of(request), reason=read["reason"])
        return self.answer(found)


class BreakGlassView(_DecisionView):
    @extend_schema(
        operation_id="break_glass",
        request=BreakingGlass,
        responses={202: RequestShown},
    )
    def post(self, request: Request, slug: str, request_id: UUID) -> Response:
        """Send a request that waits at once, without approval. Every admin gets a mail, and the
        reason stays on the request. Needs the role operator and a fresh second factor. 409
        `preview-changed` as for `approve`.
        """
        found = self.found(request, slug, request_id, Role.OPERATOR)
        read = BreakingGlass.of(request).validated_data
        services.break_glass(
            request_id=found.pk,
            actor=actor_of(request),
            reason=read["reason"],
            seen=read.get("preview", ""),
        )
        return self.answer(found)
