"""
Worker processes with limits of time and memory, which read untrusted files.
"""
