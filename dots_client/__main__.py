from __future__ import annotations

import sys

from dots_client.cli import main

sys.exit(main())
