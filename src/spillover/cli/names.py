"""``toy:NAME`` stands for a model or data set of the toy world that comes with the package."""

from __future__ import annotations

_TOY = "toy:"


def model_path(text: str) -> str:
    """Return what `describe_target` understands: ``toy:NAME`` becomes the folder of that model."""
    if text.startswith(_TOY):
        from spillover.toy import resolve_model

        return str(resolve_model(text.removeprefix(_TOY)))
    return text


def data_path(text: str) -> str:
    """Return the path of training rows; ``toy:NAME`` becomes the file of that data set."""
    if text.startswith(_TOY):
        from spillover.toy import resolve_data

        return str(resolve_data(text.removeprefix(_TOY)))
    return text
