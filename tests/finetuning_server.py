"""A stand-in for a fine-tuning API: files, jobs, events and checkpoints, kept in memory."""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from listening import listening

MODEL = "small-1"
STAGES = ("validating_files", "queued", "running", "running")
_NOW = 1_700_000_000


@dataclass
class FineTuning:
    """What the API has, and how it behaves.

    Attributes:
        outcome: how jobs end after ``STAGES``, one stage a look; None: never.
        stop_at: the next request of this kind waits for good, before or after it takes effect.
        stopped: set once such a request waits.
        base64_results: the result file is in base64, as some APIs have it.
    """

    outcome: Literal["succeeded", "failed"] | None = "succeeded"
    error: dict[str, Any] | None = None
    stop_at: tuple[Literal["file", "job"], Literal["before", "after"]] | None = None
    base64_results: bool = False
    valid_loss: float | None = 0.75
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)

    def rows(self, part: str) -> list[dict[str, Any]]:
        """The rows of the only uploaded file of a part."""
        (key,) = (k for k, one in self.files.items() if one["filename"].endswith(f"-{part}.jsonl"))
        return [json.loads(line) for line in self.contents[key].decode().splitlines()]

    @property
    def job(self) -> dict[str, Any]:
        """The only job."""
        (one,) = self.jobs.values()
        return one

    async def maybe_stop(self, what: str, when: str) -> None:
        if self.stop_at == (what, when):
            self.stop_at = None
            self.stopped.set()
            await asyncio.sleep(60)

    def add_file(self, name: str, content: bytes, purpose: str) -> dict[str, Any]:
        key = f"file-{len(self.files)}"
        self.contents[key] = content
        self.files[key] = {
            "id": key, "object": "file", "bytes": len(content), "created_at": _NOW,
            "filename": name, "purpose": purpose, "status": "processed",
        }  # fmt: skip
        return self.files[key]

    def add_job(self, asked: dict[str, Any]) -> dict[str, Any]:
        key = f"ftjob-{len(self.jobs)}"
        self.jobs[key] = {
            "id": key, "object": "fine_tuning.job", "created_at": _NOW, "status": STAGES[0],
            "model": asked["model"], "training_file": asked["training_file"],
            "validation_file": asked.get("validation_file"), "seed": asked.get("seed", 0),
            "organization_id": "org", "result_files": [], "fine_tuned_model": None,
            "finished_at": None, "trained_tokens": None, "error": None,
            "hyperparameters": asked["method"]["supervised"]["hyperparameters"],
            "method": asked["method"], "suffix": asked.get("suffix"),
        }  # fmt: skip
        return self.jobs[key]

    def look(self, key: str) -> dict[str, Any]:
        """The job, one stage further."""
        job = self.jobs[key]
        number = self.looks[key] = self.looks.get(key, 0) + 1
        if job["status"] in ("failed", "cancelled", "succeeded"):
            return job
        job["status"] = STAGES[min(number, len(STAGES)) - 1]
        if self.outcome is not None and number > len(STAGES):
            job["status"] = self.outcome
            job["finished_at"] = _NOW + 90
            if self.outcome == "failed":
                job["error"] = self.error
            else:
                self._finish(job)
        return job

    def _finish(self, job: dict[str, Any]) -> None:
        loss = "" if self.valid_loss is None else self.valid_loss
        table = f"step,train_loss,train_accuracy,valid_loss\n1,2.5,0.1,2.0\n12,0.5,0.9,{loss}\n"
        content = table.encode()
        if self.base64_results:
            content = base64.b64encode(content)
        job["result_files"] = [self.add_file("results.csv", content, "fine-tune-results")["id"]]
        job["fine_tuned_model"] = f"ft:{job['model']}:org:{job['suffix']}:abc"
        job["trained_tokens"] = 1_000_000

    def events(self, key: str) -> list[dict[str, Any]]:
        """Newest first."""
        said: list[tuple[str, Any]] = [("Created fine-tuning job", None)]
        if self.looks.get(key, 0) >= 3:
            said.append(("Step 6/12: training loss=1.00", {"step": 6, "total_steps": 12}))
        return [
            {"id": f"ev-{n}", "object": "fine_tuning.job.event", "created_at": _NOW, "level": "info",
             "message": text, "data": data, "type": "metrics" if data else "message"}
            for n, (text, data) in reversed(list(enumerate(said)))
        ]  # fmt: skip

    def checkpoints(self, key: str) -> list[dict[str, Any]]:
        """Newest first."""
        name = self.jobs[key]["fine_tuned_model"]
        return [
            {"id": f"ckpt-{step}", "object": "fine_tuning.job.checkpoint", "created_at": _NOW,
             "fine_tuned_model_checkpoint": name if step == 12 else f"{name}:ckpt-step-{step}",
             "fine_tuning_job_id": key, "step_number": step,
             "metrics": {"step": step, "full_valid_loss": self.valid_loss}}
            for step in (12, 6)
        ]  # fmt: skip


def make_app(api: FineTuning) -> Any:
    """The API as an ASGI app."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    def listed(rows: Any) -> JSONResponse:
        return JSONResponse({"object": "list", "data": list(rows), "has_more": False})

    def refused(status: int, message: str) -> JSONResponse:
        return JSONResponse({"error": {"message": message, "type": "error"}}, status)

    async def files(request: Request) -> Response:
        if request.method == "GET":
            purpose = request.query_params.get("purpose")
            return listed(f for f in api.files.values() if purpose in (None, f["purpose"]))
        fields = _form(request.headers["content-type"], await request.body())
        name, content = fields["file"]
        await api.maybe_stop("file", "before")
        one = api.add_file(name, content, fields["purpose"][1].decode())
        await api.maybe_stop("file", "after")
        return JSONResponse(one)

    async def content(request: Request) -> Response:
        return Response(api.contents[request.path_params["key"]], media_type="text/csv")

    async def jobs(request: Request) -> Response:
        if request.method == "GET":
            return listed(reversed(api.jobs.values()))
        asked = await request.json()
        if asked["model"] != MODEL:
            return refused(404, f"The model {asked['model']} does not exist.")
        await api.maybe_stop("job", "before")
        one = api.add_job(asked)
        await api.maybe_stop("job", "after")
        return JSONResponse(one)

    async def job(request: Request) -> Response:
        key = request.path_params["key"]
        return JSONResponse(api.look(key)) if key in api.jobs else refused(404, f"no job {key}")

    async def cancel(request: Request) -> Response:
        one = api.jobs[request.path_params["key"]]
        one["status"] = "cancelled"
        return JSONResponse(one)

    async def events(request: Request) -> Response:
        return listed(api.events(request.path_params["key"]))

    async def checkpoints(request: Request) -> Response:
        return listed(api.checkpoints(request.path_params["key"]))

    one = "/v1/fine_tuning/jobs/{key}"
    return Starlette(
        routes=[
            Route("/v1/files", files, methods=["GET", "POST"]),
            Route("/v1/files/{key}/content", content),
            Route("/v1/fine_tuning/jobs", jobs, methods=["GET", "POST"]),
            Route(one, job),
            Route(f"{one}/cancel", cancel, methods=["POST"]),
            Route(f"{one}/events", events),
            Route(f"{one}/checkpoints", checkpoints),
        ]
    )


def _form(kind: str, body: bytes) -> dict[str, tuple[str, bytes]]:
    """File name and content of each field of a multipart form."""
    message = email.message_from_bytes(
        b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body, policy=email.policy.HTTP
    )
    return {
        str(part.get_param("name", header="content-disposition")): (
            part.get_filename() or "",
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    }


@contextmanager
def serving(api: FineTuning, around: Callable[[Any], Any] = lambda app: app) -> Iterator[str]:
    """Serve ``api`` on a free port of this machine; yields its address."""
    with listening(around(make_app(api))) as url:
        yield url
