"""From bytes to text: gzip, byte-order marks, UTF-16, Latin-1, the NUL bytes a power cut leaves. Bounded, and never raises."""

from __future__ import annotations

import codecs
import re
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fluctlab.parsers.source import Source

__all__ = ["decode", "decode_head", "gunzip", "is_binary", "read_text", "unpacked_bound"]

GZIP_MAGIC = b"\x1f\x8b\x08"
MAX_MEMBERS = 1_000_000
#: What a file may unpack to: logs pack 3 to 20 times smaller, the most monotonous perhaps 100 times, a bomb a thousand.
_MAX_RATIO, _LEAST_UNPACKED = 150, 4 << 20
_CHUNK = 1 << 20
_FIRST_FEED = 1 << 12
_MULTIBYTE = re.compile(rb"[\xc3-\xf4][\x80-\xbf]+")
_NULS = re.compile("\0+")
_CONTROL = re.compile(r"[\x01-\x07\x0e-\x1a\x1c-\x1f]")  # \b and \x1b stand in real progress bars


def unpacked_bound(packed_bytes: int, max_bytes: int) -> int:
    """Return how many bytes a packed file may unpack to, by its own size."""
    return min(max_bytes, max(_LEAST_UNPACKED, _MAX_RATIO * packed_bytes))


def gunzip(content: bytes, max_bytes: int) -> tuple[bytes, str]:
    """Unpack gzip up to a bound.

    Returns
    -------
    content : bytes
        At most ``max_bytes`` of what is packed (see ``unpacked_bound``), all members in a row.
    trouble : str
        ``""``, ``"too-large"``, ``"truncated"``, ``"damaged"`` or ``"endless"`` (more members than a log can have).
    """
    max_bytes = unpacked_bound(len(content), max_bytes)
    parts: list[bytes] = []
    total = at = members = 0
    while content.startswith(GZIP_MAGIC, at):
        members += 1
        if members > MAX_MEMBERS:
            return b"".join(parts), "endless"
        unpacker = zlib.decompressobj(wbits=31)
        pending, feed = b"", _FIRST_FEED
        while not unpacker.eof:
            if not pending:  # in pieces: what zlib leaves over of a piece is copied each time
                pending, feed = content[at : at + feed], _CHUNK
                at += len(pending)
            try:
                part = unpacker.decompress(pending, _CHUNK)
            except zlib.error:
                return b"".join(parts), "damaged"
            if not part and not pending and not unpacker.eof:
                return b"".join(parts), "truncated"
            pending = unpacker.unconsumed_tail
            total += len(part)
            if total > max_bytes:
                parts.append(part[: len(part) - (total - max_bytes)])
                return b"".join(parts), "too-large"
            parts.append(part)
        at -= len(unpacker.unused_data)
    return b"".join(parts), ""


def _utf16_name(content: bytes) -> str | None:
    """Name the UTF-16 flavour, by its mark or, without one, by every second byte of the first line being zero."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    head = content[:200]
    if len(head) >= 4 and head[1::2].count(0) > 0.9 * len(head[1::2]) and 0 not in head[0:20:2]:
        return "utf-16-le"
    if len(head) >= 4 and head[0::2].count(0) > 0.9 * len(head[0::2]) and 0 not in head[1:20:2]:
        return "utf-16-be"
    return None


def decode(content: bytes) -> tuple[str, str, int]:
    """Decode text of unknown encoding.

    Returns
    -------
    text : str
        Without byte-order mark; may hold NUL characters.
    encoding : str
        What was used; ``"utf-8 with errors"`` where bytes had to be replaced, ``"latin-1"`` where no byte is UTF-8.
    offset : int
        Byte of the first that is not UTF-8, -1 if all are.
    """
    wide = _utf16_name(content)
    if wide:
        return content.decode(wide, "replace").removeprefix("\ufeff"), "utf-16", -1
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode("utf-8"), "utf-8", -1
    except UnicodeDecodeError as error:
        offset = error.start
    # A file that holds real multi-byte characters is UTF-8 with damage; one that holds none is an old Western encoding.
    for match in _MULTIBYTE.finditer(content):
        try:
            match.group().decode("utf-8")
        except UnicodeDecodeError:
            continue
        return content.decode("utf-8", "replace"), "utf-8 with errors", offset
    return content.decode("latin-1"), "latin-1", offset


def decode_head(head: bytes) -> str:
    """Decode the first bytes of a file for a sniffer; gzip is opened, a character cut in two at the end is left out."""
    if head.startswith(GZIP_MAGIC):
        head = gunzip(head, 16384)[0]
    text = decode(head)[0] if _utf16_name(head) else ""
    if not text:
        head = head.removeprefix(codecs.BOM_UTF8)
        text = codecs.getincrementaldecoder("utf-8")("replace").decode(head, final=False)
    return text if is_binary(text) else _NULS.sub("\n", text.rstrip("\0"))


def is_binary(text: str) -> bool:
    """Whether decoded text is no text: it has control characters, many runs of NULs or many bytes that are no text."""
    body = text.rstrip("\0")
    return bool(_CONTROL.search(body)) or len(_NULS.findall(body)) > 3 or body.count("\ufffd") > 0.05 * len(body) + 2


def read_text(source: Source) -> str:
    """Read a text log whole, bounded, whatever its encoding; everything odd becomes a problem of ``source``."""
    content = source.read_bytes()
    if content.startswith(GZIP_MAGIC):
        content, trouble = gunzip(content, source.limits.max_text_bytes)
        if trouble == "too-large":
            detail = f"The gzip unpacks to more than {len(content):,} bytes; only these were read."
            source.problem("file-too-large", "", detail)
        elif trouble:
            source.problem(
                f"{trouble}-gzip", "", f"The gzip is {trouble}; the {len(content):,} bytes before that were read."
            )
    text, encoding, offset = decode(content)
    if offset >= 0:
        source.problem("not-utf8", f"byte {offset}", f"Not valid UTF-8; read as {encoding}.")
    if "\0" in text:
        where = text.index("\0")
        source.problem(
            "nul-bytes",
            f"line {text.count(chr(10), 0, where) + 1}",
            f"{text.count(chr(0)):,} NUL characters (a power cut leaves them); they were left out.",
        )
        # In mid-file they stand where a cut line ends and the next process began to write.
        text = _NULS.sub("\n", text.rstrip("\0"))
    return text
