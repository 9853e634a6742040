"""Calibrations on disk: ``calibration.yaml``."""

from __future__ import annotations

from pathlib import Path

import yaml

from spillover.data.yamls import build_record, read_fields
from spillover.files import write_text
from spillover.records import Calibration


def read_calibration(path: Path) -> Calibration:
    """Read what `write_calibration` wrote.

    Raises:
        MissingFileError, ConfigError: no such file, or it is no calibration; names file and field.
    """
    return build_record(Calibration, read_fields(path), path)


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration, whole or not at all.

    Raises:
        StoreError: the disk is full or the folder is not writable.
    """
    fields = calibration.model_dump(mode="json", by_alias=True)
    write_text(path, yaml.safe_dump(fields, sort_keys=False, allow_unicode=True))
