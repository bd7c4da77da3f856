"""What people paste as a target, and the result: a target, or a code with suggestions."""

from __future__ import annotations

import pytest

from portal.core.targets import Code, Suggestion, TargetError, classify, read, split
from portal.core.wording import targets as words
from tests.portal.core.pasted_targets import PASTED


def outcome(text: str) -> str:
    try:
        return str(read(text))
    except TargetError as error:
        suggestions = " or ".join(map(as_line, error.suggestions))
        return f"{error.code}: {suggestions}" if suggestions else error.code


def is_target(expected: str) -> bool:
    return expected.partition(":")[0] not in list(Code)


def as_line(suggestion: Suggestion) -> str:
    ports = [
        f":{one.lower}" if one.lower == one.upper else f":{one.lower}-{one.upper}"
        for one in suggestion.ports
    ]
    protocols = [f"protocol {number}" for number in suggestion.protocols]
    return " ".join([*map(str, suggestion.targets), *ports, *protocols])


@pytest.mark.parametrize(("text", "expected"), PASTED)
def test_a_pasted_target_is_read_or_refused_with_a_suggestion(text: str, expected: str) -> None:
    assert outcome(text) == expected


@pytest.mark.parametrize("text", [text for text, expected in PASTED if not is_target(expected)])
def test_each_refusal_is_a_short_sentence_and_each_suggestion_can_be_read(text: str) -> None:
    with pytest.raises(TargetError) as caught:
        read(text)

    sentence, fixes = words.sentence(caught.value), words.fixes(caught.value)
    assert sentence.isprintable()
    assert len(sentence) < 260
    assert all(fix.label.isprintable() for fix in fixes)
    for target in (one for fix in fixes for one in fix.suggestion.targets):
        assert read(str(target), target.kind) == target


@pytest.mark.parametrize("text", [text for text, expected in PASTED if is_target(expected)])
def test_each_target_is_its_own_normal_form(text: str) -> None:
    target = read(text)

    assert classify(text) == target.kind
    assert read(str(target), target.kind) == target


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("203.0.113.7, 203.0.113.8;203.0.113.9", ["203.0.113.7", "203.0.113.8", "203.0.113.9"]),
        ("203.0.113.7 | shop.example", ["203.0.113.7", "shop.example"]),
        ("203.0.113.7，203.0.113.8、203.0.113.9", ["203.0.113.7", "203.0.113.8", "203.0.113.9"]),
        ("203.0.113.7\n203.0.113.8\r\n\n203.0.113.9", ["203.0.113.7", "203.0.113.8",
        "203.0.113.9"]),
        ("203.0.113.7\u00a0203.0.113.8", ["203.0.113.7", "203.0.113.8"]),
        ("203.0.113.0 255.255.255.192", ["203.0.113.0 255.255.255.192"]),
        ("a.example 203.0.113.0 0.0.0.63 b.example", ["a.example", "203.0.113.0 0.0.0.63",
        "b.example"]),
        ("203.0.113.0 mask 255.255.255.0", ["203.0.113.0 mask 255.255.255.0"]),
        ("203.0.113.4 - 203.0.113.9, a.example", ["203.0.113.4 - 203.0.113.9", "a.example"]),
        ("203.0.113.4 -203.0.113.9", ["203.0.113.4 -203.0.113.9"]),
        ("203.0.113.4- 203.0.113.9", ["203.0.113.4- 203.0.113.9"]),
        ("203.0.113.4 to 203.0.113.9", ["203.0.113.4 to 203.0.113.9"]),
        ("2001:db8::1 – 2001:db8::9", ["2001:db8::1 – 2001:db8::9"]),
        ("203[.]0[.]113[.]4 - 203[.]0[.]113[.]9", ["203[.]0[.]113[.]4 - 203[.]0[.]113[.]9"]),
        ("203.0.113.0 / 26", ["203.0.113.0 / 26"]),
        ("“203.0.113.4 – 203.0.113.9”", ["“203.0.113.4 – 203.0.113.9”"]),
        ("(203.0.113.4 - 203.0.113.9)", ["(203.0.113.4 - 203.0.113.9)"]),
        ("<203.0.113.4 to 203.0.113.9>", ["<203.0.113.4 to 203.0.113.9>"]),
        ("203.0.113.7 port 443 203.0.113.8", ["203.0.113.7 port 443", "203.0.113.8"]),
        ("203,0,113,7", ["203,0,113,7"]),
        ("- 203.0.113.4\n- 203.0.113.9", ["203.0.113.4", "203.0.113.9"]),
        # A browser pastes those two lines as one.
        ("- 203.0.113.4 - 203.0.113.9", ["203.0.113.4", "203.0.113.9"]),
        ("• 203.0.113.4 • 203.0.113.9", ["203.0.113.4", "203.0.113.9"]),
        ("1. 203.0.113.4 2. 203.0.113.9", ["203.0.113.4", "203.0.113.9"]),
        ("203.0.113.4\n203.0.113.9", ["203.0.113.4", "203.0.113.9"]),
        (" , ;", []),
    ],
)  # fmt: skip
def test_a_pasted_list_is_split_between_targets(text: str, pieces: list[str]) -> None:
    found = split(text)

    assert [piece.text for piece in found] == pieces
    assert [text[piece.start : piece.end] for piece in found] == pieces


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("prefix", "shop.acme.example", "other-kind: shop.acme.example"),
        ("fqdn", "203.0.113.7", "other-kind: 203.0.113.7/32"),
        ("uri", "shop.acme.example", "other-kind: shop.acme.example"),
        ("fqdn", "https://shop.acme.example/", "other-kind: https://shop.acme.example/"),
        ("prefix", "shop", "not-a-prefix"),
        ("uri", "shop", "not-a-uri"),
        ("fqdn", "shop", "one-label"),
        ("prefix", "203.0.113.7:443", "has-a-port: 203.0.113.7/32 :443 or 203.0.113.7/32"),
    ],
)
def test_a_target_of_another_kind_is_refused_with_the_right_field(
    kind: str, text: str, expected: str
) -> None:
    with pytest.raises(TargetError) as caught:
        read(text, kind)

    suggestions = " or ".join(map(as_line, caught.value.suggestions))
    assert (f"{caught.value.code}: {suggestions}" if suggestions else caught.value.code) == expected


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("203.0.113.4-9", ["Use 203.0.113.4/30 and 203.0.113.8/31"]),
        ("203.0.113.1-254", ["Use 203.0.113.1, 203.0.113.2/31, 203.0.113.4/30 and 11 more"]),
        ("203.0.113.7:443", ["Use 203.0.113.7 and port 443", "Use 203.0.113.7"]),
        ("tcp://203.0.113.7:80", ["Use 203.0.113.7, port 80 and TCP", "Use 203.0.113.7"]),
        ("203.0.113.7:80-90", ["Use 203.0.113.7 and ports 80–90", "Use 203.0.113.7"]),
        ("bob@faß.example", ["Use faß.example (xn--fa-hia.example)"]),
        ("203.0.113.7/24", ["Only 203.0.113.7", "All 256 of 203.0.113.0/24"]),
    ],
)
def test_a_button_says_what_it_inserts(text: str, labels: list[str]) -> None:
    with pytest.raises(TargetError) as caught:
        read(text)

    assert [fix.label for fix in words.fixes(caught.value)] == labels
