"""The framing of LevelDB's log files, in which Weights & Biases keeps a run: blocks of 32 KiB, records in fragments.

A fragment has a header of seven bytes: checksum (4), length (2), kind (1). A record that does not fit into what is left
of a block is cut into a first, middle and last fragment. LevelDB masks a CRC32C; W&B has a plain CRC32 (that of zlib)
instead, which its readers check as such. A fragment holds if either does.

LevelDB's reader gives up the rest of a block at the first bad fragment. Here the next fragment that holds is looked for
within the block, so a flipped byte costs the one record it lies in.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

from fluctlab.parsers.events.checksum import masked_crc
from fluctlab.parsers.raw.byte_reader import ByteReader

__all__ = ["BLOCK_BYTES", "HEADER_BYTES", "framed", "records"]

BLOCK_BYTES = 1 << 15
HEADER_BYTES = 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_GAP, _CUT = 0, 5  # no kinds of the format: bytes that are no fragment, and one that the end of the file cuts
#: Bytes that are summed in search of the next fragment behind damage, per file; a real log has few damaged places.
_MAX_SEARCHED = 1 << 28

Tell: TypeAlias = Callable[[str, str, str], None]


def framed(kind: int, payload: bytes) -> bytes:
    r"""Return one fragment as W&B writes it.

    Examples
    --------
    >>> framed(1, b"abc")[4:]
    b'\x03\x00\x01abc'
    """
    header = zlib.crc32(payload, zlib.crc32(bytes([kind]))).to_bytes(4, "little")
    return header + len(payload).to_bytes(2, "little") + bytes([kind]) + payload


def records(reader: ByteReader, start: int, tell: Tell, max_record_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield (byte, content) of each whole record.

    Parameters
    ----------
    reader : ByteReader
        The file.
    start : int
        Where the first record stands; blocks are counted from the beginning of the file all the same.
    tell : callable
        Told (code, where, detail) of each loss.
    max_record_bytes : int
        A longer record is left out.
    """
    parts: list[bytes] = []
    begin = size = 0
    is_left_out = False  # whether what follows is the rest of a record that is too large
    for at, kind, payload in _fragments(reader, start, tell):
        if kind == _MIDDLE and is_left_out:
            continue
        if kind in (_GAP, _FULL, _FIRST) and parts:
            _tell_lost(begin, f"The end of this record, up to byte {at:,}, is lost", tell)
            parts = []
        if kind in (_MIDDLE, _LAST) and not parts:
            if kind == _LAST and not is_left_out:
                _tell_lost(at, "The beginning of this record is lost", tell)
            is_left_out = False
            continue
        is_left_out = False
        if kind == _GAP:
            continue
        if not parts:
            begin, size = at, 0
        parts.append(payload)
        size += len(payload)
        if kind == _CUT:
            break
        if size > max_record_bytes:
            tell("record-too-large", f"byte {begin}", f"A record of more than {max_record_bytes:,} bytes; left out.")
            is_left_out = kind in (_FIRST, _MIDDLE)
            parts = []
        elif kind in (_FULL, _LAST):
            yield begin, b"".join(parts)
            parts = []
    if parts:
        detail = "The file ends within this record (the writer was killed or is still at work); all before it was read."
        tell("truncated-record", f"byte {begin}", detail)


def _tell_lost(at: int, what: str, tell: Tell) -> None:
    tell("damaged-record", f"byte {at}", f"{what}; the record was left out.")


def _fragments(reader: ByteReader, start: int, tell: Tell) -> Iterator[tuple[int, int, bytes]]:
    """Yield (byte, kind, payload) of each fragment that holds, of what is cut off at the end, and of gaps, which are told."""
    searched = 0
    at = start
    while at < reader.size:
        base = at - at % BLOCK_BYTES
        block = reader.window(base, BLOCK_BYTES).tobytes()
        is_last = base + len(block) >= reader.size
        place = at - base
        while place < len(block):
            if len(block) == BLOCK_BYTES and len(block) - place < HEADER_BYTES:
                break  # too short for a header: filled with zeros
            length = _length_at(block, place)
            if length >= 0:
                yield base + place, block[place + 6], block[place + HEADER_BYTES : place + HEADER_BYTES + length]
                place += HEADER_BYTES + length
                continue
            found = _next_fragment(block, place) if searched < _MAX_SEARCHED else len(block)
            searched += 4 * len(block)
            if is_last and found == len(block) and _is_cut(block, place):
                yield base + place, _CUT, block[place:]
                return
            _tell_gap(block, place, found, base, tell)
            yield base + place, _GAP, b""
            place = found
        at = base + BLOCK_BYTES


def _is_cut(block: bytes, place: int) -> bool:
    """Whether the fragment at a place goes on beyond the end of what there is; zeros are none."""
    payload = place + HEADER_BYTES
    is_long = payload + int.from_bytes(block[place + 4 : place + 6], "little") > len(block)
    return any(block[place:]) and (payload > len(block) or is_long)


def _tell_gap(block: bytes, place: int, found: int, base: int, tell: Tell) -> None:
    where, count = f"byte {base + place}", found - place
    if any(block[place:found]):
        detail = f"{count:,} bytes are no record with a valid checksum; reading went on at byte {base + found:,}."
        tell("damaged-record", where, detail)
    else:
        tell("nul-bytes", where, f"{count:,} zero bytes, as a power cut leaves them; passed over.")


def _length_at(block: bytes, place: int) -> int:
    """Return the length of the fragment at a place of a block, -1 if none holds there."""
    payload = place + HEADER_BYTES
    if payload > len(block) or not _FULL <= block[place + 6] <= _LAST:
        return -1
    end = payload + int.from_bytes(block[place + 4 : place + 6], "little")
    if end > len(block):
        return -1
    stated = int.from_bytes(block[place : place + 4], "little")
    summed = block[place + 6 : end]
    return end - payload if stated == zlib.crc32(summed) or stated == masked_crc(summed) else -1


def _next_fragment(block: bytes, place: int) -> int:
    """Return where the next fragment that holds begins behind a place, the block's length if there is none."""
    budget = 16 * BLOCK_BYTES
    for at in range(place + 1, len(block) - HEADER_BYTES + 1):
        if not _FULL <= block[at + 6] <= _LAST:
            continue
        length = block[at + 4] | block[at + 5] << 8
        if at + HEADER_BYTES + length > len(block):
            continue
        budget -= length + 64
        if budget < 0:
            break
        if _length_at(block, at) >= 0:
            return at
    return len(block)
