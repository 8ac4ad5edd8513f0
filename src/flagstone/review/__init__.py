"""
The review page: browse flags, decide about them, correct them.

    from flagstone.review import create_app

    app = create_app(open_store("flags.db"))
"""

from flagstone.review.app import create_app
from flagstone.review.auth.users import ROLES, Person, Role, Users

__all__ = ["ROLES", "Person", "Role", "Users", "create_app"]
