"""No module runs, pastes or guesses what has to be data: read from the code, without running it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.parsed import parsed

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("portal", "dots_client")
UNSAFE_READERS: Final = {"dill", "jsonpickle", "lxml", "marshal", "pickle", "shelve", "xml", "yaml"}
OTHER_ENGINES: Final = {"ctypes", "jinja2", "ldap", "mako"}
ONE_COMMAND: Final = "portal/connections/uploads.py"
"""Reads a PKCS#12 file in another process, since reading one may take forever."""
SHUFFLED: Final = {
    # Which rows a cleaning run looks at first.
    "portal/mitigations/services/downsampling.py": "from random import shuffle",
}
WORDS: Final = {
    # They fill our own sentences with names.
    "dots_client/transport/handshake_failures.py",
    "dots_client/transport/tls.py",
    "dots_client/transport/tls_connection.py",
    "portal/readiness/drills.py",
    "portal/wording/causes.py",
    "portal/wording/incidents.py",
    "portal/wording/plans.py",
    "portal/wording/timeline.py",
    "portal/wording/timeline_status.py",
    "portal/wording/unknown.py",
}
COMPOSED: Final = {
    # They write names of our own tables and columns into a statement, and values as parameters.
    "portal/audit/append_only.py",
    "portal/core/compiled_query.py",
    "portal/core/increment_returning.py",
    "portal/core/many_rows.py",
    "portal/core/postgresql/base.py",
    "portal/core/target_overlap.py",
    "portal/mitigations/services/submission_facts.py",
    "portal/mitigations/services/submit_at_once.py",
    "portal/organizations/access.py",
    "portal/organizations/idempotency.py",
}
MARKED: Final = {
    # Our own icons, nothing at all, and the picture of a key.
    "portal/core/templatetags/portal.py": {"ICONS[name]", "''"},
    "portal/web/accounts/pages.py": {"svg"},
}
LIST_OF_OTHERS: Final = "portal/core/leaked_passwords.py"
"""Lists of leaked passwords hold SHA-1 hashes."""
Node = tuple[str, ast.AST]


def modules() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" in path.parts:
                continue
            yield path.relative_to(ROOT).as_posix(), parsed(path.read_text())


@pytest.fixture(scope="module")
def nodes() -> list[Node]:
    return [(path, node) for path, module in modules() for node in ast.walk(module)]


def imported(nodes: list[Node]) -> Iterator[tuple[str, str]]:
    for path, node in nodes:
        if isinstance(node, ast.Import):
            yield from ((path, one.name.partition(".")[0]) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield path, (node.module or "").partition(".")[0]


def calls(nodes: list[Node], is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, ast.Call]]:
    for path, node in nodes:
        if isinstance(node, ast.Call) and is_wanted(called(node)):
            yield path, node


@cache
def called(call: ast.Call) -> str:
    return ast.unparse(call.func)


def is_constant(node: ast.expr) -> bool:
    """A literal, or the name of a constant of its module."""
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isupper())


def test_no_module_reads_data_with_a_parser_that_could_run_it(nodes: list[Node]) -> None:
    assert [one for one in imported(nodes) if one[1] in UNSAFE_READERS | OTHER_ENGINES] == []


def test_nothing_is_run_as_code(nodes: list[Node]) -> None:
    forbidden = {"eval", "exec", "compile", "__import__"}

    assert list(calls(nodes, lambda name: name in forbidden)) == []


def test_one_command_runs_with_a_list_of_arguments_and_without_a_shell(nodes: list[Node]) -> None:
    prefixes = ("os.system", "os.popen", "os.exec", "os.spawn", "asyncio.create_subprocess")

    assert list(calls(nodes, lambda name: name.startswith(prefixes))) == []
    assert {path for path, name in imported(nodes) if name == "subprocess"} == {ONE_COMMAND}
    [(path, run)] = calls(nodes, lambda name: name.startswith("subprocess."))
    assert path == ONE_COMMAND
    assert isinstance(run.args[0], ast.List)
    assert "shell" not in {one.arg for one in run.keywords}


def test_values_are_parameters_of_statements(nodes: list[Node]) -> None:
    names = (".execute", ".executemany", ".raw", "RawSQL", ".extra")
    composing = {
        path
        for path, call in calls(nodes, lambda name: name.endswith(names))
        if "/alerts/" not in path  # their `raw` reads a field of a payload
        and call.args
        and not is_constant(call.args[0])
    }

    assert composing == COMPOSED


def test_typed_text_is_no_pattern(nodes: list[Node]) -> None:
    functions = [node for _, node in nodes if isinstance(node, ast.FunctionDef)]
    inside = {id(node) for function in functions for node in ast.walk(function)}

    assert [
        (path, ast.unparse(call))
        for path, call in calls(nodes, lambda name: name.startswith("re.") and "(" not in name)
        if id(call) in inside and not is_constant(call.args[0])
    ] == []


def test_typed_text_is_no_format(nodes: list[Node]) -> None:
    formatting = {
        path
        for path, call in calls(nodes, lambda name: name.endswith((".format", ".format_map")))
        if isinstance(call.func, ast.Attribute) and not isinstance(call.func.value, ast.Constant)
    }
    levels = ("debug", "info", "warning", "error", "exception", "critical")

    assert formatting == WORDS
    assert [
        (path, ast.unparse(call))
        for path, call in calls(nodes, lambda name: name in {f"logger.{one}" for one in levels})
        if not is_constant(call.args[0])
    ] == []


def test_no_template_is_made_of_text_and_little_is_marked_as_html(nodes: list[Node]) -> None:
    engines = ("Template", ".from_string")
    marked: dict[str, set[str]] = {}
    for path, call in calls(nodes, lambda name: name.endswith(("mark_safe", "SafeString"))):
        marked.setdefault(path, set()).add(ast.unparse(call.args[0]))

    assert list(calls(nodes, lambda name: name.endswith(engines))) == []
    assert marked == MARKED


def test_secrets_come_from_the_operating_system(nodes: list[Node]) -> None:
    """`random` serves for its type and for SystemRandom, which is secure."""
    drawing = {
        (path, ast.unparse(call.func))
        for path, call in calls(nodes, lambda name: name.startswith("random."))
    }
    taken = {
        path: ast.unparse(node)
        for path, node in nodes
        if isinstance(node, ast.ImportFrom) and node.module == "random"
    }

    assert {name for _, name in drawing} <= {"random.SystemRandom", "random.SystemRandom().sample"}
    assert taken == SHUFFLED


def test_no_weak_hash_is_used(nodes: list[Node]) -> None:
    weak = ("md5", "sha1", "MD5", "SHA1")
    using = calls(nodes, lambda name: name.split(".")[-1] in weak)

    assert {path for path, _ in using} == {LIST_OF_OTHERS}
