"""
Load a demo from its file, and read the fields of its log from its components.
"""
