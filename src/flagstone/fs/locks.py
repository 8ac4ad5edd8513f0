"""
Locks on open files, which go with the process that holds them, however it ends.
"""

import sys

if sys.platform == "win32":
    import portalocker

    def lock(handle: int) -> None:
        """Wait until nobody else has the open file *handle* locked; closing it unlocks it."""
        portalocker.lock(handle, portalocker.LockFlags.EXCLUSIVE)

    def try_lock(handle: int) -> bool | None:  # noqa: ARG001 - as on other systems
        """Always None: nothing here tells a file in use from one that a crash left."""
        return None
else:
    import fcntl

    def lock(handle: int) -> None:
        """Wait until nobody else has the open file *handle* locked; closing it unlocks it."""
        fcntl.flock(handle, fcntl.LOCK_EX)

    def try_lock(handle: int) -> bool | None:
        """
        Lock the open file *handle*, unless somebody has it locked: True, else False.

        None where the file system has no such locks.
        """
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return None
        return True
