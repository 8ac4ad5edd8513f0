"""
What a component sends and receives, as values.
"""
