from __future__ import annotations

import sys

from local_stack.demo import main

sys.exit(main())
