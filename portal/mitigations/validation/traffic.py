"""What narrows the traffic to the targets: ports and protocols."""

from __future__ import annotations

from typing import Final

from portal.core.errors import Fix
from portal.core.targets import Suggestion
from portal.core.wording.targets import port_text
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
    ports: dict[int, int] = {}
    "upper by lower port: providers keep a list with the lower port as its key"
    for index, (lower, upper) in enumerate(submission.ports):
        if not 0 <= lower <= 65535 or not 0 <= upper <= 65535:
            wrong = lower if not 0 <= lower <= 65535 else upper
            errors.add(
                f"ports.{index}", "out-of-range", f"{wrong} is not a port: write 0 to 65535."
            )
        elif lower > upper:
            turned = port_text(upper, lower)
            errors.add(
                f"ports.{index}",
                "upside-down",
                f"The range {lower}–{upper} is reversed. Write {turned}.",
                fixes=(Fix(f"Use {turned}", turned, Suggestion(ports=((upper, lower),))),),
            )
        elif ports.setdefault(lower, upper) != upper:
            message, fix = _same_start(lower, upper, before=ports[lower])
            errors.add(f"ports.{index}", "repeated", message, fixes=(fix,))
    return [{"lower": lower, "upper": upper} for lower, upper in sorted(ports.items())]


def _same_start(lower: int, upper: int, *, before: int) -> tuple[str, Fix]:
    """No request can have two ranges that begin at the same port: what to write instead of the
    second.
    """
    first, second = port_text(lower, before), port_text(lower, upper)
    if upper < before:
        fix = Fix(label=f"Leave out {second}", value="")
        return f"{second} is already part of {first}. Leave it out.", fix
    rest = port_text(before + 1, upper)
    message = f"{second} begins at the same port as {first}. Write {rest} instead."
    return message, Fix(f"Use {rest}", rest, Suggestion(ports=((before + 1, upper),)))


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
    return sorted({one for one in submission.protocols if 0 <= one <= 255})
