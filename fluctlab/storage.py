"""Where logs lie: a directory of this machine, or what fsspec reaches by a URL (``s3://``, ``gs://``, ``hf://``).

Both answer the same questions: which files are there (with size and version, nothing read), how does a file begin, and a
local copy of it for a parser, which is the file itself on this machine. Nothing is decided here about logs.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Protocol

from fluctlab.errors import LogNotFoundError, MissingExtraError
from fluctlab.limits import Limits
from fluctlab.model import Problem, clean_text

__all__ = [
    "Copies",
    "Listing",
    "LocalStorage",
    "RemoteStorage",
    "Storage",
    "StoredFile",
    "is_url",
    "joined",
    "storage_of",
]

#: Directories of tools, which hold many files and no training log.
NO_LOGS = frozenset({".git", "__pycache__", "node_modules", "site-packages", ".ipynb_checkpoints"})
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
#: Bytes asked for at once when a remote file is copied.
_BLOCK = 8 << 20
#: A remote file up to this size is fetched before it is known to be a log.
_SMALL = 1 << 18
#: Further packages that fsspec needs for a protocol.
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "hf": "huggingface_hub", "abfs": "adlfs", "az": "adlfs"}  # fmt: skip
#: What file systems call the state of a file, in the order of trust.
_VERSIONS = ("ETag", "etag", "generation", "VersionId", "version_id", "blob_id", "md5Hash", "mtime", "LastModified", "last_modified", "updated", "created")  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as its directory lists it; ``version`` changes when its content does (time of change, or etag)."""

    name: str
    size: int
    version: str


@dataclass(slots=True)
class Listing:
    """What one directory holds, sorted by name."""

    files: list[StoredFile] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)  #: directories that are links to others
    problems: list[Problem] = field(default_factory=list)


class Copies(Protocol):
    """Files of a storage on this machine, as long as a context lasts."""

    def head(self, name: str, count: int, size: int) -> bytes:
        """Read the first bytes of a file that was listed with ``size``."""

    def path(self, name: str) -> Path:
        """Return a path at which the file can be read."""


class Storage(Protocol):
    """A place that is walked. Names of directories and files are relative to it, ``/`` as separator, ``""`` for itself."""

    def kind(self) -> Literal["file", "directory"]:
        """Say what the path is.

        Raises
        ------
        LogNotFoundError
            If it does not exist, cannot be read, or is neither.
        """

    def walk(self, limits: Limits) -> dict[str, Listing]:
        """List every directory once."""

    def siblings(self) -> tuple[Storage, str, Listing]:
        """Return the storage of the directory a file lies in, the file's name, and what lies beside it."""

    def copies(self, limits: Limits) -> AbstractContextManager[Copies]:
        """Return a context in which files can be read on this machine."""


def is_url(path: str | Path) -> bool:
    """Whether a path is a URL that fsspec has to open."""
    return isinstance(path, str) and _URL.match(path) is not None


def storage_of(path: str | Path) -> Storage:
    """Return the storage of a path or a URL."""
    return RemoteStorage(str(path)) if is_url(path) else LocalStorage(os.fspath(path))


def joined(directory: str, name: str) -> str:
    """Name below a directory; either may be ``""``."""
    return f"{directory}/{name}" if directory and name else directory or name


# --- this machine ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LocalStorage:
    """A file or directory of this machine."""

    root: str

    def path(self, name: str) -> Path:
        """Return the path of a file or directory."""
        return Path(self.root, name) if name else Path(self.root)

    def kind(self) -> Literal["file", "directory"]:
        """See ``Storage``."""
        shown = clean_text(self.root, 1024)
        try:
            mode = Path(self.root).stat().st_mode
        except (FileNotFoundError, NotADirectoryError) as error:
            raise LogNotFoundError(f"{shown} does not exist") from error
        except (OSError, ValueError) as error:
            raise LogNotFoundError(f"{shown} cannot be read: {getattr(error, 'strerror', None) or error}") from error
        if stat.S_ISREG(mode):
            return "file"
        if stat.S_ISDIR(mode):
            return "directory"
        raise LogNotFoundError(f"{shown} is neither a file nor a directory")

    def walk(self, limits: Limits) -> dict[str, Listing]:
        """See ``Storage``. Each directory once, under its own name if that is below the root, however many links lead to it."""
        found: dict[str, Listing] = {}
        visited: set[tuple[int, int]] = set()
        stack, links = [("", 0)], list[tuple[str, int]]()
        while stack or links:
            directory, depth = stack.pop() if stack else links.pop(0)
            listing = self._listing(directory, visited)
            if listing is None:
                continue
            found[directory] = listing
            if depth < limits.max_directory_depth:
                stack.extend((joined(directory, name), depth + 1) for name in listing.directories)
                links.extend((joined(directory, name), depth + 1) for name in listing.links)
            elif listing.directories or listing.links:
                where = _shown(directory)
                listing.problems.append(Problem("too-deep", where, "directories below this one were not looked at"))
        return found

    def siblings(self) -> tuple[Storage, str, Listing]:
        """See ``Storage``."""
        path = Path(self.root)
        directory = LocalStorage(os.fspath(path.parent))
        listing = directory._listing("", set()) or Listing()
        if path.name not in {file.name for file in listing.files}:  # the directory cannot be listed, the file be read
            listing.files.append(_local_file(path.name, path.stat()))
        return directory, path.name, listing

    def head(self, name: str, count: int, size: int = 0) -> bytes:  # noqa: ARG002 - only what is elsewhere needs the size
        """See ``Copies``. A pipe put in the file's place since it was listed is not waited for."""
        descriptor = os.open(self.path(name), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        with open(descriptor, "rb", buffering=0) as handle:  # noqa: PTH123 - opened by its descriptor
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(0, "no longer a file")
            return handle.read(count) or b""

    def copies(self, limits: Limits) -> AbstractContextManager[Copies]:  # noqa: ARG002 - the parsers bound what they read
        """See ``Storage``: the files themselves."""
        return nullcontext(self)

    def _listing(self, directory: str, visited: set[tuple[int, int]]) -> Listing | None:
        """List a directory; None if it was listed before under another name."""
        listing = Listing()
        try:
            path = self.path(directory)
            status = path.stat()
            if (status.st_dev, status.st_ino) in visited:
                return None
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(path) as entries:
                for entry in sorted(entries, key=lambda e: e.name):
                    self._enter(entry, listing)
        except OSError as error:
            detail = f"{error.strerror or error}; skipped"
            listing.problems.append(Problem("unreadable-directory", _shown(directory), detail))
        return listing

    @staticmethod
    def _enter(entry: os.DirEntry[str], listing: Listing) -> None:
        try:
            if entry.is_dir():
                if entry.name not in NO_LOGS:
                    (listing.links if entry.is_symlink() else listing.directories).append(entry.name)
            elif entry.is_file():
                listing.files.append(_local_file(entry.name, entry.stat()))
            else:
                detail = "a pipe, device, socket or broken link; not opened"
                listing.problems.append(Problem("not-a-file", clean_text(entry.name), detail))
        except OSError as error:
            listing.problems.append(Problem("unreadable-file", clean_text(entry.name), str(error.strerror or error)))


def _local_file(name: str, status: os.stat_result) -> StoredFile:
    return StoredFile(name, status.st_size, str(status.st_mtime_ns))


def _shown(directory: str) -> str:
    return clean_text(directory.rpartition("/")[2], 512) or "."


# --- elsewhere -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RemoteStorage:
    """What fsspec reaches by a URL. Credentials are found as fsspec and the service's own tools find them."""

    url: str

    def kind(self) -> Literal["file", "directory"]:
        """See ``Storage``."""
        files, root = self._opened()
        try:
            found = files.info(root)["type"]
        except FileNotFoundError as error:
            raise LogNotFoundError(f"{clean_text(self.url, 1024)} does not exist") from error
        except Exception as error:
            raise LogNotFoundError(f"{clean_text(self.url, 1024)} cannot be read: {_reason(error)}") from error
        return "file" if found == "file" else "directory"

    def walk(self, limits: Limits) -> dict[str, Listing]:
        """See ``Storage``. One recursive listing, which costs one request for many files."""
        files, root = self._opened()
        try:
            listed = files.find(root, detail=True)
        except Exception as error:
            raise LogNotFoundError(f"{clean_text(self.url, 1024)} cannot be listed: {_reason(error)}") from error
        found: dict[str, Listing] = {"": Listing()}
        for path in sorted(listed):
            name = _below(path, root)
            *parents, last = name.split("/")
            if not last or NO_LOGS.intersection(parents):
                continue
            if len(parents) > limits.max_directory_depth:
                found[""].problems.append(Problem("too-deep", clean_text(name, 512), "too many directories; skipped"))
                continue
            for depth in range(1, len(parents) + 1):
                directory, above = "/".join(parents[:depth]), "/".join(parents[: depth - 1])
                if directory not in found:
                    found[directory] = Listing()
                    found[above].directories.append(parents[depth - 1])
            found["/".join(parents)].files.append(_remote_file(last, listed[path]))
        return found

    def siblings(self) -> tuple[Storage, str, Listing]:
        """See ``Storage``."""
        files, root = self._opened()
        parent, _, own = root.rpartition("/")
        directory = RemoteStorage(self.url.rstrip("/").rpartition("/")[0])
        try:
            entries = files.ls(parent, detail=True)
        except Exception:  # noqa: BLE001 - a bucket that may be read and not listed
            entries = [files.info(root)]
        listing = Listing([_remote_file(_below(e["name"], parent), e) for e in entries if e["type"] == "file"])
        return directory, own, listing

    def head(self, name: str, count: int) -> bytes:
        """Read the first bytes of a file: one request for a range."""
        files, root = self._opened()
        try:
            return bytes(files.cat_file(joined(root, name), start=0, end=count))
        except OSError:
            raise
        except Exception as error:  # what a service's library raises is its own
            raise OSError(0, _reason(error)) from error

    @contextmanager
    def copies(self, limits: Limits) -> Iterator[Copies]:
        """See ``Storage``. Copies are streamed to a temporary directory, which is deleted at the end."""
        with TemporaryDirectory(prefix="fluctlab-") as scratch:
            yield _RemoteCopies(
                self, Path(scratch), limits.max_file_bytes + 1
            )  # one more, so that a parser sees it was cut

    def fetch(self, name: str, target: Path, most: int) -> None:
        """Copy a file, at most so many bytes of it, block by block."""
        files, root = self._opened()
        try:
            with files.open(joined(root, name), "rb", block_size=_BLOCK) as source, target.open("wb") as copy:
                left = most
                while left > 0 and (block := source.read(min(_BLOCK, left))):
                    copy.write(block)
                    left -= len(block)
        except OSError:
            raise
        except Exception as error:  # what a service's library raises is its own
            raise OSError(0, _reason(error)) from error

    def _opened(self) -> tuple[Any, str]:
        """Return the file system and the path in it; fsspec keeps one of each kind."""
        protocol = self.url.partition(":")[0].lower()
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise MissingExtraError(f'{protocol}:// needs fsspec: pip install "fluctlab[remote]"') from error
        try:
            files, root = url_to_fs(self.url)
        except ImportError as error:
            package = _PACKAGES.get(protocol, "the package that fsspec names")
            raise MissingExtraError(f"{protocol}:// needs {package}: pip install {package} ({error})") from error
        except ValueError as error:
            raise LogNotFoundError(f"{clean_text(self.url, 1024)}: {_reason(error)}") from error
        return files, str(root).rstrip("/")


@dataclass(slots=True)
class _RemoteCopies:
    storage: RemoteStorage
    scratch: Path
    most: int
    made: dict[str, Path] = field(default_factory=dict)

    def head(self, name: str, count: int, size: int) -> bytes:
        """See ``Copies``. A small file is fetched whole: a second request would take longer than the rest of it."""
        if 0 < size <= _SMALL:
            with self.path(name).open("rb") as handle:
                return handle.read(count)
        return self.storage.head(name, count) if size else b""

    def path(self, name: str) -> Path:
        """See ``Copies``."""
        if name not in self.made:
            # no name from elsewhere becomes a path here, but parsers see endings
            own = re.sub(r"[^\w.-]", "_", name.rpartition("/")[2])[-80:].lstrip(".") or "file"
            target = self.scratch / str(len(self.made)) / own
            target.parent.mkdir(exist_ok=True)
            self.storage.fetch(name, target, self.most)
            self.made[name] = target
        return self.made[name]


def _below(path: str, root: str) -> str:
    return path[len(root) :].lstrip("/") if path.startswith(root) else path.lstrip("/")


def _remote_file(name: str, info: dict[str, Any]) -> StoredFile:
    version = next((str(info[key]) for key in _VERSIONS if info.get(key) is not None), "")
    return StoredFile(name, int(info.get("size") or 0), version.strip('"'))


def _reason(error: BaseException) -> str:
    return clean_text(f"{type(error).__name__}: {error}", 300)
