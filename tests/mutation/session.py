"""python -m tests.mutation.session FOLDER TEST ...: one pytest session that tests many mutants.

It imports and collects once, and runs every test once to learn which test calls which function. For
each mutant it forks: the child exchanges the code of the changed functions in memory, and runs the
tests that call them.

It writes a line of JSON once the tests have passed without a mutation, and then reads one for each
mutant and answers it. What pytest prints goes to FOLDER/output.txt.
"""

from __future__ import annotations
import __future__

import ast
import gc
import inspect
import json
import os
import resource
import shutil
import sys
import threading
import traceback
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, Final, TextIO

import django.test.utils
import pytest
from django.conf import settings
from django.db import connections

OPTIONS: Final = ("-q", "-p", "no:cacheprovider", "--hypothesis-seed=0")
CPU_AT_LEAST_S: Final = 20
CPU_FACTOR: Final = 10
"""A mutant whose tests take this many times the CPU time of all tests without it counts
as killed.
"""
MEMORY_AT_MOST: Final = 2 << 30
"""In bytes: a mutant that fills a list forever counts as killed."""

Function = tuple[str, int]
"""A file, and the line where a function's code begins."""


class Session:
    """A plugin that runs the tests once per mutant."""

    def __init__(self, folder: Path, questions: TextIO, answers: TextIO) -> None:
        self._folder, self._questions, self._answers = folder, questions, answers
        self._callers: dict[Function, list[int]] = {}
        self._failed: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self._failed is None:
            self._failed = report.nodeid

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        database = make_database(session.config)
        unused = self._folder / "unused.sqlite3"
        shutil.copyfile(database, unused)
        cpu_s = CPU_AT_LEAST_S
        learned = in_child(lambda: self._learn(session.items), cpu_s=3600)
        if learned and learned["failed"] is None:
            self._callers = {(path, line): tests for path, line, tests in learned["callers"]}
            cpu_s = max(cpu_s, int(CPU_FACTOR * learned["cpu_s"]))
        self._answer({"failed": learned["failed"] if learned else "the process"})
        for line in self._questions:
            question = json.loads(line)
            for left in database.parent.glob(f"{database.name}-*"):  # of a fork that ended early
                left.unlink()
            shutil.copyfile(unused, database)
            tests = self._tests(session.items, question)
            answer = in_child(lambda: self._test(tests, question), cpu_s=cpu_s)  # noqa: B023
            self._answer(answer or {"failed": "the process"})
        return True

    def _answer(self, answer: Mapping[str, Any]) -> None:
        print(json.dumps(answer), file=self._answers, flush=True)

    def _learn(self, tests: Sequence[pytest.Item]) -> dict[str, Any]:
        """Run all tests; note the calls of each."""
        callers: dict[Function, set[int]] = defaultdict(set)
        tree = str(Path.cwd())
        is_ours: dict[str, bool] = {}
        running = 0

        def note(frame: FrameType, event: str, _: object) -> None:
            path = frame.f_code.co_filename
            if path not in is_ours:
                is_ours[path] = path.startswith(tree)
            if event == "call" and is_ours[path]:
                callers[path, frame.f_code.co_firstlineno].add(running)

        threading.settrace(note)
        sys.settrace(note)
        for running in range(len(tests)):
            self._run(tests, running)
        sys.settrace(None)
        return {
            "failed": self._failed,
            "callers": [[*function, sorted(indexes)] for function, indexes in callers.items()],
            "cpu_s": resource.getrusage(resource.RUSAGE_SELF).ru_utime,
        }

    def _tests(
        self, tests: Sequence[pytest.Item], question: Mapping[str, Any]
    ) -> Sequence[pytest.Item]:
        """Those that call the changed function; all of them for a change outside of functions."""
        if question["line"] is None:
            return tests
        callers = self._callers.get((question["path"], question["line"]), [])
        return [tests[index] for index in callers]

    def _test(self, tests: Sequence[pytest.Item], question: Mapping[str, Any]) -> dict[str, Any]:
        exchange = exchange_constants if question["line"] is None else exchange_functions
        try:
            exchange(question["path"], question["before"], question["after"])
        except ImportError as error:
            return {"failed": str(error)}
        for index in range(len(tests)):
            self._run(tests, index)
            if self._failed:
                break
        return {"failed": self._failed, "tests": len(tests)}

    def _run(self, tests: Sequence[pytest.Item], index: int) -> None:
        following = tests[index + 1] if index + 1 < len(tests) else None
        test = tests[index]
        test.config.hook.pytest_runtest_protocol(item=test, nextitem=following)


def make_database(config: pytest.Config) -> Path:
    """A migrated test database for every fork; its file."""
    # pytest loads its plugins itself.
    from pytest_django.plugin import blocking_manager_key

    with config.stash[blocking_manager_key].unblock():
        django.test.utils.setup_databases(verbosity=0, interactive=False)
        connections.close_all()
    django.test.utils.setup_databases = lambda *_, **__: []
    return Path(settings.DATABASES["default"]["NAME"])


def in_child(work: Callable[[], dict[str, Any]], *, cpu_s: int) -> dict[str, Any] | None:
    """What `work` returns in a fork; None if a limit ended the fork."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_AT_MOST, MEMORY_AT_MOST))
            with os.fdopen(writing, "w") as pipe:
                json.dump(work(), pipe)
            code = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return None
    if status:
        raise RuntimeError("a fork failed; its output says why")
    found: dict[str, Any] = json.loads(answer)
    return found


def exchange_functions(path: str, before: str, after: str) -> None:
    """Give the functions of a module the code that they have in another text of it."""
    changed = dict(
        differences(
            compile(before, path, "exec", dont_inherit=True),
            compile(after, path, "exec", dont_inherit=True),
        )
    )
    exchanged = [
        one
        for one in gc.get_objects()
        if type(one) is FunctionType  # of a dead weak proxy, isinstance asks what it refers to
        and one.__code__.co_filename == path
        and one.__code__ in changed
    ]
    if not exchanged:
        raise LookupError(f"no function of {path} has the code that was changed")
    for one in exchanged:
        one.__code__ = changed[one.__code__]


def differences(before: CodeType, after: CodeType) -> list[tuple[CodeType, CodeType]]:
    """The code of each function of a module or its classes that differs, with the other one.

    A function creates those inside it, so it has the new ones when it has its own.
    """
    if before.co_flags & inspect.CO_OPTIMIZED:
        return [(before, after)] if before != after else []
    inner = (
        [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        for code in (before, after)
    )
    return [pair for one, other in zip(*inner, strict=True) for pair in differences(one, other)]


def exchange_constants(path: str, before: str, after: str) -> None:
    """Give the constants of a module the values that they have in another text of it, there and
    where they were imported under their name.

    ImportError if the other text cannot be imported.

    Does not reach a default of a parameter, nor a constant that another module derived from it.
    """
    changed = [one for one in sys.modules.values() if getattr(one, "__file__", None) == path]
    names = dict(vars(changed[0]))
    for statement in ast.parse(after).body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            code = compile(
                ast.Module([statement], []),
                path,
                "exec",
                flags=__future__.annotations.compiler_flag,
                dont_inherit=True,
            )
            try:
                exec(code, names)
            except Exception as error:
                raise ImportError(f"{path} cannot be imported: {error!r}") from error
    for name, was in list(vars(changed[0]).items()):
        if name.startswith("__") or names[name] is was:
            continue
        for module in list(sys.modules.values()):
            if vars(module).get(name) is was:
                setattr(module, name, names[name])


def main(folder: Path, tests: Sequence[str]) -> int:
    with os.fdopen(os.dup(0)) as questions, os.fdopen(os.dup(1), "w") as answers:
        redirect(folder / "output.txt")
        return int(pytest.main([*OPTIONS, *tests], plugins=[Session(folder, questions, answers)]))


def redirect(path: Path) -> None:
    """Send the output to a file, and leave the input empty."""
    output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(output, standard)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
