# Copyright 2026 The audiolcm-diffusers authors. Licensed under the Apache License, Version 2.0.
"""A stand-in of the Hub's API on this machine: repositories are made, uploaded to and read, and nothing else."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Hub:
    """Repositories: files of each by their names, and the commit that they are of."""

    def __init__(self):
        self.repositories = {}
        self.address = None

    def commit_of(self, name):
        text = repr(sorted((path, hashlib.sha1(content).hexdigest()) for path, content in self.files(name).items()))
        return hashlib.sha1(text.encode()).hexdigest()

    def files(self, name):
        return self.repositories[name]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub = None

    def log_message(self, *args):
        pass

    def answer(self, status, content=b"", headers=()):
        if isinstance(content, (dict, list)):
            content = json.dumps(content).encode()
            headers = {"Content-Type": "application/json", **dict(headers)}
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_POST(self):
        path = unquote(urlsplit(self.path).path).strip("/").split("/")
        content = self.body()
        if path == ["api", "repos", "create"]:
            asked = json.loads(content)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            self.hub.repositories.setdefault(name, {})
            return self.answer(200, {"url": f"{self.hub.address}/{name}", "name": name})
        if path == ["api", "validate-yaml"]:  # of a card
            return self.answer(200, {"errors": [], "warnings": []})
        if len(path) < 5 or "/".join(path[2:4]) not in self.hub.repositories:
            return self.answer(404, {"error": "not here"})
        name, action = "/".join(path[2:4]), path[4]
        if action == "preupload":
            modes = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(content)["files"]
            ]
            return self.answer(200, {"files": modes})
        if action == "commit":
            for line in content.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    value = entry["value"]
                    self.hub.files(name)[value["path"]] = base64.b64decode(value["content"])
            commit = self.hub.commit_of(name)
            url = f"{self.hub.address}/{name}/commit/{commit}"
            return self.answer(200, {"commitUrl": url, "commitOid": commit, "success": True})
        return self.answer(404, {"error": "not here"})

    def do_GET(self):
        path = unquote(urlsplit(self.path).path).strip("/").split("/")
        if path[:2] == ["api", "models"] and "/".join(path[2:4]) in self.hub.repositories:
            return self.describe("/".join(path[2:4]), path[4:])
        name = "/".join(path[:2])
        if len(path) > 4 and path[2] == "resolve" and name in self.hub.repositories:
            content = self.hub.files(name).get("/".join(path[4:]))
            if content is None:
                return self.answer(404, headers={"X-Error-Code": "EntryNotFound"})
            commit = self.hub.commit_of(name)
            etag = f'"{hashlib.sha1(content).hexdigest()}"'
            return self.answer(200, content, {"X-Repo-Commit": commit, "ETag": etag, "Accept-Ranges": "none"})
        return self.answer(404, headers={"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET

    def describe(self, name, rest):
        files = self.hub.files(name)
        if rest and rest[0] == "tree":
            entries = [
                {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for path, content in sorted(files.items())
            ]
            return self.answer(200, entries)
        siblings = [{"rfilename": path} for path in sorted(files)]
        return self.answer(200, {"id": name, "modelId": name, "sha": self.hub.commit_of(name), "siblings": siblings})


@contextmanager
def hub_stand_in():
    """A [`Hub`] that is served at `hub.address`."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("HubHandler", (Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()
