"""Notes on a request, and the person who is responsible for it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.accounts.actors import ActorKind
from portal.api.authentication import actor_of, membership_of
from portal.api.fields import ApiSerializer, StrictSerializer, Text
from portal.api.pagination import BySeq
from portal.api.request_shown import RequestShown
from portal.api.requests import reread, shown_request
from portal.api.schema import CURSOR, IDEMPOTENCY_KEY, LIMIT, idempotency_key, page_schema
from portal.events.queries import notes_of
from portal.mitigations import services
from portal.mitigations.access import request_for
from portal.mitigations.notes import Note
from portal.mitigations.services.notes import MAX_MENTIONED
from portal.mitigations.validation import MAX_NOTE_LENGTH
from portal.organizations.models import Role


class NewNote(StrictSerializer):
    text = Text(
        max_length=MAX_NOTE_LENGTH,
        help_text="Plain text. The names of members after an @ mention them, at most "
        f"{MAX_MENTIONED} in one note; any other name is text.",
    )


class NoteShown(ApiSerializer[Any]):
    id = serializers.UUIDField()
    at = serializers.DateTimeField()
    by = serializers.CharField()
    origin = serializers.ChoiceField(choices=ActorKind.choices, help_text="Who or what wrote it.")
    text = serializers.CharField()
    mentioned = serializers.ListField(
        child=serializers.UUIDField(), help_text="The ids of the members that it mentions."
    )


class NotesView(APIView):
    @extend_schema(
        operation_id="list_notes",
        responses=page_schema(NoteShown),
        parameters=[CURSOR, LIMIT],
    )
    def get(self, request: Request, slug: str, request_id: UUID) -> Response:
        """The notes on a request, oldest first. Every member may read them."""
        found = request_for(membership_of(request, slug), request_id)
        pages = BySeq()
        events = pages.paginate_queryset(notes_of([found.pk]), request, self) or []
        notes = [Note.of(event) for event in events]
        return pages.get_paginated_response(NoteShown(notes, many=True).data)

    @extend_schema(
        operation_id="add_note",
        request=NewNote,
        responses={201: NoteShown},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, slug: str, request_id: UUID) -> Response:
        """Write a note on a request, live or ended. No one can change or delete it.

        409 `too-many-notes`: the request has as many notes as it can take. 429 `throttled`: the
        person or program wrote too many within one minute.
        """
        membership = membership_of(request, slug, Role.OPERATOR)
        found = request_for(membership, request_id)
        form = NewNote.of(request)
        event = services.add_note(
            organization=membership.organization,
            request_id=found.pk,
            actor=actor_of(request),
            text=form.validated_data["text"],
            key=idempotency_key(request),
        )
        return Response(NoteShown(Note.of(event)).data, status=201)


class TakeOverView(APIView):
    @extend_schema(
        operation_id="take_over_mitigation_request", request=None, responses=RequestShown
    )
    def post(self, request: Request, slug: str, request_id: UUID) -> Response:
        """Become the person who is responsible for a request, live or ended. Everyone sees it; it
        changes nothing else. Repeating it is harmless.
        """
        membership = membership_of(request, slug, Role.OPERATOR)
        found = request_for(membership, request_id)
        services.take_over(request_id=found.pk, actor=actor_of(request))
        return shown_request(reread(membership.organization, found.pk), status=200)
