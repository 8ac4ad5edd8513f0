"""
Reactions to the replies of a chat, saved as flags.
"""
