"""Whether a process of this machine is there.

runs(4711)        True, also for one that may not be asked; another's that has the number of an ended one counts
"""

from __future__ import annotations

import os


def runs(pid: object) -> bool:
    """What is no number of a process is taken for one that runs: who asks, then keeps what may be in use."""
    try:
        os.kill(int(str(pid)), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, ValueError, OverflowError):
        pass
    return True
