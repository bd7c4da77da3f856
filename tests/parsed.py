"""Python source as a syntax tree, for tests that read the code."""

from __future__ import annotations

import ast
import gc


def parsed(source: str, name: str = "<unknown>") -> ast.Module:
    """As `ast.parse`, without a garbage collection in the middle.

    Python 3.11.2, which Debian 12 has, takes what a finalizer runs meanwhile for its own recursion
    and fails with a SystemError (https://github.com/python/cpython/issues/106905).
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source, name)
    finally:
        if was_enabled:
            gc.enable()
