"""Follows the bytes of an HTTP request as far as to see whether all of it has come (RFC 9112 section 6)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

# Of longer headers the parser reads what it wants, and refuses them.
_MOST_HEAD: Final = 2**18
_MOST_LINE: Final = 8190
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_EXPECT: Final = re.compile(rb"\r\nexpect:", re.IGNORECASE)


class Chunks:
    """Follows a body in chunks (RFC 9112 section 7.1) as far as to see its end; what is malformed ends it too."""

    def __init__(self) -> None:
        self.ended = False
        self._skip = 0
        self._line = bytearray()
        self._last = False

    def take(self, data: bytes) -> None:
        """Goes on with what came."""
        place = 0
        while place < len(data) and not self.ended:
            if self._skip:
                step = min(self._skip, len(data) - place)
                self._skip -= step
                place += step
                continue
            end = data.find(b"\n", place)
            self._line += data[place : end if end >= 0 else len(data)]
            if end < 0:
                self.ended = len(self._line) > _MOST_LINE
                return
            place = end + 1
            self._read(bytes(self._line).strip())
            self._line.clear()

    def _read(self, line: bytes) -> None:
        if self._last:
            self.ended = not line
            return
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            self.ended = True
            return
        self._last = size == 0
        self._skip = size + 2 if size else 0


@dataclass(slots=True)
class Arriving:
    """What has come of one request, which must be whole at ``until`` (of the monotonic clock)."""

    until: float
    most: int
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    head: bytearray | None = field(default_factory=bytearray)
    needed: int = 0
    chunks: Chunks | None = None

    def take(self, data: bytes) -> None:
        """Adds what came."""
        self.parts.append(data)
        self.size += len(data)
        if self.head is not None:
            begin = max(0, len(self.head) - 3)
            self.head += data
            end = self.head.find(b"\r\n\r\n", begin)
            if end >= 0:
                self._read(bytes(self.head[: end + 4]), bytes(self.head[end + 4 :]))
                self.head = None
            elif len(self.head) > _MOST_HEAD:
                self.head = None
        elif self.chunks is not None:
            self.chunks.take(data)

    def _read(self, head: bytes, rest: bytes) -> None:
        if _EXPECT.search(head):
            # Its client waits until a thread asks for the body.
            return
        if _CHUNKED.search(head):
            self.chunks = Chunks()
            self.chunks.take(rest)
            return
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        # What is too large is refused without being read.
        self.needed = len(head) + (length if length <= self.most else 0)

    @property
    def whole(self) -> bool:
        """Whether a thread need not wait for the rest, or should refuse it."""
        if self.head is not None:
            return False
        if self.chunks is not None:
            return self.chunks.ended or self.size > 2 * self.most
        return self.size >= self.needed
