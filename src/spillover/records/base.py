"""What every record on disk has in common: frozen, closed, and hashable by content."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError


class Record(BaseModel):
    """A frozen pydantic model; an unknown field is an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


def without_unset(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the fields of a record less those of ``names`` that are None.

    A field that came later is left out where it says nothing: what a record meant before there was
    such a field keeps its identity.
    """
    return {key: value for key, value in fields.items() if value is not None or key not in names}


def first_fault(error: ValidationError, whole: str) -> str:
    """Return where a record is broken and how, in one line; ``whole`` names the place of it all."""
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or whole}: {first['msg']}"


def canonical_json(value: Any) -> str:
    """Return the one JSON text of ``value``: sorted keys, no spaces, plain ASCII.

    Args:
        value: a `Record`, or anything that ``json`` can write.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(value: Any) -> str:
    """Return 32 hex digits of the SHA-256 of `canonical_json`: the identity of a record."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()[:32]
