"""On PostgreSQL too, the database raises the version of a mitigation's row."""

from __future__ import annotations

import pytest

from portal.mitigations.models import Mitigation
from tests.portal.mitigations import test_row_version as on_sqlite
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.conftest import submit as submit


@pytest.mark.django_db
def test_the_trigger_on_postgresql_does_what_the_one_on_sqlite_does(submit: Submit) -> None:
    def mitigation() -> Mitigation:
        return submit().mitigations.get()

    on_sqlite.test_every_column_but_numbers_raises_the_version(mitigation())
    on_sqlite.test_a_write_that_changes_nothing_leaves_the_version(mitigation())
    on_sqlite.test_saving_an_outdated_row_does_not_lower_the_version(mitigation())
    on_sqlite.test_a_report_of_numbers_leaves_the_version_and_a_new_status_raises_it(mitigation())
