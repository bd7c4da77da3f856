"""The tests repeatedly empty a database, so it must be their own."""

from __future__ import annotations

import pytest
from django.db import connection


@pytest.mark.django_db
@pytest.mark.sqlite
def test_the_tests_use_their_own_database() -> None:
    statement = {
        "postgresql": "SELECT current_database()",
        "sqlite": "SELECT file FROM pragma_database_list WHERE name = 'main'",
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(statement)
        (used,) = cursor.fetchone()

    assert used == connection.settings_dict["NAME"]
    assert "portal_test_" in used.replace("-", "_")
