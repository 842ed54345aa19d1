"""Validation in a process of its own, which is ended if it takes too long.

It is started when it is first needed and reads one line for each validation: the schema as text
and the value. It ends when its input does, so it does not outlive this process.
"""

import asyncio
import atexit
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any

from service.core.errors import Unavailable
from service.documents.items.json_schema import (
    BadJsonSchema,
    ValidationTooCostly,
    Violation,
    measure_schema,
)

SECONDS = 5.0
NICE = 10


class ValidationBusy(Unavailable):
    store_fails = False
    code, title = "validation_busy", "Too many large items are being validated"
    detail = "Try again in a few seconds."


class SchemaProcess:
    """The process, for one validation at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._free = asyncio.Lock()

    async def violations(self, text: str, value: Any) -> list[Violation]:
        """Compile the schema and validate the value.

        Raises:
            BadJsonSchema: the schema cannot be compiled.
            ValidationTooCostly: it takes longer than ``SECONDS``.
            ValidationBusy: others took so long before.
        """
        try:
            await asyncio.wait_for(self._free.acquire(), SECONDS)
        except TimeoutError as error:
            raise ValidationBusy from error
        try:
            line = json.dumps([text, value]).encode() + b"\n"
            exchange = asyncio.create_task(asyncio.to_thread(self._exchange, line))
            try:
                answer = await asyncio.wait_for(asyncio.shield(exchange), SECONDS)
            except BaseException:  # also when the request is cancelled: the answer is another's
                self._kill()
                await asyncio.wait([exchange])
                self.stop()
                raise
        except TimeoutError as error:
            raise ValidationTooCostly from error
        finally:
            self._free.release()
        if answer is None:  # it was killed, such as for its memory
            raise ValidationTooCostly
        if isinstance(answer, str):
            raise BadJsonSchema(answer)
        return [Violation(tuple(path), tuple(where)) for path, where in answer]

    def _exchange(self, line: bytes) -> Any:
        try:
            process = self._running()
            assert process.stdin is not None  # noqa: S101 - both are pipes
            assert process.stdout is not None  # noqa: S101
            process.stdin.write(line)
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            return None
        return json.loads(answer) if answer.endswith(b"\n") else None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self.stop()
        if self._process is None:
            command = [sys.executable, "-m", "service.documents.items.schema_process"]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe)  # noqa: S603
        return self._process

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """End the process; the next validation starts another."""
        self._kill()
        if self._process is not None:
            with suppress(BrokenPipeError), self._process:
                pass  # closes the pipes
            self._process = None


def serve() -> None:
    """Answer each line with violations, or with what makes the schema unusable."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal, for the parent
    os.nice(NICE)
    for line in sys.stdin.buffer:
        text, value = json.loads(line)
        try:
            answer: object = measure_schema(text).violations(value)
        except BadJsonSchema as error:
            answer = error.message
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


schema_process = SchemaProcess()
atexit.register(schema_process.stop)

if __name__ == "__main__":
    serve()
