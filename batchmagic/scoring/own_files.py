"""Files of a job that appear whole, and only while the driver that writes them has the job.

A driver that was stopped may wake up after another host took its job over. What it then does to its own temporary
files harms nobody, because their names carry its claim's epoch; what would be seen by others is fenced.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchmagic import failpoints
from batchmagic.disk import told
from batchmagic.scoring.plan import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnFiles:
    """How one driver writes the files of its job.

    Attributes
    ----------
    epoch
        Of its claim.
    fence
        A context in which nobody can take the job over; entering it raises `Fenced` when somebody has.
    """

    epoch: int = 0
    fence: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext

    def temporary(self, target: Path) -> Path:
        """Return the name beside `target` under which this driver writes it, and no other."""
        return target.with_name(f".{target.name}.{self.epoch}.tmp")

    def publish(self, target: Path) -> None:
        """Let what was written under the temporary name be `target`.

        Raises
        ------
        Fenced
            If the job was taken over; `target` is unchanged.
        """
        with self.fence():
            self.temporary(target).replace(target)

    def publish_folder(self, target: Path, *, whole: Path) -> None:
        """Let the folder under the temporary name be `target`, unless the file `whole` says that there is one."""
        staged = self.temporary(target)
        try:
            with self.fence():
                if not whole.exists():
                    shutil.rmtree(target, ignore_errors=True)
                    staged.rename(target)
                    sync_folder(target.parent)
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def replace(self, target: Path, content: bytes) -> None:
        """Let `target` hold `content`, or what it held before if this is interrupted.

        Raises
        ------
        DiskError
            If the disk does not take it.
        """
        with told(target), self.dropping(target):
            with self.temporary(target).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            failpoints.hit("file.before_rename")
            self.publish(target)
            sync_folder(target.parent)

    @contextlib.contextmanager
    def dropping(self, target: Path) -> Iterator[None]:
        """Leave nothing under the temporary name of `target` if this fails: a full disk has other uses for it."""
        try:
            yield
        except Exception:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                self.temporary(target).unlink(missing_ok=True)
            raise

    def append(self, target: Path, content: bytes) -> None:
        """Add `content` to the end of `target`."""
        with self.fence(), target.open("ab") as file:
            file.write(content)

    def remove(self, target: Path) -> None:
        """Have no `target`."""
        if target.exists():
            with self.fence():
                target.unlink(missing_ok=True)

    def forget_earlier(self, folder: Path, name: str = "*") -> None:
        """Remove from `folder` what earlier drivers have left under temporary names, be it for any file or `name`."""
        for path in folder.glob(f".{name}.*.tmp"):
            found = re.fullmatch(r"\..+\.(\d+)\.tmp", path.name)
            if found and int(found[1]) < self.epoch:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
