"""The resource `config`: the configuration of a session (RFC 9132 section 4.5)."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from typing import Final

from dots_client import ConfigurationSet, DecodeError, Parameter, SignalConfig
from dots_client.server import ConfigPath, decode_config_request, encode_config_report
from dots_server.messages import Request, Response, cbor, text

MAX_AGE_S: Final = 3600

LIMITS: Final = ConfigurationSet(
    heartbeat_interval=Parameter(current=30, minimum=15, maximum=240),
    missing_hb_allowed=Parameter(current=15, minimum=3, maximum=20),
    probing_rate=Parameter(current=5, minimum=5, maximum=20),
    max_retransmit=Parameter(current=3, minimum=2, maximum=15),
    ack_timeout=Parameter(
        current=Decimal("2.00"), minimum=Decimal("1.00"), maximum=Decimal("30.00")
    ),
    ack_random_factor=Parameter(
        current=Decimal("1.50"), minimum=Decimal("1.10"), maximum=Decimal("4.00")
    ),
)
"""The acceptable values, and the defaults."""

NO_HEARTBEATS: Final = 0
"""A heartbeat-interval of 0 turns heartbeats off, outside the limits."""


class ConfigResource:
    """The configuration of one session."""

    def __init__(self) -> None:
        self.sid: int | None = None
        self.config = SignalConfig(mitigating=LIMITS, idle=LIMITS)
        self.has_changed = False
        "since its observers were notified"

    def handle(self, request: Request, path: ConfigPath) -> Response:
        if request.method == "GET":
            return self._read(path)
        if request.method == "DELETE":
            return self._restore()
        return self._write(request, path)

    def report(self) -> Response:
        return cbor("2.05", encode_config_report(self.config), max_age=MAX_AGE_S)

    def news(self) -> Response:
        """The notification of a change."""
        self.has_changed = False
        return self.report()

    def _read(self, path: ConfigPath) -> Response:
        if path.sid is not None and path.sid != self.sid:
            return text("4.04", f"sid {path.sid} is not known")
        return self.report()

    def _restore(self) -> Response:
        self.sid = None
        self._hold(SignalConfig(mitigating=LIMITS, idle=LIMITS))
        return Response(code="2.02")

    def _write(self, request: Request, path: ConfigPath) -> Response:
        if path.sid is None:
            return text("4.00", "sid is missing from the path")
        if self.sid is not None and path.sid < self.sid:
            return text("4.00", f"sid {path.sid} is below {self.sid}")
        try:
            wanted = decode_config_request(request.payload)
        except DecodeError as error:
            return text("4.00", str(error))
        for values in (wanted.mitigating, wanted.idle):
            if values is not None and (refusal := _outside_limits(values)):
                return text("4.22", refusal)
        is_new = path.sid != self.sid
        self.sid = path.sid
        self._hold(SignalConfig(mitigating=_merged(wanted.mitigating), idle=_merged(wanted.idle)))
        return Response(code="2.01" if is_new else "2.04")

    def _hold(self, config: SignalConfig) -> None:
        self.has_changed = self.has_changed or config != self.config
        self.config = config


def _outside_limits(wanted: ConfigurationSet) -> str | None:
    for field in fields(ConfigurationSet):
        parameter: Parameter | None = getattr(wanted, field.name)
        limit: Parameter = getattr(LIMITS, field.name)
        if parameter is None or parameter.current is None:
            continue
        if field.name == "heartbeat_interval" and parameter.current == NO_HEARTBEATS:
            continue
        assert limit.minimum is not None
        assert limit.maximum is not None
        if not limit.minimum <= parameter.current <= limit.maximum:
            name = field.name.replace("_", "-")
            return f"{name} must be between {limit.minimum} and {limit.maximum}"
    return None


def _merged(wanted: ConfigurationSet | None) -> ConfigurationSet:
    """The wanted values with the limits beside them; the defaults for the rest."""
    if wanted is None:
        return LIMITS
    return ConfigurationSet(
        **{
            field.name: replace(getattr(LIMITS, field.name), current=parameter.current)
            if (parameter := getattr(wanted, field.name)) is not None
            else getattr(LIMITS, field.name)
            for field in fields(ConfigurationSet)
        }
    )
