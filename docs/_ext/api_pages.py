"""The API reference: signatures of compiled classes; no public name may be missing."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphinx.util import logging

import ecgfast

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

LOG = logging.getLogger(__name__)

_AUTOCLASS = re.compile(r"^\.\. autoclass:: ecgfast\.(\w+)$", re.MULTILINE)

#: Packages whose public names (`__all__`) the pages of docs/api must hold.
PUBLIC = (
    *("ecgfast", "ecgfast.records", "ecgfast.sources", "ecgfast.runtime", "ecgfast.streaming"),
    *("ecgfast.rhythm", "ecgfast.hrv", "ecgfast.alarms", "ecgfast.evaluation", "ecgfast.networks"),
    *("ecgfast.reports", "ecgfast.live", "ecgfast.review", "ecgfast.archive"),
)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    stub = Path(ecgfast.__file__).with_name("core.pyi")
    signatures = dict(_signatures(ast.parse(stub.read_text("utf-8"))))

    def of_method(_app: Sphinx, what: str, name: str, *_: Any) -> tuple[str, str | None] | None:
        return signatures.get(name.rpartition("ecgfast.")[2]) if what == "method" else None

    def of_class(_app: Sphinx, _page: str, source: list[str]) -> None:
        source[0] = _AUTOCLASS.sub(
            lambda found: found[0] + signatures.get(found[1], ("",))[0], source[0]
        )

    app.connect("autodoc-process-signature", of_method)
    # A compiled class has no signature that autodoc could replace: it is written into the page.
    app.connect("source-read", of_class)
    app.connect("autodoc-process-docstring", _without_signature)
    app.connect("env-check-consistency", _check)
    for package in PUBLIC:  # names that are imported when first used
        module = importlib.import_module(package)
        for name in module.__all__:
            getattr(module, name)
    return {"parallel_read_safe": True}


def _signatures(tree: ast.Module) -> Any:
    """Yield name and (arguments, result) of the classes and methods of a stub."""
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        for item in node.body:
            if not isinstance(item, ast.FunctionDef):
                continue
            decorators = {ast.unparse(name) for name in item.decorator_list}
            if "property" in decorators:
                continue
            arguments = item.args
            if arguments.args and "staticmethod" not in decorators:
                arguments.args = arguments.args[1:]
            shown = f"({ast.unparse(arguments)})"
            if item.name == "__init__":
                yield node.name, (shown, None)
            else:
                result = ast.unparse(item.returns) if item.returns else None
                yield f"{node.name}.{item.name}", (shown, result)


def _without_signature(
    _app: Sphinx, _what: str, name: str, _what_it_is: Any, _options: Any, lines: list[str]
) -> None:
    """Drop the signature that Cython writes at the head of a docstring."""
    short = name.rpartition(".")[2]
    if lines and lines[0].startswith(f"{short}(self"):
        del lines[0]
        while lines and not lines[0].strip():
            del lines[0]


def _check(_app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of public names that no page documents."""
    documented = {
        id(value) for name in env.get_domain("py").objects if (value := _resolved(name)) is not None
    }
    for package in PUBLIC:
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            known = id(value) in documented or f"{package}.{name}" in env.get_domain("py").objects
            if not known and f"{package}.{name}" not in ("ecgfast.__version__", "ecgfast.hrv"):
                LOG.warning("%s.%s is public, and no page of docs/api documents it", package, name)


def _resolved(name: str) -> Any:
    parts = name.split(".")
    for k in range(len(parts) - 1, 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:k]))
        except ImportError:
            continue
        for part in parts[k:]:
            value = getattr(value, part, None)
        return value
    return None
