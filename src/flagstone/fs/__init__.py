"""
Files on this machine: written whole or not at all, locked, and cleaned up after a crash.
"""
