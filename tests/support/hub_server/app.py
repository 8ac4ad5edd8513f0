"""
The routes of the Hub for tests, as the client of Hugging Face asks them.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hub_server.faults import Faults
from hub_server.state import BINARY, LARGE, Blob, Commit, Hub, Repo, User

Endpoint = Callable[[Request], Awaitable[Response]]


class _Refused(HTTPException):
    def __init__(self, status: int, message: str, code: str = "") -> None:
        headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
        super().__init__(status, message, headers)


def hub_app(hub: Hub) -> ASGIApp:
    """The whole Hub as an app, its faults included."""
    routes = _Routes(hub)
    repo = "/{kind}/{user}/{name}"
    plan: list[tuple[str, str, Endpoint]] = [
        ("GET", "/api/whoami-v2", routes.whoami),
        ("POST", "/api/repos/create", routes.create),
        ("POST", "/api/validate-yaml", routes.validate_yaml),
        ("GET", f"/api{repo}", routes.info),
        ("GET", f"/api{repo}/revision/{{rev}}", routes.info),
        ("GET", f"/api{repo}/refs", routes.refs),
        ("GET", f"/api{repo}/commits/{{rev}}", routes.commits),
        ("GET", f"/api{repo}/tree/{{rev}}", routes.tree),
        ("GET", f"/api{repo}/tree/{{rev}}/{{path:path}}", routes.tree),
        ("POST", f"/api{repo}/paths-info/{{rev}}", routes.paths_info),
        ("POST", f"/api{repo}/preupload/{{rev}}", routes.preupload),
        ("POST", f"/api{repo}/commit/{{rev}}", routes.commit),
        ("POST", f"/api{repo}/super-squash/{{rev}}", routes.squash),
        ("GET", f"/api{repo}/lfs-files", routes.large_files),
        ("POST", f"/api{repo}/lfs-files/batch", routes.delete_large_files),
        ("POST", f"{repo}.git/info/lfs/objects/batch", routes.lfs_batch),
        ("PUT", f"/lfs{repo}/{{sha256}}", routes.lfs_upload),
        ("GET", f"{repo}/resolve/{{rev}}/{{path:path}}", routes.resolve),
        # What `datasets` asks of the viewer, which has nothing on a new dataset.
        ("GET", "/parquet", routes.nothing),
        ("GET", "/info", routes.nothing),
        # Which programs call themselves agents: only for the name that the client gives itself.
        ("GET", "/api/agent-harnesses", routes.nothing),
    ]
    app = Starlette(
        routes=[Route(path, routes.noted(do), methods=[method]) for method, path, do in plan],
        exception_handlers={404: routes.unknown, 405: routes.unknown},
    )
    return Faults(app, hub.faults, hub.chaos)


class _Routes:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._lock = threading.Lock()

    def noted(self, do: Endpoint) -> Endpoint:
        async def answer(request: Request) -> Response:
            self._hub.requests.append(f"{request.method} {request.url.path}")
            self._hub.received += len(await request.body())
            try:
                return await do(request)
            except _Refused as refused:
                body = {"error": refused.detail}
                return JSONResponse(body, refused.status_code, headers=refused.headers)

        return answer

    async def unknown(self, request: Request, error: Exception) -> Response:
        self._hub.unknown.append(f"{request.method} {request.url}")
        return JSONResponse({"error": "not known to the Hub for tests"}, 501)

    async def nothing(self, request: Request) -> Response:
        return JSONResponse({"error": "nothing"}, 404)

    # --- who and what ---------------------------------------------------------------------------

    def _user(self, request: Request) -> User | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if token and token not in self._hub.users:
            raise _Refused(401, "Invalid credentials in Authorization header")
        return self._hub.users.get(token)

    def _repo(self, request: Request, *, write: bool = False) -> Repo:
        user = self._user(request)
        owner = request.path_params["user"]
        repo = self._hub.repos.get(
            (request.path_params["kind"], f"{owner}/{request.path_params['name']}")
        )
        is_own = user is not None and user.name == owner
        if repo is None or (repo.private and not is_own):
            raise _Refused(404 if user else 401, "Repository not found", "RepoNotFound")
        if write and user is None:
            raise _Refused(401, "Invalid username or password.")
        if write and not (is_own and user is not None and user.may_write):
            raise _Refused(403, "You don't have the rights to write to this repository")
        return repo

    def _commit_of(self, request: Request, repo: Repo) -> Commit:
        commit = repo.at(request.path_params.get("rev", "main"))
        if commit is None:
            raise _Refused(404, "Invalid rev id", "RevisionNotFound")
        return commit

    async def whoami(self, request: Request) -> Response:
        user = self._user(request)
        if user is None:
            raise _Refused(401, "Invalid username or password.")
        role = "write" if user.may_write else "read"
        auth = {"type": "access_token", "accessToken": {"displayName": "test", "role": role}}
        return JSONResponse({"type": "user", "name": user.name, "orgs": [], "auth": auth})

    async def create(self, request: Request) -> Response:
        user = self._user(request)
        asked = await request.json()
        if user is None:
            raise _Refused(401, "Invalid username or password.")
        owner = asked.get("organization") or user.name
        if owner != user.name or not user.may_write:
            raise _Refused(403, f"You don't have the rights to create a repo for {owner!r}")
        kind, id_ = f"{asked.get('type') or 'model'}s", f"{owner}/{asked['name']}"
        private = asked.get("visibility") == "private" or asked.get("private") is True
        prefix = "" if kind == "models" else f"{kind}/"
        made = {"url": f"{self._hub.url}/{prefix}{id_}", "name": id_, "id": id_}
        with self._lock:
            if (kind, id_) in self._hub.repos:
                return JSONResponse({**made, "error": "You already created this repo"}, 409)
            self._hub.make(kind, id_, private=private)
        return JSONResponse(made)

    async def info(self, request: Request) -> Response:
        repo = self._repo(request)
        commit = self._commit_of(request, repo)
        return JSONResponse(
            {
                "id": repo.id,
                "_id": repo.id,
                "author": repo.id.partition("/")[0],
                "sha": commit.oid,
                "private": repo.private,
                "gated": False,
                "disabled": False,
                "tags": [],
                "downloads": 0,
                "likes": 0,
                "lastModified": f"{commit.at:%Y-%m-%dT%H:%M:%S.000Z}",
                "createdAt": f"{repo.commits[0].at:%Y-%m-%dT%H:%M:%S.000Z}",
                "siblings": [{"rfilename": path} for path in commit.files],
            }
        )

    async def refs(self, request: Request) -> Response:
        head = self._repo(request).head.oid
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": head}
        return JSONResponse({"branches": [main], "tags": [], "converts": []})

    async def commits(self, request: Request) -> Response:
        return JSONResponse(
            [
                {
                    "id": commit.oid,
                    "title": commit.title,
                    "message": "",
                    "authors": [],
                    "date": f"{commit.at:%Y-%m-%dT%H:%M:%S.000Z}",
                }
                for commit in reversed(self._repo(request).commits)
            ]
        )

    async def validate_yaml(self, request: Request) -> Response:
        await request.json()
        return JSONResponse({"errors": [], "warnings": []})

    # --- reading --------------------------------------------------------------------------------

    async def tree(self, request: Request) -> Response:
        commit = self._commit_of(request, self._repo(request))
        folder = request.path_params.get("path", "").strip("/")
        below = {path: blob for path, blob in commit.files.items() if _is_below(path, folder)}
        if folder and not below:
            raise _Refused(404, f"{folder} does not exist on main", "EntryNotFound")
        recursive = request.query_params.get("recursive", "").lower() == "true"
        folders = {parent for path in below for parent in _folders_between(path, folder)}
        entries = [_folder_entry(parent) for parent in sorted(folders)]
        entries += [blob.entry(path) for path, blob in sorted(below.items())]
        if not recursive:
            entries = [entry for entry in entries if entry["path"].rpartition("/")[0] == folder]
        first, most = int(request.query_params.get("cursor", 0)), 1000
        headers = {}
        if first + most < len(entries):
            url = request.url.include_query_params(cursor=first + most)
            headers = {"Link": f'<{url}>; rel="next"'}
        return JSONResponse(entries[first : first + most], headers=headers)

    async def paths_info(self, request: Request) -> Response:
        commit = self._commit_of(request, self._repo(request))
        if request.headers["content-type"].startswith("application/json"):
            paths = (await request.json())["paths"]
        else:
            paths = (await request.form()).getlist("paths")
        entries: list[dict[str, Any]] = []
        for path in map(str, paths):
            if path in commit.files:
                entries.append(commit.files[path].entry(path))
            elif any(_is_below(other, path) for other in commit.files):
                entries.append(_folder_entry(path))
        return JSONResponse(entries)

    async def resolve(self, request: Request) -> Response:
        repo = self._repo(request)
        commit = self._commit_of(request, repo)
        blob = commit.files.get(request.path_params["path"])
        if blob is None:
            raise _Refused(404, "Entry not found", "EntryNotFound")
        headers = {
            "ETag": f'"{blob.etag}"',
            "X-Repo-Commit": commit.oid,
            "X-Linked-Size": str(len(blob.content)),
            "X-Linked-ETag": f'"{blob.etag}"',
            "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
        }
        asked = request.headers.get("range")
        if asked is None:
            return Response(blob.content, headers=headers)
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start = int(first) if first else max(0, len(blob.content) - int(last))
        end = min(int(last) if first and last else len(blob.content) - 1, len(blob.content) - 1)
        if start > end:
            return Response(status_code=416, headers=headers)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(blob.content)}"
        return Response(blob.content[start : end + 1], 206, headers=headers)

    # --- writing --------------------------------------------------------------------------------

    async def preupload(self, request: Request) -> Response:
        repo = self._repo(request, write=True)
        files = []
        for file in (await request.json())["files"]:
            is_large = file["size"] > LARGE or file["path"].endswith(BINARY)
            here = repo.head.files.get(file["path"])
            files.append(
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if is_large else "regular",
                    "shouldIgnore": False,
                    **({"oid": here.etag} if here else {}),
                }
            )
        return JSONResponse({"files": files})

    async def lfs_batch(self, request: Request) -> Response:
        repo = self._repo(request, write=True)
        objects = []
        for file in (await request.json())["objects"]:
            found = {"oid": file["oid"], "size": file["size"]}
            if file["oid"] not in repo.large:
                href = f"{self._hub.url}/lfs/{repo.kind}/{repo.id}/{file['oid']}"
                found["actions"] = {"upload": {"href": href}}
            objects.append(found)
        return JSONResponse({"transfer": "basic", "objects": objects})

    async def lfs_upload(self, request: Request) -> Response:
        params = request.path_params
        repo = self._hub.repos[params["kind"], f"{params['user']}/{params['name']}"]
        content = await request.body()
        if hashlib.sha256(content).hexdigest() != params["sha256"]:
            raise _Refused(400, "The content is not what its name says")
        repo.large[params["sha256"]] = content
        return Response()

    async def commit(self, request: Request) -> Response:
        repo = self._repo(request, write=True)
        header, *operations = map(json.loads, (await request.body()).splitlines())
        with self._lock:
            parent = header["value"].get("parentCommit")
            if parent is not None and parent != repo.head.oid:
                raise _Refused(412, "A commit has happened since. Please refresh and try again.")
            files = dict(repo.head.files)
            for operation in operations:
                _apply(operation["key"], operation["value"], files, repo)
            repo.commits.append(Commit(header["value"]["summary"], files))
            oid = repo.head.oid
        url = f"{self._hub.url}/{repo.kind}/{repo.id}/commit/{oid}"
        return JSONResponse({"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""})

    async def squash(self, request: Request) -> Response:
        repo = self._repo(request, write=True)
        with self._lock:
            repo.commits[:] = [Commit("Super-squash branch 'main'", repo.head.files)]
        return JSONResponse({"success": True})

    async def large_files(self, request: Request) -> Response:
        repo = self._repo(request, write=True)
        return JSONResponse(
            [
                {
                    "fileOid": sha256[:24],
                    "filename": sha256,
                    "oid": sha256,
                    "pushedAt": f"{repo.head.at:%Y-%m-%dT%H:%M:%S.000Z}",
                    "ref": "main",
                    "size": len(content),
                }
                for sha256, content in repo.large.items()
            ]
        )

    async def delete_large_files(self, request: Request) -> Response:
        repo = self._repo(request, write=True)
        doomed = set((await request.json())["deletions"]["sha"])
        for sha256 in [sha256 for sha256 in repo.large if sha256[:24] in doomed]:
            del repo.large[sha256]
        return JSONResponse({"success": True})


def _apply(key: str, value: dict[str, Any], files: dict[str, Blob], repo: Repo) -> None:
    """Do to *files* what one line of a commit says."""
    match key:
        case "file":
            files[value["path"]] = Blob(base64.b64decode(value["content"]))
        case "lfsFile":
            if value["oid"] not in repo.large:
                raise _Refused(400, f"LFS object {value['oid']} was never uploaded")
            files[value["path"]] = Blob(repo.large[value["oid"]], is_large=True)
        case "deletedFile":
            if files.pop(value["path"], None) is None:
                raise _Refused(400, f"A file with the name {value['path']!r} does not exist")
        case "deletedFolder":
            for path in [path for path in files if _is_below(path, value["path"].rstrip("/"))]:
                del files[path]
        case _:
            raise _Refused(501, f"The Hub for tests knows no operation {key!r}")


def _folder_entry(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "oid": "0" * 40, "size": 0}


def _is_below(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def _folders_between(path: str, folder: str) -> list[str]:
    """The folders on the way from *folder* to the file *path*."""
    parts = path.split("/")[:-1]
    return [
        "/".join(parts[: depth + 1])
        for depth in range(len(parts))
        if _is_below("/".join(parts[: depth + 1]), folder)
    ]
