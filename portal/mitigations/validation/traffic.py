"""What narrows the traffic to the targets: ports and protocols."""

from __future__ import annotations

from typing import Final

from portal.mitigations.models import Port
from portal.mitigations.validation.submission import Errors, Submission

MAX_PORT_RANGES: Final = 32
MAX_PROTOCOLS: Final = 32


def checked_ports(submission: Submission, errors: Errors) -> list[Port]:
    if len(submission.ports) > MAX_PORT_RANGES:
        errors.add(
            "ports",
            "too-many",
            f"{len(submission.ports):,} port ranges are too many: at most {MAX_PORT_RANGES}.",
        )
        return []
    ports: set[tuple[int, int]] = set()
    for index, (lower, upper) in enumerate(submission.ports):
        if not 0 <= lower <= 65535 or not 0 <= upper <= 65535:
            wrong = lower if not 0 <= lower <= 65535 else upper
            errors.add(
                f"ports.{index}", "out-of-range", f"{wrong} is not a port: write 0 to 65535."
            )
        elif lower > upper:
            errors.add(
                f"ports.{index}",
                "upside-down",
                f"The range {lower}–{upper} is upside down. Write {upper}–{lower}.",
            )
        else:
            ports.add((lower, upper))
    return [{"lower": lower, "upper": upper} for lower, upper in sorted(ports)]


def checked_protocols(submission: Submission, errors: Errors) -> list[int]:
    if len(submission.protocols) > MAX_PROTOCOLS:
        errors.add("protocols", "too-many", f"At most {MAX_PROTOCOLS} protocols fit one request.")
        return []
    for index, protocol in enumerate(submission.protocols):
        if not 0 <= protocol <= 255:
            errors.add(
                f"protocols.{index}",
                "out-of-range",
                f"{protocol} is not a protocol number: write 0 to 255, such as 6 for TCP.",
            )
    return sorted(set(submission.protocols))
