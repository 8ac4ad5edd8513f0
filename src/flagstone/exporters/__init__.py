"""
Export flags as tables, datasets, and files for other tools.
"""
