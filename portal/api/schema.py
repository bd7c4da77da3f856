"""The document of the API, and a plain page that shows it."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from django.conf import settings
from django.http import HttpResponse
from django.template.loader import render_to_string
from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from portal.api import pagination
from portal.core.context_processors import installation
from portal.core.problem import CONTENT_TYPE
from portal.core.run_once import run_once
from portal.core.targets import Code
from portal.organizations.models import MAX_KEY_LENGTH

IDEMPOTENCY_KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "maxLength": MAX_KEY_LENGTH},
    OpenApiParameter.HEADER,
    description="Repeating the same key and body returns the first answer.",
)

CURSOR: Final = OpenApiParameter(
    pagination.CURSOR,
    {"type": "string", "pattern": "^[A-Za-z0-9+/]+={0,2}$"},
    description="The cursor in a next or previous link.",
)
LIMIT: Final = OpenApiParameter(
    pagination.LIMIT,
    {
        "type": "integer",
        "minimum": 1,
        "maximum": pagination.MAX_PAGE_SIZE,
        "default": pagination.PAGE_SIZE,
    },
    description="Page size.",
)

_LIST_OF_TEXT: Final[dict[str, Any]] = {"type": "array", "items": {"type": "string"}}
_FIX: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["label", "value", "targets", "ports", "protocols"],
    "properties": {
        "label": {"type": "string", "description": "The button’s label, for people."},
        "value": {
            "type": "string",
            "description": (
                "What to write instead; commas separate several values. Empty: leave it out."
            ),
        },
        "targets": {
            "type": "object",
            "description": "What to request in place of a wrong target, in the lists of a request.",
            "properties": dict.fromkeys(("prefixes", "fqdns", "uris"), _LIST_OF_TEXT),
        },
        "ports": {
            "type": "array",
            "description": (
                "What to use in place of a wrong range; beside a target, what to add to ports, "
                "which hold for all targets."
            ),
            "items": {"$ref": "#/components/schemas/PortsShown"},
        },
        "protocols": {
            "type": "array",
            "description": "What to add to protocols.",
            "items": {"type": "integer"},
        },
    },
}

_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "errors"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For people."},
        "code": {"type": "string", "description": "For programs. Stable."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "message"],
                "properties": {
                    "field": {"type": "string", "example": "targets.prefixes.0"},
                    "code": {
                        "type": "string",
                        "description": "For programs. Stable. "
                        "For a target, port or protocol, one of: "
                        f"{', '.join(sorted(Code))}, not-verified.",
                    },
                    "message": {"type": "string"},
                    "fixes": {
                        "type": "array",
                        "description": ("Alternatives to the wrong value; choose one."),
                        "items": {"$ref": "#/components/schemas/Fix"},
                    },
                },
            },
        },
        "replaces": {
            "type": "array",
            "description": (
                "With `would-replace`: all live requests and unknown "
                "mitigations that would be replaced."
            ),
            "items": {"$ref": "#/components/schemas/ReplacedShown"},
        },
        "limit": {"type": "integer", "description": "With `quota-…`: the limit that is reached."},
        "live": {
            "type": "integer",
            "description": "With `quota-…`: how many requests are live and not ending.",
        },
        "ending": {
            "type": "integer",
            "description": "With `quota-…`: how many requests are still ending.",
        },
    },
}


@cache
def page_schema(shown: type[serializers.BaseSerializer[Any]]) -> serializers.Serializer[Any]:
    """The schema of one page of a list."""
    return inline_serializer(
        f"{shown.__name__.removesuffix('Shown')}Page",
        {
            "next": serializers.URLField(allow_null=True),
            "previous": serializers.URLField(allow_null=True),
            "results": shown(many=True),
        },
    )


def idempotency_key(request: Request) -> str:
    return request.headers.get("Idempotency-Key", "")


def describe_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add a problem answer to every call."""
    result["components"]["schemas"] |= {"Problem": _PROBLEM, "Fix": _FIX}
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = {"description": "A problem", "content": content}
            if "409" in operation["responses"]:
                operation["responses"]["409"]["content"] = content
    return result


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "portal.api.authentication.BearerToken"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "portal.api.authentication.VerifiedSession"
    name = "page"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class TextType(OpenApiSerializerFieldExtension):
    target_class = "portal.api.fields.Text"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        bounds: dict[str, Any] = {"type": "string", "maxLength": self.target.max_length}
        # At least one character other than a space.
        return bounds if self.target.allow_blank else {**bounds, "minLength": 1, "pattern": r"\S"}


class ChoiceType(OpenApiSerializerFieldExtension):
    target_class = "portal.api.fields.Choice"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return {"type": "string", "enum": self.target.choices}


class WholeNumberType(OpenApiSerializerFieldExtension):
    target_class = "portal.api.fields.WholeNumber"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.target.at_least, "maximum": self.target.at_most}


class PercentType(OpenApiSerializerFieldExtension):
    target_class = "portal.api.fields.Percent"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return {"type": "number", "exclusiveMinimum": 0, "maximum": 100}


class SeveralType(OpenApiSerializerFieldExtension):
    target_class = "portal.api.fields.Several"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        inner = auto_schema._map_serializer_field(self.target.child, direction)
        return {"type": "array", "items": inner, "maxItems": self.target.limit}


class StrictObject(OpenApiSerializerExtension):
    target_class = "portal.api.fields.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        shape: dict[str, Any] = auto_schema._map_serializer(
            self.target, direction, bypass_extensions=True
        )
        return {**shape, "additionalProperties": False}


class ProtocolType(OpenApiSerializerFieldExtension):
    target_class = "portal.api.fields.Protocol"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        by_name = {"type": "string", "example": "tcp"}
        return {"oneOf": [{"type": "integer", "minimum": 0, "maximum": 255}, by_name]}


class YesNoType(OpenApiSerializerFieldExtension):
    target_class = "portal.api.fields.YesNo"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return {"type": "boolean"}


class IdentifierType(OpenApiSerializerFieldExtension):
    target_class = "portal.api.fields.Identifier"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return {"type": "string", "format": "uuid"}


class InstantType(OpenApiSerializerFieldExtension):
    target_class = "portal.api.fields.Instant"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


@run_once
def document() -> dict[str, Any]:
    """Generate the whole document, which takes a fifth of a second."""
    built: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return built


@run_once
def _as_yaml() -> bytes:
    rendered: bytes = OpenApiYamlRenderer().render(document(), renderer_context={})
    return rendered


@run_once
def _as_json() -> bytes:
    rendered: bytes = OpenApiJsonRenderer().render(document(), renderer_context={})
    return rendered


@run_once
def _calls_shown() -> str:
    return render_to_string("api/_calls.html", {"calls": _calls(document())})


class SchemaView(APIView):
    """The document for programs: YAML, or JSON on request. The same for every caller."""

    authentication_classes = []
    permission_classes = [AllowAny]
    renderer_classes = [
        OpenApiYamlRenderer,
        OpenApiYamlRenderer2,
        OpenApiJsonRenderer,
        OpenApiJsonRenderer2,
    ]
    schema = None

    def get(self, request: Request) -> HttpResponse:
        accepted = request.accepted_renderer
        is_json = isinstance(accepted, OpenApiJsonRenderer)
        return HttpResponse(_as_json() if is_json else _as_yaml(), content_type=accepted.media_type)


class DocsView(APIView):
    """The document, readable without JavaScript."""

    authentication_classes = []
    permission_classes = [AllowAny]
    schema = None

    def get(self, request: Request) -> HttpResponse:
        context = {"calls": _calls_shown(), "info": document()["info"], **installation()}
        return HttpResponse(render_to_string("api/docs.html", context))

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:  # noqa: FBT001, FBT002 — the framework's signature
        """Render a page, whatever the browser accepts; errors are JSON."""
        return super().perform_content_negotiation(request, force=True)


def _calls(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "method": method.upper(),
            "path": path,
            "about": operation.get("description", ""),
            "parameters": operation.get("parameters", []),
            "body": _schema_name(operation.get("requestBody", {}).get("content", {})),
            "answers": [
                {
                    "status": status,
                    "about": answer.get("description", ""),
                    "schema": _schema_name(answer.get("content", {})),
                }
                for status, answer in operation["responses"].items()
            ],
        }
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def _schema_name(content: dict[str, Any]) -> str:
    for body in content.values():
        return str(body.get("schema", {}).get("$ref", "")).rpartition("/")[2]
    return ""
