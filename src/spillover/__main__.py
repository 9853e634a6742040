"""``python -m spillover`` is the same as ``spillover``."""

from spillover.cli import main

main()
