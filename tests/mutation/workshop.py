"""A copy of the tree in which one module at a time is changed and tested."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.copy_tree import copy_tree
from tests.mutation.mutants import Mutant
from tests.mutation.targets import Target

TIMEOUT_S: Final = 900
"""For the tests of a change outside of functions; one that takes longer counts as killed."""
OPTIONS: Final = ("-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0")


class TestsFailed(Exception):
    """The tests fail without any mutation."""


class Workshop:
    """Runs one target's tests against its mutants."""

    def __init__(self, root: Path, folder: Path, target: Target, python: str) -> None:
        self.tree = folder / "tree"
        self._target, self._python, self._folder = target, python, folder
        copy_tree(root, self.tree)
        self._environment = {
            **os.environ,
            "TMPDIR": str(folder),
            "PYTHONDONTWRITEBYTECODE": "",
        }
        self._environment.pop("DATABASE_URL", None)
        self._session = subprocess.Popen(
            [python, "-m", "tests.mutation.session", str(folder), *target.tests],
            cwd=self.tree,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        """Wait until the tests have passed without a mutation."""
        if failed := self._read()["failed"]:
            self._end()
            output = (self._folder / "output.txt").read_text()
            raise TestsFailed(
                f"{self._target.name}: {failed} fails without a mutation\n{output[-5000:]}"
            )
        # Python recognizes bytecode by the second of the change, and a mutant may live shorter.
        self._environment["PYTHONDONTWRITEBYTECODE"] = "1"
        for module in self.modules():
            for cached in (self.tree / module.parent).glob(f"__pycache__/{module.stem}.*"):
                cached.unlink()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def modules(self) -> list[Path]:
        """The target's modules, relative to the tree."""
        found: list[Path] = []
        for name in self._target.modules:
            path = self.tree / name
            found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
        return [path.relative_to(self.tree) for path in found]

    def kills(self, mutant: Mutant) -> bool:
        """Whether a test fails when the module is changed, or takes forever."""
        in_memory = mutant.function is not None or mutant.is_in_constant
        if in_memory and self._kills_in_memory(mutant):
            return True
        # Not everything that a module does when it is imported can be exchanged in memory.
        return mutant.function is None and self._kills_in_new_process(mutant)

    def _kills_in_memory(self, mutant: Mutant) -> bool:
        question = {
            "path": str(self.tree / mutant.path),
            "line": mutant.function,
            "before": mutant.source,
            "after": mutant.mutated,
        }
        assert self._session.stdin is not None
        print(json.dumps(question), file=self._session.stdin, flush=True)
        return self._read()["failed"] is not None

    def _kills_in_new_process(self, mutant: Mutant) -> bool:
        path = self.tree / mutant.path
        path.write_text(mutant.mutated)
        try:
            ended = subprocess.run(
                [self._python, "-m", "pytest", *OPTIONS, *self._target.tests],
                cwd=self.tree,
                env=self._environment,
                check=False,
                capture_output=True,
                timeout=TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            return True
        finally:
            path.write_text(mutant.source)
        return ended.returncode != 0

    def _read(self) -> dict[str, Any]:
        assert self._session.stdout is not None
        answer: dict[str, Any] = json.loads(self._session.stdout.readline() or "{}")
        if not answer:
            output = (self._folder / "output.txt").read_text()
            raise TestsFailed(f"the process that runs the tests ended\n{output[-5000:]}")
        return answer

    def _end(self) -> None:
        assert self._session.stdin is not None
        self._session.stdin.close()
        self._session.wait()
