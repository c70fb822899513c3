"""All exceptions of batchmagic.

::

    BatchMagicError
    ├── UsageError                      what was asked for cannot be done as asked
    │   ├── ValidationException         a value that a field cannot take
    │   │   ├── UnknownField
    │   │   ├── InvalidName
    │   │   └── UnsafePath
    │   ├── DefinitionError             YAML that does not load, with line and column
    │   ├── ScriptError                 a scoring script that cannot be deployed
    │   ├── InputError                  an input that is missing, empty or of the wrong kind
    │   ├── ResourceNotFoundError
    │   ├── ResourceExistsError
    │   ├── OutputExists
    │   ├── NotSupported                a part of Azure's package that means nothing here
    │   │   ├── AttributeNotSupported
    │   │   └── ModuleNotSupported
    │   ├── StateError                  the object's state does not allow it
    │   ├── InterpreterMissing          a deployment's interpreter has vanished
    │   └── RequestError                a request over HTTP is refused
    │       ├── NotAuthenticated
    │       ├── NotAllowed
    │       │   └── NotDeclared         a place that callers have not been given
    │       ├── BodyTooLarge
    │       ├── WrongMediaType
    │       └── TooManyRequests
    ├── JobException                    the job failed
    │   └── JobCanceled
    ├── WorkspaceError
    │   ├── WorkspaceNotPrivate
    │   ├── StoreCorrupted
    │   │   └── JobCorrupted            the same of one job's files
    │   ├── StoreBusy
    │   ├── SchemaTooNew
    │   ├── WorkspaceMoved              its folder was moved, removed or replaced while it was in use
    │   └── DiskError                   a disk is full, read-only, broken or closed to us
    ├── ClaimError
    │   ├── ClaimHeld                   another live process owns it
    │   └── Fenced                      ownership was taken over by another
    └── EngineError
        ├── ProtocolError               a frame that is none of ours
        ├── ComputeError                the cluster did not start or was lost
        └── PackagesChanged             an instance runs other packages than its host

The docstring of a class is its default message. Every class has a stable `code`, the HTTP `status`
that fits it, and a `hint`: what to do next. Exceptions survive pickling.
"""

from __future__ import annotations

from batchmagic.errors.base import BatchMagicError
from batchmagic.errors.requests import (
    BodyTooLarge,
    NotAllowed,
    NotAuthenticated,
    NotDeclared,
    RequestError,
    TooManyRequests,
    WrongMediaType,
)
from batchmagic.errors.running import (
    ComputeError,
    EngineError,
    JobCanceled,
    JobException,
    PackagesChanged,
    ProtocolError,
)
from batchmagic.errors.store import (
    ClaimError,
    ClaimHeld,
    DiskError,
    Fenced,
    JobCorrupted,
    SchemaTooNew,
    StoreBusy,
    StoreCorrupted,
    WorkspaceError,
    WorkspaceMoved,
    WorkspaceNotPrivate,
)
from batchmagic.errors.usage import (
    AttributeNotSupported,
    DefinitionError,
    InputError,
    InterpreterMissing,
    InvalidName,
    ModuleNotSupported,
    NotSupported,
    OutputExists,
    ResourceExistsError,
    ResourceNotFoundError,
    ScriptError,
    StateError,
    UnknownField,
    UnsafePath,
    UsageError,
    ValidationException,
)

__all__ = [
    "AttributeNotSupported",
    "BatchMagicError",
    "BodyTooLarge",
    "ClaimError",
    "ClaimHeld",
    "ComputeError",
    "DefinitionError",
    "DiskError",
    "EngineError",
    "Fenced",
    "InputError",
    "InterpreterMissing",
    "InvalidName",
    "JobCanceled",
    "JobCorrupted",
    "JobException",
    "ModuleNotSupported",
    "NotAllowed",
    "NotAuthenticated",
    "NotDeclared",
    "NotSupported",
    "OutputExists",
    "PackagesChanged",
    "ProtocolError",
    "RequestError",
    "ResourceExistsError",
    "ResourceNotFoundError",
    "SchemaTooNew",
    "ScriptError",
    "StateError",
    "StoreBusy",
    "StoreCorrupted",
    "TooManyRequests",
    "UnknownField",
    "UnsafePath",
    "UsageError",
    "ValidationException",
    "WorkspaceError",
    "WorkspaceMoved",
    "WorkspaceNotPrivate",
    "WrongMediaType",
]

for _name in __all__:
    # Where people import it from is where it says that it is, in tracebacks and to who asks.
    globals()[_name].__module__ = __name__
