"""What a registry-packages-proxy's 401, 403 and 404 mean to a person: which identity, which image, which version.

Lives here: those three. Every other status is ``rpp_wire.raise_for_status``'s. No I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d8_installer.errors import NotAllowedError, NotFoundError
from d8_installer.model.reference import PLUGIN_ROOT

if TYPE_CHECKING:
    from d8_installer.errors import D8Error
    from d8_installer.model.address import Shown
    from d8_installer.model.platform import Platform

_GIVE = "type `d8-installer config set token_file FILE`, set D8_RPP_TOKEN, or log in to the cluster with kubectl"
_RENEW = "it may have expired: get a new one, then type the same command again"
_ROLE = (
    "ask for the ClusterRole d8:registry-packages-proxy:cli-download; "
    "the proxy remembers a refusal for 30 s (kubectl auth can-i get deployments/registry-packages-proxy "
    "--subresource=cli-binary -n d8-cloud-instance-manager)"
)
_MOVED = "its tag was moved or removed: use a source that still has the locked bytes (a mirror, a bundle), or "


def refused_identity(address: Shown, status: int, token_from: str | None) -> D8Error:
    """Return the error of a 401 or a 403 (rpp.md §2.3, §5); *token_from* names the place of the token that was sent."""
    if status == 403:
        whom = f"the token from {token_from}" if token_from else "a request without a token"
        return NotAllowedError(f"{address} does not let {whom} download images (status 403)", hint=_ROLE)
    if token_from is None:
        return NotAllowedError(f"{address} wants a bearer token, and none was given (status 401)", hint=_GIVE)
    return NotAllowedError(f"{address} refuses the token from {token_from} (status 401)", hint=_RENEW)


def absent(address: Shown, image: str, ref: str, platform: Platform | None = None) -> NotFoundError:
    """Return the error of a 404 to a request for the manifest, or the layer, of *ref*: a tag or a digest of *image*.

    *platform*: the layer of a tag was asked for.
    """
    name = image.removeprefix(PLUGIN_ROOT)
    where = f" for {platform}" if platform is not None else ""
    if ":" in ref:
        hint = f"{_MOVED}type `d8-installer lock --upgrade-image {name}`"
        return NotFoundError(f"{address} no longer has {name} {ref[:19]}…", hint=hint)
    return NotFoundError(
        f"{address} has no version {ref[:128]} of {name}{where}",
        hint=f"see `d8-installer versions {name}` for what it has",
    )
