"""The control interface: HTTP on loopback, for operators, tests and demonstrations."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dots_client import MitigationStatus
from dots_client.server import STATUS_LABELS, UINT32
from dots_server.targets import Entitlement
from provider_simulator.behaviour import BehaviourError
from provider_simulator.gateway_server import GatewayServer
from provider_simulator.provider_server import ProviderServer
from provider_simulator.request_log import RequestLog

MAX_DIGITS: Final = 18
"""Digits of a number in a query; `int` raises for more than 4,300."""


def control_app(signal: ProviderServer, *, name: str) -> Starlette:
    """The interface to one provider."""

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok", "name": name, "signal_port": signal.port})

    async def state(_request: Request) -> Response:
        return JSONResponse(signal.provider.state(now=signal.now()))

    async def behaviour(request: Request) -> Response:
        if request.method == "POST":
            try:
                signal.behave(signal.provider.behaviour.changed(await _body(request)))
            except BehaviourError as error:
                return _refusal(str(error))
        return JSONResponse(signal.provider.behaviour.as_json())

    async def set_status(request: Request) -> Response:
        try:
            status, retry_timer_s = _decision(await _body(request))
        except BehaviourError as error:
            return _refusal(str(error))
        cuid, mid, at = request.path_params["cuid"], request.path_params["mid"], signal.now()
        if not signal.set_status(cuid, mid, status, retry_timer_s=retry_timer_s):
            return JSONResponse({"error": f"{cuid} has no mitigation {mid}"}, status_code=404)
        return JSONResponse({"cuid": cuid, "mid": mid, "status": int(status), "at": at})

    async def agree(request: Request) -> Response:
        try:
            entitlement = _entitlement(await _body(request))
        except BehaviourError as error:
            return _refusal(str(error))
        signal.provider.agree(request.path_params["client"], entitlement)
        return JSONResponse({})

    async def lose(request: Request) -> Response:
        signal.lose(request.path_params["client"])
        return JSONResponse({})

    async def crash(_request: Request) -> Response:
        signal.crash()
        return JSONResponse({})

    async def forget(_request: Request) -> Response:
        signal.forget()
        return JSONResponse({})

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/state", state),
            Route("/requests", _requests_of(signal.requests)),
            Route("/behaviour", behaviour, methods=["GET", "POST"]),
            Route("/mitigations/{cuid}/{mid:int}/status", set_status, methods=["POST"]),
            Route("/clients/{client}", agree, methods=["POST"]),
            Route("/clients/{client}/lose", lose, methods=["POST"]),
            Route("/crash", crash, methods=["POST"]),
            Route("/forget", forget, methods=["POST"]),
        ]
    )


def gateway_app(signal: GatewayServer) -> Starlette:
    """The interface to one gateway: its state and the requests that came through it."""

    async def healthz(_request: Request) -> Response:
        return JSONResponse(
            {"status": "ok", "name": signal.gateway.name, "signal_port": signal.port}
        )

    async def state(_request: Request) -> Response:
        return JSONResponse(signal.state())

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/state", state),
            Route("/requests", _requests_of(signal.requests)),
        ]
    )


def _requests_of(log: RequestLog) -> Callable[[Request], Awaitable[Response]]:
    async def requests(request: Request) -> Response:
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdigit() and len(after) <= MAX_DIGITS):
            return _refusal(f"after must be a number, not {after!r}")
        found = log.after(int(after))
        return JSONResponse({"last": log.count, "requests": found})

    return requests


class ControlServer(uvicorn.Server):
    """uvicorn without signal handlers: the simulator has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def control_server(app: Starlette) -> ControlServer:
    return ControlServer(
        uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
    )


async def _body(request: Request) -> Any:
    try:
        return await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BehaviourError(f"the body is not JSON: {error}") from error


def _entitlement(body: Any) -> Entitlement:
    """What a client may request protection for: prefixes, names and URIs."""
    if not isinstance(body, list) or not all(isinstance(one, str) for one in body):
        raise BehaviourError("the body must be a list of prefixes, names and URIs")
    try:
        return Entitlement.of(body)
    except ValueError as error:
        raise BehaviourError(str(error)) from error


def _decision(body: Any) -> tuple[MitigationStatus, int | None]:
    """The status that an operator sets, and the retry-timer of a conflict behind status 7."""
    wanted = body if isinstance(body, dict) else {}
    status, retry_timer_s = wanted.get("status"), wanted.get("retry_timer_s")
    if status in STATUS_LABELS:
        status = STATUS_LABELS.index(status) + 1
    if type(status) is not int or not 1 <= status <= len(STATUS_LABELS):
        raise BehaviourError(f"status must be a number from 1 to {len(STATUS_LABELS)}")
    if retry_timer_s is None:
        return MitigationStatus(status), None
    if type(retry_timer_s) is not int or not 0 <= retry_timer_s <= UINT32:
        raise BehaviourError(f"retry_timer_s must be a number from 0 to {UINT32}")
    if status != MitigationStatus.WITHDRAWN:
        raise BehaviourError(f"retry_timer_s goes with status {int(MitigationStatus.WITHDRAWN)}")
    return MitigationStatus.WITHDRAWN, retry_timer_s


def _refusal(reason: str) -> Response:
    return JSONResponse({"error": reason}, status_code=400)
