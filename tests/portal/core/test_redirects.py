from __future__ import annotations

import pytest
from django.http import HttpResponseRedirect
from hypothesis import given
from hypothesis import strategies as st

from portal.core.redirects import MAX_PATH_LENGTH, local_path

ODD = [
    "",
    "x",
    "accounts:sign-in",
    "now:home",
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "/\t/evil.example",
    "\\\\evil.example",
    "javascript:alert(1)",
    "/a\r\nSet-Cookie: b=c",
    "/\0",
    "/\ud800",
    "http://[",
    "///",
    "/" + "a" * MAX_PATH_LENGTH,
]


@pytest.mark.parametrize("wished", ODD)
def test_a_redirect_off_this_site_becomes_the_default(wished: str) -> None:
    assert local_path(wished, default="/") == "/"


@pytest.mark.parametrize("wished", ["/", "/organizations/acme/?page=2#h", "/grüße?q=%00", "/a:b"])
def test_a_path_on_this_site_is_unchanged(wished: str) -> None:
    assert local_path(wished, default="/other") == wished


@given(st.one_of(st.text(), st.text().map("/".__add__), st.sampled_from(ODD)))
def test_any_text_gives_a_redirect_within_this_site(wished: str) -> None:
    location = HttpResponseRedirect(local_path(wished, default="/"))["Location"]

    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
    assert "\n" not in location
