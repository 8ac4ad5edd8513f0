"""
Feedback on the replies of a chat.
"""
