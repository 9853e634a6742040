"""The calls of a fine-tuning API, each made again where that may help and nothing ever made twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from spillover.errors import ConfigError, MissingExtraError, ModelError

ResultT = TypeVar("ResultT")
_AGAIN = (408, 409, 425, 429)  # and everything from 500 on
_PREFIX = "openai-api/"


class Pace(NamedTuple):
    """How patient the client is, in seconds.

    Attributes:
        first, most: waits between two looks at a job; each is half as long again as the last.
        retry: wait before a failed call is made again, twice as long each time.
        retries: how often a call is made again.
        timeout: of one call.
    """

    first: float = 2.0
    most: float = 60.0
    retry: float = 1.0
    retries: int = 7
    timeout: float = 120.0


class Service(NamedTuple):
    """Where the API of a model lies. ``prefix`` and an API's model name are Inspect AI's name."""

    prefix: str
    model: str
    url: str | None
    key: str


def find_service(name: str) -> Service:
    """Return the API that a base ``remote:NAME`` means, with address and key from the environment.

    Raises:
        ConfigError: its provider has no such jobs, or address or key are not set.
    """
    model = name.removeprefix("remote:")
    if model.startswith("openai/"):
        prefix, address, key = "openai/", "OPENAI_BASE_URL", "OPENAI_API_KEY"
    elif model.startswith(_PREFIX) and model.count("/") >= 2:
        prefix = "/".join(model.split("/")[:2]) + "/"
        owner = prefix.split("/")[1].upper().replace("-", "_")
        address, key = f"{owner}_BASE_URL", f"{owner}_API_KEY"
    else:
        raise ConfigError(
            f"{name} can't be fine-tuned: fine-tuning over an API is for remote:openai/MODEL and"
            " remote:openai-api/SERVICE/MODEL"
        )
    url = os.environ.get(address) or None
    if url is None and prefix != "openai/":
        raise ConfigError(f"no address for {name}: set {address}")
    if not os.environ.get(key):
        raise ConfigError(f"no key for {name}: set {key}")
    return Service(prefix, model.removeprefix(prefix), url, os.environ[key])


class Api:
    """A fine-tuning API.

    Args:
        service: from `find_service`.
        pace: how patient to be.

    Raises:
        MissingExtraError: openai is not installed.
    """

    def __init__(self, service: Service, pace: Pace) -> None:
        try:
            import openai
        except ImportError:
            raise MissingExtraError(
                "fine-tuning over an API needs openai: pip install 'spillover[remote]'"
            ) from None
        self._openai, self._pace = openai, pace
        # A client that tries again by itself would upload a file twice whose answer got lost.
        self._client = openai.OpenAI(
            api_key=service.key, base_url=service.url, max_retries=0, timeout=pace.timeout
        )

    def upload(self, name: str, content: bytes, *, doubt: bool) -> str:
        """Upload a file of rows once, and return its id.

        Args:
            name: no other file of the account has it.
            content: chat JSONL.
            doubt: it may lie there already.
        """

        def find() -> str | None:
            files = self._client.files.list(purpose="fine-tune")
            return next((one.id for one in _checked(files) if one.filename == name), None)

        def make() -> str:
            return _checked(self._client.files.create(file=(name, content), purpose="fine-tune")).id

        return self._once(f"uploading {name}", find, make, doubt=doubt)

    def start(self, *, doubt: bool, training_file: str, **settings: Any) -> str:
        """Start a job once, and return its id; it is known by its training file.

        Args:
            doubt: it may have been started already.
            training_file: id of the uploaded file.
            settings: what else ``fine_tuning.jobs.create`` takes.
        """

        def make() -> str:
            create = self._client.fine_tuning.jobs.create
            return _checked(create(training_file=training_file, **settings)).id

        return self._once(
            "starting the job", lambda: self._of_file(training_file), make, doubt=doubt
        )

    def find_job(self, training_file: str) -> str | None:
        """Return the id of the job that trains on a file, if there is one."""
        return self._call("looking for the job", lambda: self._of_file(training_file))

    def _of_file(self, training_file: str) -> str | None:
        jobs = _checked(self._client.fine_tuning.jobs.list(limit=100))
        return next((one.id for one in jobs if one.training_file == training_file), None)

    def job(self, job: str) -> Any:
        """Return the job as the API has it now."""
        retrieve = self._client.fine_tuning.jobs.retrieve
        return self._call(f"asking for job {job}", lambda: _checked(retrieve(job)))

    def cancel(self, job: str) -> Any:
        """End a job, and return it."""
        end = self._client.fine_tuning.jobs.cancel
        return self._call(f"cancelling job {job}", lambda: _checked(end(job)))

    def events(self, job: str) -> list[Any]:
        """Return the last events of a job, oldest first; none where the API has none to give."""
        jobs = self._client.fine_tuning.jobs
        try:
            page = self._call("", lambda: _checked(jobs.list_events(job, limit=50)), retries=0)
        except ModelError:
            return []  # they are only shown
        return list(reversed(page.data or []))  # the API gives the newest first

    def checkpoints(self, job: str) -> list[Any]:
        """Return the checkpoints of a job, in the order of their steps."""
        source = self._client.fine_tuning.jobs.checkpoints
        found = self._call("asking for checkpoints", lambda: list(_checked(source.list(job))))
        return sorted(found, key=lambda one: one.step_number)

    def table(self, file: str) -> bytes:
        """Return the content of a file that holds a table."""

        def read() -> bytes:
            content = self._client.files.content(file).read()
            if content.lstrip()[:1] in (b"<", b"{"):  # a page or an error in its place
                raise _GarbledError(f"the file is no table: {content[:60]!r}")
            return content

        return self._call(f"reading file {file}", read)

    def _once(
        self,
        doing: str,
        find: Callable[[], str | None],
        make: Callable[[], str],
        *,
        doubt: bool,
    ) -> str:
        """Make something unless it is there; after a call whose answer got lost, look first."""
        for wait in self._waits():
            if doubt and (found := self._call(doing, find)) is not None:
                return found
            try:
                return self._call(doing, make, retries=0)
            except _FailedError as error:
                if wait is None:
                    raise ModelError(f"{error}: the same command tries again") from None
                doubt = True
                time.sleep(max(wait, error.wait))
        raise AssertionError("the last wait is None")

    def _call(
        self, doing: str, send: Callable[[], ResultT], *, retries: int | None = None
    ) -> ResultT:
        """Make a call, again where that may help.

        Raises:
            ModelError: the API refuses it, or it fails to the end; `_FailedError` if it was made once.
        """
        for wait in self._waits(retries):
            try:
                return send()
            except self._openai.APIStatusError as error:
                why = f"{doing}: {error.status_code} {_text(error)}"
                if (error.status_code < 500 and error.status_code not in _AGAIN) or _spent(error):
                    raise ModelError(f"the API refused {why}") from None
                failed = _FailedError(f"the API failed at {why}", _retry_after(error))
            except (self._openai.OpenAIError, OSError, ValueError, *_GARBLED) as error:
                cause = error.__cause__ or error
                failed = _FailedError(
                    f"the API failed at {doing}: {type(cause).__name__} {_text(error)}", 0
                )
            if wait is None:
                raise failed
            time.sleep(max(wait, failed.wait))
        raise AssertionError("the last wait is None")

    def _waits(self, retries: int | None = None) -> Iterator[float | None]:
        """Waits before each next try; None after the last."""
        for number in range(self._pace.retries if retries is None else retries):
            yield min(self._pace.retry * 2**number, self._pace.most)
        yield None


class _GarbledError(Exception):
    """The reply is none that the API would give."""


# The client itself trips over a list that is no JSON.
_GARBLED = (_GarbledError, AttributeError, TypeError)


class _FailedError(ModelError):
    """A call failed in a way that may pass. The API asks to wait ``wait`` seconds."""

    def __init__(self, message: str, wait: float) -> None:
        super().__init__(message)
        self.wait = wait


def _checked(reply: ResultT) -> ResultT:
    """The client gives a reply that is no JSON as text, such as a proxy's error page."""
    if isinstance(reply, str):
        raise _GarbledError(f"the reply is no JSON: {reply[:60]!r}")
    return reply


def _spent(error: Any) -> bool:
    return getattr(error, "code", None) == "insufficient_quota"


def _retry_after(error: Any) -> float:
    try:
        return min(float(error.response.headers.get("retry-after", 0)), 300.0)
    except ValueError:
        return 0.0


def _text(error: Any) -> str:
    """What an error says, in one line."""
    body = getattr(error, "body", None)
    text = body.get("message") if isinstance(body, dict) else None
    return " ".join(str(text or getattr(error, "message", error)).split())[:300]
