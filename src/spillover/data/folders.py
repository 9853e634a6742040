"""Folders of data files, the package's own and a user's."""

from __future__ import annotations

from pathlib import Path

from spillover.errors import ConfigError, MissingFileError

ASSETS = Path(__file__).parent.parent / "assets"
YAML = (".yaml", ".yml")


def files_in(root: Path, *endings: str) -> list[Path]:
    """Return the files of a folder (subfolders too) with these endings; a README is none of them.

    Raises:
        MissingFileError: no such folder, or no such file in it.
        ConfigError: two files have one name.
    """
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise MissingFileError(f"{root} {what}: name a folder of {endings[0]} files")
    paths = sorted(
        p for p in root.rglob("*") if p.suffix in endings and p.name.lower() != "readme.md"
    )
    if not paths:
        others = sorted(p for p in root.rglob("*") if p.suffix in YAML) if ".md" in endings else ()
        hint = f"; a published file is named itself, such as {others[0]}" if others else ""
        raise MissingFileError(f"no {endings[0]} file in {root}{hint}")
    by_name: dict[str, Path] = {}
    for path in paths:
        if path.stem in by_name:
            raise ConfigError(f"{path} and {by_name[path.stem]} have the same id: rename one")
        by_name[path.stem] = path
    return paths
