"""Test the settings: ask the identity provider what it publishes, and say what is wrong."""

from typing import NamedTuple

from core.counting import counted
from core.single_sign_on import discovery
from core.single_sign_on.discovery import Metadata
from core.single_sign_on.web_client import WebClient


class Tested(NamedTuple):
    """What was found."""

    metadata: Metadata
    key_count: int


def test(issuer: str, web: WebClient) -> Tested:
    """Read the discovery document and the keys again. Raise `ProviderDown` and `ProviderMisconfigured`."""
    metadata = discovery.metadata(web, issuer, fresh=True)
    return Tested(metadata, len(discovery.keys(web, metadata.jwks_uri, fresh=True).keys))


def words(tested: Tested) -> str:
    """Say what was found, and what it does not show."""
    signs_out = "It signs users out too." if tested.metadata.end_session_endpoint else "It has no sign-out address."
    return (
        f"The identity provider answers and publishes {counted(tested.key_count, 'key')}. {signs_out} "
        "Only a sign-in shows whether the client ID and secret are right."
    )
