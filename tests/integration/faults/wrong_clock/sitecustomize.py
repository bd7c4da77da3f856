"""Shift the date of a Python process by the seconds in a file. Python imports this first if it is
on PYTHONPATH.

Only the date: the clocks that measure time continue, as they do when an administrator or NTP sets a
machine's date. (libfaketime cannot do that with Python 3.11, whose sleeps end at a time of the
monotonic clock.)
"""

from __future__ import annotations

import datetime as module
import os
import time
from datetime import datetime as real_datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519

_FILE = os.environ["WRONG_CLOCK_FILE"]
_READ_EVERY_S = 0.2
_real_time = time.time
_read_at, _offset_s = float("-inf"), 0.0


def _offset() -> float:
    global _read_at, _offset_s
    now = time.monotonic()
    if now - _read_at > _READ_EVERY_S:
        _read_at = now
        with open(_FILE, encoding="ascii") as file:
            _offset_s = float(file.read() or 0)
    return _offset_s


def _time() -> float:
    return _real_time() + _offset()


class _Kind(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, real_datetime)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, real_datetime)

    def __call__(cls, *arguments: Any, **options: Any) -> Any:
        return real_datetime.__new__(real_datetime, *arguments, **options)


class datetime(real_datetime, metaclass=_Kind):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return real_datetime.now(tz) + module.timedelta(seconds=_offset())

    @classmethod
    def utcnow(cls) -> Any:
        return cls.now(module.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls) -> Any:
        return cls.now()


def _show_cryptography_the_real_class() -> None:
    """It looks the class up with the first certificate, and takes no other one."""
    now = real_datetime.now(module.UTC)
    builder = x509.CertificateBuilder(x509.Name([]), x509.Name([]))
    key = ed25519.Ed25519PrivateKey.generate()
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder.not_valid_before(now).not_valid_after(now).sign(key, None)


_show_cryptography_the_real_class()
time.time = _time
module.datetime = datetime  # type: ignore[misc]
