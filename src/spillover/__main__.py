"""``python -m spillover`` is the same as ``spillover``."""

import sys

try:
    from spillover.cli import main
except KeyboardInterrupt:  # before anything runs there is nothing to say, least of all a traceback
    sys.exit(130)

if __name__ == "__main__":
    main()
