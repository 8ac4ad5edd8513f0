"""
Processes with limits of time and memory that read the files of strangers.
"""
