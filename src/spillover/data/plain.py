"""Arrow tables as plain rows: only what JSON has, so that a row can be written as a line of JSON."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any


def arrow_items(batches: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of Arrow tables or record batches as dictionaries of plain values."""
    for batch in batches:
        for row in batch.to_pylist():
            yield plain(row)


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: dates in ISO form, bytes in base64, the rest as text."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
