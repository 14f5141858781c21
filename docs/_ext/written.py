"""Pages that are generated from the package, written before Sphinx reads its sources."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["escaped", "write_pages"]

# What Markdown would take for markup, outside of `code`.
_MARKUP = re.compile(r"([\\*_<>\[\]{}|#$])")


def escaped(text: str) -> str:
    """Escape plain text for Markdown; `code` stays as it is."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return _MARKUP.sub(r"\\\1", text.replace("`", "'"))
    return "`".join(part if k % 2 else _MARKUP.sub(r"\\\1", part) for k, part in enumerate(parts))


def write_pages(folder: Path, pages: dict[str, str]) -> None:
    """Write pages by name; what did not change is left alone, what is no more is deleted."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.md"):
        if path.stem not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
