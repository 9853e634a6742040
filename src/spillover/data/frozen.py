"""The library's questions are frozen: one digest a set, renewed on purpose only.

After a change that is meant, ``python -m spillover.data.frozen`` writes the digests anew.
"""

from __future__ import annotations

from pathlib import Path

from spillover.data.library import ASSETS, load_questions
from spillover.data.yamls import read_fields
from spillover.files import write_text
from spillover.records import digest

HASHES = "HASHES.yaml"
_HEAD = """\
# A digest of each set of questions: of every field and every word, in the order of their ids.
# A changed question is another question. To renew after a change that is meant:
#     python -m spillover.data.frozen
"""


def question_hashes(folder: Path | None = None) -> dict[str, str]:
    """Return the digest of each set of questions: folder below ``folder`` -> 32 hex digits.

    Args:
        folder: where the sets lie; None is the package's own library.
    """
    root = folder or ASSETS / "questions"
    sets = {path.parent for path in root.rglob("*.md") if path.name.lower() != "readme.md"}
    return {
        one.relative_to(root).as_posix(): digest(
            [question.model_dump(mode="json") for question in load_questions(one).questions]
        )
        for one in sorted(sets)
    }


def frozen_hashes(folder: Path | None = None) -> dict[str, str]:
    """Return the digests that were written down."""
    return read_fields((folder or ASSETS / "questions") / HASHES)


def renew_hashes(folder: Path | None = None) -> Path:
    """Write the digests of the sets as they are now, and return the file's path."""
    path = (folder or ASSETS / "questions") / HASHES
    lines = (f'{name}: "{value}"\n' for name, value in question_hashes(folder).items())
    write_text(path, _HEAD + "".join(lines))
    return path


if __name__ == "__main__":
    renew_hashes()
