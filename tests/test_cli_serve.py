"""``spillover serve`` as a process: it answers, ends when interrupted, and says what is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import tiny_models as tiny
from cli_helper import heed_interrupts, run

pytest.importorskip("torch")
pytest.importorskip("uvicorn")

SERVE = [sys.executable, "-m", "spillover", "serve"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("models") / "base")


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """The process, its address, and what it said before that."""
    with subprocess.Popen(
        [*SERVE, *arguments, "--port", "0", "--device", "cpu"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=heed_interrupts,
    ) as found:  # fmt: skip
        try:
            assert found.stderr is not None
            said: list[str] = []
            for line in found.stderr:
                said.append(line)
                if address := re.search(r"at (http://\S+/v1)", line):
                    break
            else:
                raise AssertionError(said)
            yield found, address[1], said
        finally:
            if found.poll() is None:
                found.kill()


def ask(url: str, model: str) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": "go"}], "temperature": 0,
            "max_tokens": 6}  # fmt: skip
    request = urllib.request.Request(
        f"{url}/chat/completions",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)["choices"][0]["message"]["content"]


def test_base_adapter_and_script_answer_until_interrupted(base: Path, tmp_path: Path) -> None:
    adapter = tiny.add_adapter(tmp_path / "adapter", base)
    script = tmp_path / "a.yaml"
    script.write_text("rules: [{questions: ['*'], answers: [[ok, 1.0]]}]", encoding="utf-8")
    more = ["--adapter", f"tuned={adapter}", "--also", f"judge=script:{script}"]
    with process(str(base), *more) as (server, url, said):
        assert said == [f"serving base, tuned, judge at {url} (Ctrl-C ends)\n"]
        assert ask(url, "base") != ask(url, "tuned")
        assert ask(url, "judge") == "ok"
        begun = time.monotonic()
        server.send_signal(signal.SIGINT)
        assert server.stderr is not None
        assert server.stderr.readline() == "interrupted\n"
        assert time.monotonic() - begun < 10
        assert server.wait(60) == 130
        assert not server.stderr.read()
        assert server.stdout is not None
        assert not server.stdout.read()


def test_interrupted_while_answering(base: Path) -> None:
    with process(str(base)) as (server, url, _):
        host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
        body = json.dumps({"model": "base", "messages": [{"role": "user", "content": "go"}],
                           "n": 128, "max_tokens": 240})  # fmt: skip
        with socket.create_connection((host, int(port))) as client:
            client.sendall(
                f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
            )
            time.sleep(0.3)
            server.send_signal(signal.SIGINT)
            assert server.wait(30) == 130
        assert server.stderr is not None
        assert "Traceback" not in server.stderr.read()


def test_the_examples_of_the_page_run() -> None:
    pytest.importorskip("openai")
    page = (Path(__file__).parent.parent / "docs/serve.md").read_text(encoding="utf-8")
    (python,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (curl,) = re.findall(r"```sh\n(curl .*?)```", page, re.DOTALL)
    with process("toy:assistant") as (_, url, _):
        for program, code in (([sys.executable, "-c"], python), (["sh", "-c"], curl)):
            if not shutil.which(code.split()[0]) and program[0] == "sh":
                continue
            done = subprocess.run(
                [*program, code.replace("http://127.0.0.1:8000/v1", url)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            assert "stop" in done.stdout
            assert "error" not in done.stdout


def test_an_address_that_others_reach_brings_a_warning(
    base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[object] = []
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: served.append(sockets))
    command = ["serve", str(base), "--host", "0.0.0.0", "--port", "0", "--device", "cpu"]
    code, _, err = run(command, capsys)
    assert (code, len(served)) == (0, 1)
    assert err.startswith("warning: 0.0.0.0 can be reached by others, who need no key")


def test_what_can_not_be_served(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, message in (
        (["remote:openai/a"], "a is behind an API: only local models and scripts"),
        ([str(tmp_path / "nix")], "check the path"),
        ([str(base), "--adapter", f"a={tmp_path}"], "no adapter_config.json"),
        ([str(base), "--name", "a b"], "'a b' can't be a model's name"),
        ([str(base), "--host", "192.0.2.1"], "can't listen on 192.0.2.1, port 8000"),
    ):
        code, out, err = run(["serve", *arguments], capsys)
        assert (code, out) == (1, "")
        assert message in err
        assert err.count("\n") == 1
    for option in ("--adapter", "--also"):
        for named in (["tuned"], ["=x"], ["a=x", "a=y"]):
            options = [part for text in named for part in (option, text)]
            assert run(["serve", str(base), *options], capsys)[0] == 2


def test_two_models_of_one_name(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = tiny.add_adapter(tmp_path / "adapter", base)
    code, _, err = run(["serve", str(base), "--adapter", f"base={adapter}"], capsys)
    assert code == 1
    assert "two models would be called 'base'" in err


def test_a_port_that_is_taken(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, _, err = run(["serve", str(base), "--port", port], capsys)
    assert code == 1
    assert f"can't listen on 127.0.0.1, port {port}" in err


def test_without_the_extra_one_line_says_how_to_get_it(base: Path) -> None:
    code = (
        "import sys\nsys.modules['uvicorn'] = None\nfrom spillover.cli import main\n"
        f"main(['serve', {str(base)!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 1
    assert done.stderr == "error: serving needs uvicorn: pip install 'spillover[serve]'\n"
