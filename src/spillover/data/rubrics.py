"""Read rubrics: one Markdown file each, front matter and the prompt; a file's name is its id."""

from __future__ import annotations

from pathlib import Path

from spillover.data.folders import ASSETS, files_in
from spillover.data.yamls import build_record, read_front_matter
from spillover.errors import ConfigError
from spillover.records import Rubric


def load_rubrics(folder: Path | str | None = None) -> dict[str, Rubric]:
    """Read every rubric (``*.md``) of a folder, by id.

    Args:
        folder: where the files lie; None is the package's own library.

    Raises:
        MissingFileError: no such folder, or no rubric in it.
        ConfigError: a file is broken; the message names file, field and what is allowed.
    """
    root = ASSETS / "rubrics" if folder is None else Path(folder)
    rubrics = [_read(path) for path in files_in(root, ".md")]
    return {rubric.id: rubric for rubric in sorted(rubrics, key=lambda rubric: rubric.id)}


def _read(path: Path) -> Rubric:
    front = read_front_matter(path)
    for key, source in (("id", "the file's name"), ("text", "the text below")):
        if key in front.fields:
            raise ConfigError(f"{path}: {key!r} can't be set here; it is {source}")
    fields = {**front.fields, "id": front.id, "text": front.body.strip()}
    return build_record(Rubric, fields, path)
