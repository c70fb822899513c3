"""A job failed, or the engine did."""

from __future__ import annotations

from batchmagic.errors.base import BatchMagicError


class JobException(BatchMagicError):
    """The job failed."""

    code = "job_failed"
    status = 409

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in the place of a traceback: the message, which says it all, in colours."""
        from batchmagic.failure_lines import coloured  # noqa: PLC0415 - only what is displayed needs it

        return coloured(str(self), type(self).__name__)


class JobCanceled(JobException):
    """The job was canceled."""

    code = "job_canceled"


class EngineError(BatchMagicError):
    """The engine failed."""

    code = "engine"


class ProtocolError(EngineError):
    """A frame arrived that is none of ours."""

    code = "protocol"


class ComputeError(EngineError):
    """The cluster of a compute did not start or was lost."""

    code = "compute"


class PackagesChanged(EngineError):
    """An instance runs other packages than its host, because they were changed under it."""

    code = "packages_changed"
