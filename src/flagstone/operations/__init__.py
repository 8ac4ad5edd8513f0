"""
The verbs over stores: sync, forget, decide, check and import.
"""
