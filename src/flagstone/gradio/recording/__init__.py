"""
From a call or a press to a record in a store.
"""
