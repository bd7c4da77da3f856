from __future__ import annotations

from tests.bench.tree import counts

LONG = "def long():\n" + "    pass\n" * 40


def test_long_functions_circles_and_upward_imports_are_counted() -> None:
    found = counts(
        {
            "portal/core/one.py": "from portal.core import two\n",
            "portal/core/two.py": f"from portal.core.one import name\n{LONG}",
            "portal/core/three.py": "from portal.web import page\nfrom portal.core import one\n",
            "portal/web/page.py": "from portal.core.one import name\n",
            "portal/web/migrations/0001_initial.py": LONG,
            "tests/test_all.py": "\n" * 401,
        }
    )

    assert found["modules"] == "4"
    assert found["the longest module"] == "42, `portal/core/two.py`"
    assert found["functions over 40 lines"] == "1"
    assert found["imports from a lower layer of the portal to a higher one"] == "1"
    assert found["circles of imports"] == "1"
    assert found["modules of tests over 400 lines"] == "1"


def test_imports_that_only_types_need_are_no_arrows() -> None:
    typed = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from portal.core.one import a\n"
    )

    found = counts(
        {"portal/core/one.py": "from portal.core.two import b\n", "portal/core/two.py": typed}
    )

    assert found["circles of imports"] == "0"
