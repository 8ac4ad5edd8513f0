"""
Convert between the payloads of components and values.
"""
