"""
How values are shown, edited and read back.
"""
