"""
A reviewer without a browser: reads pages and posts what the page's own script would.
"""

import copy
import re
from pathlib import Path
from typing import Any

import httpx
from starlette.testclient import TestClient

from flagstone.review import Users, create_app
from flagstone.stores.base import Store

HERE = "http://127.0.0.1"


class Reviewer:
    """Somebody with the review page of *store* open, from this machine unless *client* says."""

    def __init__(self, store: Store, *, client: str = "127.0.0.1", url: str = HERE, **app: Any):
        self.app = create_app(store, **app)
        self.http = TestClient(
            self.app, client=(client, 50000), base_url=url, follow_redirects=False
        )
        self.token = ""
        self.open()

    def another(self) -> "Reviewer":
        """Somebody else at the same server."""
        other = copy.copy(self)
        other.token = ""
        url = str(self.http.base_url)
        other.http = TestClient(
            self.http.app, client=("127.0.0.1", 50001), base_url=url, follow_redirects=False
        )
        other.open()
        return other

    def open(self) -> None:
        """Follow the address that is printed where nobody has to log in."""
        if self.app.token is not None:
            self.http.get("/", params={"token": self.app.token})

    def get(self, path: str, **request: Any) -> httpx.Response:
        """A page; its token is kept, as a browser's page would."""
        answer = self.http.get(path, **request)
        if found := re.search(r'name="token" (?:content|value)="([^"]+)"', answer.text):
            self.token = found[1]
        return answer

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """What a script of the page posts as JSON."""
        if not self.token:
            self.get("/")
        return self.http.post(path, json=body, headers={"x-token": self.token, **headers})

    def decide(self, flag_id: str, seen: str = "", **said: Any) -> Any:
        """What the server answers to a decision about a flag."""
        return self.post("/decide", {"flags": {flag_id: seen}, **said}).json()

    def log_in(self, name: str, password: str, to: str = "") -> httpx.Response:
        """Fill in the login page."""
        self.get("/login")
        form = {"token": self.token, "name": name, "password": password, "to": to}
        answer = self.http.post("/login", data=form)
        self.token = ""
        return answer


def people(folder: Path) -> Path:
    """A file with a viewer, two reviewers and an admin; each one's password is the name twice."""
    path = folder / "users.txt"
    users = Users(path)
    for name, role in (("vi", "viewer"), ("ana", "reviewer"), ("bo", "reviewer"), ("ada", "admin")):
        users.add(name, name * 2, role)  # type: ignore[arg-type]
    return path
