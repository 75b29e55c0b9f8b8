"""A provider that keeps files and carries out batches, as OpenAI does, for whoever has the key; under another key there
is nothing. On real sockets, like the other fakes."""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

__all__ = ["Keeper"]

Objects = dict[tuple[str, str], Any]


@dataclass
class Keeper:
    """``fail`` is the status of every answer from now on, 0 for none. ``says`` takes the place of what an upload is
    answered with."""

    name: str = "a"
    files: Objects = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    batches: Objects = field(default_factory=dict)
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    fail: int = 0
    says: object = None
    cut: bool = False
    serial: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/files", self.upload, methods=["POST"]),
                Route("/v1/files/{id}", self.file, methods=["GET", "DELETE"]),
                Route("/v1/files/{id}/content", self.content, methods=["GET"]),
                Route("/v1/batches", self.start, methods=["POST"]),
                Route("/v1/batches/{id}", self.batch, methods=["GET"]),
                Route("/v1/batches/{id}/cancel", self.cancel, methods=["POST"]),
            ]
        )

    def _key(self, request: Request) -> str:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.seen.append((request.method, request.url.path, key))
        return key

    def _failure(self, request: Request) -> Response | None:
        if not self.fail:
            return None
        key = request.headers.get("authorization", "")
        error = {"message": f"Told to fail, {key}.", "type": "told", "param": None, "code": "told"}
        return JSONResponse({"error": error}, self.fail)

    async def upload(self, request: Request) -> Response:
        key = self._key(request)
        if failure := self._failure(request):
            return failure
        self.bodies.append(await request.body())
        async with request.form() as form:
            upload, purpose, fields = form["file"], str(form["purpose"]), sorted(form)
            assert not isinstance(upload, str)
            name, content = str(upload.filename), await upload.read()
        if self.says is not None:
            return JSONResponse(self.says)
        return JSONResponse(self._file(key, name, purpose, content) | {"fields": fields})

    def _file(self, key: str, filename: str, purpose: str, content: bytes) -> dict[str, Any]:
        name = f"file-{self.name}{next(self.serial)}"
        file = {
            "id": name,
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": filename,
            "purpose": purpose,
            "status": "processed",
        }
        self.files[key, name], self.contents[name] = file, content
        return file

    async def file(self, request: Request) -> Response:
        key, name = self._key(request), request.path_params["id"]
        if failure := self._failure(request):
            return failure
        if (key, name) not in self.files:
            return _missing(name)
        if request.method == "DELETE":
            del self.files[key, name]
            return JSONResponse({"id": name, "object": "file", "deleted": True})
        return JSONResponse(self.files[key, name])

    async def content(self, request: Request) -> Response:
        key, name = self._key(request), request.path_params["id"]
        if failure := self._failure(request):
            return failure
        if (key, name) not in self.files:
            return _missing(name)

        async def pieces() -> Any:
            content = self.contents[name]
            for start in range(0, len(content), 1000):
                yield content[start : start + 1000]
                if self.cut:
                    raise ConnectionError("told to break off")

        return StreamingResponse(pieces(), media_type="application/octet-stream")

    async def start(self, request: Request) -> Response:
        key = self._key(request)
        if failure := self._failure(request):
            return failure
        asked = msgspec.json.decode(await request.body())
        if (key, asked["input_file_id"]) not in self.files:
            return _missing(asked["input_file_id"])
        batch = {
            "id": f"batch_{self.name}{next(self.serial)}",
            "object": "batch",
            "endpoint": asked["endpoint"],
            "input_file_id": asked["input_file_id"],
            "completion_window": asked["completion_window"],
            "metadata": asked.get("metadata"),
            "status": "validating",
            "created_at": int(time.time()),
            "output_file_id": None,
            "error_file_id": None,
        }
        self.batches[key, batch["id"]] = batch
        return JSONResponse(batch)

    def finish(self) -> None:
        """Every batch is carried out."""
        for (key, _), batch in self.batches.items():
            lines = self.contents[batch["input_file_id"]].strip().split(b"\n")
            answers = [re.sub(rb'"body"', b'"response"', line) for line in lines]
            output = self._file(key, "output.jsonl", "batch_output", b"\n".join(answers))
            batch |= {"status": "completed", "output_file_id": output["id"]}

    async def batch(self, request: Request) -> Response:
        key, name = self._key(request), request.path_params["id"]
        if failure := self._failure(request):
            return failure
        return JSONResponse(self.batches[key, name]) if (key, name) in self.batches else _missing(name)

    async def cancel(self, request: Request) -> Response:
        key, name = self._key(request), request.path_params["id"]
        self.batches[key, name]["status"] = "cancelling"
        return JSONResponse(self.batches[key, name])


def _missing(name: str) -> Response:
    error = {"message": f"No such object: {name}", "type": "invalid_request_error", "param": "id", "code": None}
    return JSONResponse({"error": error}, 404)
