"""Training data, and the library of questions and axes."""

from spillover.data.rows import read_rows, rows_digest, write_rows

__all__ = ["read_rows", "rows_digest", "write_rows"]
