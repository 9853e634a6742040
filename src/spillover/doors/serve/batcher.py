"""One thread that owns the models: what waits together is sampled together."""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from spillover.doors.serve.request import ChatRequest
from spillover.doors.serve.scripts import recite
from spillover.doors.serve.wire import Answered, RequestError
from spillover.models.scripted import ScriptedTarget

if TYPE_CHECKING:  # scripts are served without torch
    from spillover.models.local import LocalTarget
    from spillover.models.sampler import Reply, Request

Model: TypeAlias = "LocalTarget | ScriptedTarget"

_GATHER = 0.01  # seconds in which requests that were sent together arrive together
_MOST_WAITING = 4096  # answers
_PATIENCE = 10.0  # seconds in which the thread ends, from one token to the next


@dataclass(eq=False)
class _Job:
    """One request under way."""

    request: ChatRequest
    seed: int
    future: Future[Answered]
    requests: list[Request] = field(default_factory=list["Request"])
    replies: dict[int, Reply] = field(default_factory=dict[int, "Reply"])

    @property
    def over(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.future.done()


class Batcher:
    """Answers requests on a thread of its own.

    Args:
        targets: the models by the names that clients use.
    """

    def __init__(self, targets: Mapping[str, Model]) -> None:
        self.targets = targets
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="spillover-serve", daemon=True)
        self._thread.start()

    def target(self, name: str) -> Model:
        """Return the model that clients call ``name``.

        Raises:
            RequestError: there is none.
        """
        if name not in self.targets:
            known = ", ".join(self.targets)
            raise RequestError(
                f"no model {name!r} here; there are {known}",
                status=404, param="model", code="model_not_found",
            )  # fmt: skip
        return self.targets[name]

    def submit(self, request: ChatRequest, *, seed: int) -> Future[Answered]:
        """Put a request in line. Cancelling the future takes it out, or ends its sampling.

        Raises:
            RequestError: no model of that name, or too much waits already, or the server stops.
        """
        self.target(request.model)
        with self._lock:
            if self._stopping.is_set():
                raise stopping()
            if self._waiting and self._waiting + request.n > _MOST_WAITING:
                raise RequestError(
                    f"{self._waiting} answers are waiting already: try again later",
                    status=429, code="busy", retry_after=1,
                )  # fmt: skip
            self._waiting += request.n
            future: Future[Answered] = Future()
            future.add_done_callback(lambda _: self._leave(request.n))
            self._queue.put(_Job(request, seed, future))
        return future

    def halt(self) -> None:
        """Begin to end: what waits gets an error within a token's time, what comes gets one too."""
        with self._lock:
            self._stopping.set()
            self._queue.put(None)

    def stop(self) -> None:
        """End the thread."""
        self.halt()
        self._thread.join(_PATIENCE)

    def _leave(self, answers: int) -> None:
        with self._lock:
            self._waiting -= answers

    def _work(self) -> None:
        while not self._stopping.is_set():
            jobs = self._gather()
            by_target: dict[str, list[_Job]] = defaultdict(list)
            for job in jobs:
                by_target[job.request.model].append(job)
            for name, group in by_target.items():
                self._answer(self.targets[name], group)
        _refuse(self._drain(), stopping())

    def _gather(self) -> list[_Job]:
        """Wait for a request, and a moment for those that come with it."""
        first = self._queue.get()
        if first is not None:
            time.sleep(_GATHER)
        return [job for job in (first, *self._drain()) if job is not None]

    def _drain(self) -> list[_Job]:
        found: list[_Job] = []
        while True:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return found
            if job is not None:
                found.append(job)

    def _answer(self, target: Model, jobs: Sequence[_Job]) -> None:
        """Answer ``jobs``, all for one model; the thread outlives any error."""
        try:
            if isinstance(target, ScriptedTarget):
                self._recite(target, jobs)
            else:
                self._sample(
                    target, [job for job in jobs if not job.over and _prepare(target, job)]
                )
            _refuse(jobs, stopping())
        except Exception as error:
            _refuse(jobs, _failed(error))

    def _recite(self, target: ScriptedTarget, jobs: Sequence[_Job]) -> None:
        for job in jobs:
            if self._stopping.is_set():
                return
            if job.over:
                continue
            try:
                answered = recite(target, job.request, seed=job.seed)
            except RequestError as error:
                _refuse([job], error)
            else:
                _deliver(job, answered)

    def _sample(self, target: LocalTarget, jobs: Sequence[_Job]) -> None:
        """Sample for ``jobs`` as one batch."""
        owners = [(job, i) for job in jobs for i in range(len(job.requests))]
        if not owners:
            return
        requests = [job.requests[i] for job, i in owners]

        def halt() -> bool:
            return self._stopping.is_set() or all(job.over for job in jobs)

        for reply in target.sampler.sample(requests, halt=halt):
            job, i = owners[reply.request]
            job.replies[i] = reply
            if len(job.replies) == len(job.requests) and not job.over:
                _finish(target, job)


def stopping() -> RequestError:
    """What a client is told while the server ends."""
    return RequestError("the server is stopping", status=503, code="stopping")


def _failed(error: Exception) -> RequestError:
    message = f"sampling failed: {type(error).__name__}: {error}"
    return RequestError(message, status=500, code="sampling_failed")


def _prepare(target: LocalTarget, job: _Job) -> bool:
    """Say whether the job can be sampled; else it has its error."""
    from spillover.doors.serve.answering import sampler_requests

    try:
        job.requests = sampler_requests(target, job.request, seed=job.seed)
    except RequestError as error:
        _refuse([job], error)
        return False
    return True


def _finish(target: LocalTarget, job: _Job) -> None:
    from spillover.doors.serve.answering import to_answered

    prompt = job.requests[0].prompt
    replies = [job.replies[i] for i in range(len(job.requests))]
    try:
        answered = to_answered(target, job.request, prompt=prompt, replies=replies)
    except Exception as error:  # no reason for the others in the batch to fail
        _refuse([job], error if isinstance(error, RequestError) else _failed(error))
        return
    _deliver(job, answered)


def _deliver(job: _Job, answered: Answered) -> None:
    if job.future.set_running_or_notify_cancel():
        job.future.set_result(answered)


def _refuse(jobs: Iterable[_Job], error: RequestError) -> None:
    for job in jobs:
        if not job.over and job.future.set_running_or_notify_cancel():
            job.future.set_exception(error)
