"""The names of ``azure.identity``: on one's own machine there is nobody to ask, so every credential is a label."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from batchmagic.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_TOKEN = "batchmagic"  # noqa: S105 - a label, accepted nowhere
_HOUR = 3600


class AccessToken(NamedTuple):
    """A token and the second (since 1970, UTC) at which it expires."""

    token: str
    expires_on: int


class DefaultAzureCredential:
    """A credential; whatever it is made with is a label."""

    def __init__(self, *labels: Any, **more_labels: Any) -> None:
        self._labels = (labels, more_labels)

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ARG002 - Azure's signature
        """Return a token that opens nothing: no call of this package asks for one."""
        return AccessToken(_TOKEN, int(time.time()) + _HOUR)

    get_token_info = get_token

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AuthorizationCodeCredential(DefaultAzureCredential):
    """A credential."""


class AzureCliCredential(DefaultAzureCredential):
    """A credential."""


class AzureDeveloperCliCredential(DefaultAzureCredential):
    """A credential."""


class AzurePipelinesCredential(DefaultAzureCredential):
    """A credential."""


class AzurePowerShellCredential(DefaultAzureCredential):
    """A credential."""


class CertificateCredential(DefaultAzureCredential):
    """A credential."""


class ChainedTokenCredential(DefaultAzureCredential):
    """A credential."""


class ClientAssertionCredential(DefaultAzureCredential):
    """A credential."""


class ClientSecretCredential(DefaultAzureCredential):
    """A credential."""


class DeviceCodeCredential(DefaultAzureCredential):
    """A credential."""


class EnvironmentCredential(DefaultAzureCredential):
    """A credential."""


class InteractiveBrowserCredential(DefaultAzureCredential):
    """A credential; no browser opens."""


class ManagedIdentityCredential(DefaultAzureCredential):
    """A credential."""


class OnBehalfOfCredential(DefaultAzureCredential):
    """A credential."""


class SharedTokenCacheCredential(DefaultAzureCredential):
    """A credential."""


class UsernamePasswordCredential(DefaultAzureCredential):
    """A credential."""


class VisualStudioCodeCredential(DefaultAzureCredential):
    """A credential."""


class WorkloadIdentityCredential(DefaultAzureCredential):
    """A credential."""


class CredentialUnavailableError(UsageError):
    """A credential is not available; never raised here."""


class AuthenticationRequiredError(CredentialUnavailableError):
    """A person must log in; never raised here."""


class AzureAuthorityHosts:
    """Addresses at which Azure logs people in: labels."""

    AZURE_CHINA = "login.chinacloudapi.cn"
    AZURE_GOVERNMENT = "login.microsoftonline.us"
    AZURE_PUBLIC_CLOUD = "login.microsoftonline.com"


KnownAuthorities = AzureAuthorityHosts


class TokenCachePersistenceOptions:
    """How tokens are kept: a label."""

    def __init__(self, **labels: Any) -> None:
        self._labels = labels


def get_bearer_token_provider(credential: Any, *scopes: str) -> Callable[[], str]:
    """Return a function that returns the credential's token."""
    return lambda: str(credential.get_token(*scopes).token)
