"""What limits the traffic to the targets: ports and protocols."""

from __future__ import annotations

from typing import Final

from portal.core.errors import Fix
from portal.core.targets import MAX_PORT, PortRange, Suggestion
from portal.core.wording.targets import port_text
from portal.mitigations.validation.submission import Errors, Submission

MAX_PORT_RANGES: Final = 32
MAX_PROTOCOLS: Final = 32


def checked_ports(submission: Submission, errors: Errors) -> tuple[PortRange, ...]:
    if len(submission.ports) > MAX_PORT_RANGES:
        errors.add(
            "ports",
            "too-many",
            f"{len(submission.ports):,} port ranges are too many: at most {MAX_PORT_RANGES}.",
        )
        return ()
    ports: dict[int, int] = {}
    "upper by lower port: providers keep a list with the lower port as its key"
    for index, asked in enumerate(submission.ports):
        lower, upper = asked.lower, asked.upper
        if not 0 <= lower <= MAX_PORT or not 0 <= upper <= MAX_PORT:
            wrong = lower if not 0 <= lower <= MAX_PORT else upper
            errors.add(
                f"ports.{index}", "out-of-range", f"{wrong} is not a port: write 0 to {MAX_PORT}."
            )
        elif lower > upper:
            turned = PortRange(upper, lower)
            text = port_text(turned)
            errors.add(
                f"ports.{index}",
                "upside-down",
                f"The range {lower}–{upper} is reversed. Write {text}.",
                fixes=(Fix(f"Use {text}", text, Suggestion(ports=(turned,))),),
            )
        elif ports.setdefault(lower, upper) != upper:
            message, fix = _same_start(asked, before=PortRange(lower, ports[lower]))
            errors.add(f"ports.{index}", "repeated", message, fixes=(fix,))
    return tuple(PortRange(lower, upper) for lower, upper in sorted(ports.items()))


def _same_start(asked: PortRange, *, before: PortRange) -> tuple[str, Fix]:
    """A request cannot have two ranges that start at the same port: what to write instead of the
    second.
    """
    first, second = port_text(before), port_text(asked)
    if asked.upper < before.upper:
        fix = Fix(label=f"Leave out {second}", value="")
        return f"{second} is already part of {first}. Leave it out.", fix
    rest = PortRange(before.upper + 1, asked.upper)
    text = port_text(rest)
    message = f"{second} begins at the same port as {first}. Write {text} instead."
    return message, Fix(f"Use {text}", text, Suggestion(ports=(rest,)))


def checked_protocols(submission: Submission, errors: Errors) -> tuple[int, ...]:
    if len(submission.protocols) > MAX_PROTOCOLS:
        errors.add("protocols", "too-many", f"At most {MAX_PROTOCOLS} protocols fit one request.")
        return ()
    for index, protocol in enumerate(submission.protocols):
        if not 0 <= protocol <= 255:
            errors.add(
                f"protocols.{index}",
                "out-of-range",
                f"{protocol} is not a protocol number: write 0 to 255, such as 6 for TCP.",
            )
    return tuple(sorted({one for one in submission.protocols if 0 <= one <= 255}))
