"""What a file is that no parser claims, where that tells its owner what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fluctlab.parsers.source import Probe

__all__ = ["LFS_POINTER", "reason"]

LFS_POINTER = b"version https://git-lfs"
#: Beginning of a file -> what it is.
_CONTAINERS: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "Parquet: write the table as CSV"),
    (b"ARROW1", "Arrow: write the table as CSV"),
    (b"7z\xbc\xaf", "an archive: unpack it"),
    (b"\xfd7zXZ", "compressed with xz: unpack it"),
    (b"BZh", "compressed with bzip2: unpack it"),
    (b"(\xb5/\xfd", "compressed with zstd: unpack it"),
)
_TAR_MAGIC = slice(257, 262)


def reason(probe: Probe) -> tuple[str, str]:
    """Return the code and the detail of the problem that says why a file is not read.

    Examples
    --------
    >>> from fluctlab.parsers.source import Probe
    >>> reason(Probe("log.csv", b"version https://git-lfs.github.com/spec/v1", 130))[0]
    'git-lfs-pointer'
    """
    if probe.head.startswith(LFS_POINTER):
        return "git-lfs-pointer", "a Git LFS pointer, not the file itself: run `git lfs pull`"
    if probe.head[_TAR_MAGIC] == b"ustar":
        return "not-a-log", "an archive: unpack it"
    for magic, what in _CONTAINERS:
        if probe.head.startswith(magic):
            return "not-a-log", what
    return "not-a-log", "no parser knows this file as a training log"
