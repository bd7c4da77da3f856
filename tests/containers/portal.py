"""The portal in containers, seen from outside: an HTTP client that acts like a browser, and the
operator's commands.
"""

from __future__ import annotations

import os
import re
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from local_stack.installation import one_time_code

CALL_TIMEOUT_S = 15.0
SCRIPT_TIMEOUT_S = 600.0
PROJECT = "ddos-mitigation-portal"


class Portal:
    """A client that signs in over HTTPS through the proxy, like a browser, and calls the API with
    the same session.
    """

    def __init__(self, url: str, root_certificate: str) -> None:
        self._client = httpx.Client(
            base_url=url,
            verify=ssl.create_default_context(cadata=root_certificate),
            timeout=CALL_TIMEOUT_S,
            headers={"Referer": url + "/"},
        )
        self._factor = ""

    def sign_in_for_the_first_time(self, username: str, password: str, own: str) -> None:
        """Sign in with the password that the operator set, set up a second factor with the key that
        the page shows, and choose a password of the own.
        """
        self._page("/sign-in")
        self._send("/sign-in", username=username, password=password)
        page = self._page("/enrol")
        found = re.search(r'class="mono key">([A-Z2-7 ]+)<', page)
        assert found, page
        self._factor = found[1].replace(" ", "")
        assert "recovery codes" in self._send("/enrol", code=one_time_code(self._factor)[0])
        self._send("/enrol/recovery-codes", saved="yes")
        self._page("/me/password")
        self._send("/me/password", current_password=password, new_password=own)

    def sign_in(self, username: str, password: str) -> None:
        """With the second factor of the first time.

        A code works only once, so the previous one must be half a minute old.
        """
        self._page("/sign-in")
        self._send("/sign-in", username=username, password=password)
        self._send("/sign-in/code", code=one_time_code(self._factor)[0])

    def is_signed_out(self) -> bool:
        answer = self._client.get("/api/v1/organizations/acme/subscriptions")
        return answer.status_code in (401, 403)

    def get(self, path: str) -> Any:
        return self._done(self._client.get(f"/api/v1/{path}"))

    def post(self, path: str, body: Any = None) -> Any:
        headers = {"X-CSRFToken": self._token()}
        return self._done(self._client.post(f"/api/v1/{path}", json=body or {}, headers=headers))

    def _page(self, path: str) -> str:
        answer = self._client.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.headers}"
        return answer.text

    def _send(self, path: str, **fields: str) -> str:
        answer = self._client.post(path, data={"csrfmiddlewaretoken": self._token(), **fields})
        assert answer.status_code in (200, 302), f"{path}: {answer.status_code} {answer.text}"
        return answer.text

    def _token(self) -> str:
        [token] = [cookie.value for cookie in self._client.cookies.jar if "csrf" in cookie.name]
        assert token
        return token

    def _done(self, answer: httpx.Response) -> Any:
        assert answer.is_success, f"{answer.request.url}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None


class Containers:
    """An operator's commands in the folder of an installation."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self._environment = {**os.environ, **environment}

    def script(self, name: str, *arguments: str, fails: bool = False, **environment: str) -> str:
        """Run scripts/NAME and return its output."""
        done = self._run(f"scripts/{name}", *arguments, **environment)
        printed = done.stdout + done.stderr
        assert (done.returncode != 0) is fails, f"scripts/{name}: {done.returncode}\n{printed}"
        return printed

    def podman(self, *arguments: str) -> str:
        done = self._run("podman", *arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def of(self, service: str) -> str:
        """The id of a service's container."""
        label = f"label=com.docker.compose.service={service}"
        [container] = self.podman("ps", "--all", "--quiet", "--filter", label).split()
        return container

    def run_in(self, service: str, *command: str) -> str:
        return self.podman("exec", self.of(service), *command)

    def _run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self._environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SCRIPT_TIMEOUT_S,
        )
