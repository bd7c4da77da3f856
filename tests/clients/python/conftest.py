from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.python.stub import Stub, serving, sign_in


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as stub:
        yield stub


@pytest.fixture
def signed_in(stub: Stub, tmp_path: Path) -> Path:
    """The configuration's folder, with a saved token."""
    sign_in(stub, tmp_path)
    return tmp_path


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A private file with the secret of an endpoint."""
    path = tmp_path / "endpoint-secret"
    path.touch(mode=0o600)
    path.write_text("s3cret\n")
    return path
