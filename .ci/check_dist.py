"""Checks that a folder's sdist and wheel hold everything that users need."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parents[1]


def tracked(pattern: str, under: str = "") -> set[str]:
    """Files of the checkout, as paths in the package."""
    return {path.relative_to(HERE).as_posix() for path in (HERE / under).glob(pattern)}


def has_symbols(wheel: Path, name: str) -> bool:
    """Whether an extension for Linux was not stripped: six times the bytes."""
    content = zipfile.ZipFile(wheel).read(name)
    return content.startswith(b"\x7fELF") and any(
        section in content for section in (b".debug_info\0", b".symtab\0")
    )


def main(folder: Path) -> None:
    """Exit with a message if something is missing or does not belong."""
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    modules = tracked("**/*.py", "ecgfast")
    typing = {"ecgfast/py.typed", "ecgfast/core.pyi"}
    data = {
        name
        for kind in ("json", "html", "css", "js")
        for name in tracked(f"**/*.{kind}", "ecgfast")
    }
    models = {name for kind in ("*.tflite", "*.json") for name in tracked(kind, "models")}

    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    wanted = modules | typing | data | {f"ecgfast/{name}" for name in models}
    missing = sorted(wanted - in_wheel)
    compiled = {name.split(".")[0] for name in in_wheel if name.endswith((".so", ".pyd"))}
    extensions = tracked("**/*.pyx", "ecgfast")
    wanted = {"ecgfast/_cyutility", *(name[:-4] for name in extensions)}  # setup.py: SHARED
    missing += sorted(f"{name} (compiled)" for name in wanted - compiled)
    unwanted = (".pyx", ".pxd", ".pxi", ".c", ".h", ".pyc")
    strange = sorted(
        name for name in in_wheel if not name.startswith("ecgfast") or name.endswith(unwanted)
    )

    strange += [name for name in in_wheel if name.endswith(".so") and has_symbols(wheel, name)]

    top = sdist.name.removesuffix(".tar.gz")
    with tarfile.open(sdist) as archive:
        in_sdist = {name.removeprefix(f"{top}/") for name in archive.getnames()}
    sources = {
        "setup.py",
        "pyproject.toml",
        "LICENSE",
        "README.md",
    }
    sources |= extensions | tracked("**/*.px[di]", "ecgfast")
    sources |= (
        tracked("**/*.[ch]", "csrc") | tracked("**/*.py", "tests") | tracked("**/*.c", "tests")
    )
    missing += sorted((sources | modules | typing | data | models) - in_sdist)
    strange += sorted(
        name
        for name in in_sdist
        if name.endswith((".so", ".pyc")) or (name.startswith("ecgfast/") and name.endswith(".c"))
    )
    if missing or strange:
        sys.exit(
            f"missing: {', '.join(missing) or 'nothing'}; odd: {', '.join(strange) or 'nothing'}"
        )
    print(f"{wheel.name}: {len(in_wheel)} files; {sdist.name}: {len(in_sdist)} files")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
