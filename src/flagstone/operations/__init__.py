"""
Operations on stores: sync, forget, decide, check and import.
"""
