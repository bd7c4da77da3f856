from __future__ import annotations

import pytest

from portal.alerts.mapping import AlertSource
from portal.alerts.pollers import POLLERS
from portal.alerts.setup import HIDDEN, setup_steps

URL = "https://portal.example/api/v1/alerts/1"


@pytest.mark.parametrize("source", [one for one in AlertSource if one not in POLLERS])
@pytest.mark.parametrize("is_signed", [False, True])
def test_the_setup_of_each_source_names_the_address_and_the_secret(
    source: AlertSource, is_signed: bool
) -> None:
    steps = setup_steps(source, url=URL, secret="s3cret", is_signed=is_signed)
    code = "\n".join(step.code for step in steps)

    assert (URL in code, "s3cret" in code) == (True, True)
    assert "@" not in code.replace("--data-binary @-", "")
    assert all(step.words.endswith((":", ".")) for step in steps)


@pytest.mark.parametrize("source", sorted(POLLERS))
def test_the_setup_of_a_polled_source_names_no_secret_for_calls(source: AlertSource) -> None:
    steps = setup_steps(source, url=URL, secret="s3cret")

    assert not any(URL in step.code or "s3cret" in step.code for step in steps)
    assert all(step.words.endswith((":", ".")) for step in steps)


def test_a_step_keeps_the_lines_and_the_indentation_of_its_code() -> None:
    first, labels = setup_steps(AlertSource.ALERTMANAGER, url=URL)

    assert first.code.splitlines()[:3] == [
        "receivers:", "  - name: portal", "    webhook_configs:",
    ]  # fmt: skip
    assert first.code.endswith(f"credentials: {HIDDEN}")
    assert labels.code.startswith("labels:\n  dots_target_prefix:")


def test_blank_lines_within_code_stay_in_it() -> None:
    log, last = setup_steps(AlertSource.NGINX, url=URL)

    assert "\n\n[sinks.portal]" in log.code
    assert (last.code, last.words[:9]) == ("", "Say below")
