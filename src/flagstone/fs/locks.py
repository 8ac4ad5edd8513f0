"""
Locks on open files; the system releases them when the process ends, even after kill -9.
"""

import sys

if sys.platform == "win32":
    import portalocker

    def lock(handle: int) -> None:
        """Lock the open file *handle*, waiting if necessary; closing it unlocks it."""
        portalocker.lock(handle, portalocker.LockFlags.EXCLUSIVE)

    def try_lock(handle: int) -> bool | None:  # noqa: ARG001 - as on other systems
        """Return None: Windows cannot distinguish a file in use from a leftover of a crash."""
        return None
else:
    import fcntl

    def lock(handle: int) -> None:
        """Lock the open file *handle*, waiting if necessary; closing it unlocks it."""
        fcntl.flock(handle, fcntl.LOCK_EX)

    def try_lock(handle: int) -> bool | None:
        """
        Lock the open file *handle* without waiting; return False if it is already locked.

        Return None if the file system does not support locks.
        """
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return None
        return True
