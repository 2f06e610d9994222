"""What the statuses and error bodies of an OCI registry mean (distribution-spec, Error Codes). No I/O."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from d8_installer.errors import MismatchError, NotAllowedError, NotFoundError, TryAgainError, UnreachableError
from d8_installer.model.address import shown
from d8_installer.model.value import Struct
from d8_installer.registry.http_status import CLIENT_CERTIFICATE_HINT, is_passing, wants_certificate, wants_tls

if TYPE_CHECKING:
    from d8_installer.errors import D8Error
    from d8_installer.registry.oci_address import OciAddress

_BROKEN_UPLOAD = frozenset(["DIGEST_INVALID", "SIZE_INVALID", "MANIFEST_INVALID", "MANIFEST_BLOB_UNKNOWN"])
# The registry has forgotten the upload, or another of its replicas has it.
_LOST_UPLOAD = frozenset(["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"])
_TAG_PUT = r".*/manifests/([A-Za-z0-9_][A-Za-z0-9._-]*)"
# ECR: 400 TAG_INVALID or ImageTagAlreadyExists, Harbor: 412, Nexus: 400, Artifact Registry: 400 with this word.
_IMMUTABLE = r"immutab|TAG_INVALID|AlreadyExists|allow(?:s|ed)? (?:updat|overwrit|redeploy)"
_TRY_LATER = "run the same command again later"
_BODY_LIMIT = (
    "raise the size limit of the reverse proxy in front of the registry"
    " (nginx: client_max_body_size; ingress-nginx: the annotation nginx.ingress.kubernetes.io/proxy-body-size)"
)


class _Reason(NamedTuple):
    """Why a request was refused: the class of the error, a clause that follows the status (perhaps empty), a hint.

    An empty ``code`` is that of the class.
    """

    kind: type[D8Error]
    clause: str
    hint: str
    code: str = ""


class _SpecError(NamedTuple):
    code: str = ""
    message: str = ""


class Refusal(Struct, frozen=True, dict=True, kw_only=True):
    """An answer with an unwanted status to a request; ``sent`` is the size of the request's body in bytes."""

    method: str
    url: str
    status: int
    body: bytes
    sent: int = 0

    @property
    def clause(self) -> str:
        """The request, the status and the registry's own words, as a clause."""
        words = " ".join(self._spec_error).strip()
        text = f": {words}" if words else ""
        return f"{self.method} {shown(self.url)}: status {self.status}{text}"

    @cached_property
    def _spec_error(self) -> _SpecError:
        """The code and message of the body; empty if it has none."""
        try:
            first = json.loads(self.body)["errors"][0]
            parts = str(first.get("code", "")), str(first.get("message", ""))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return _SpecError()
        return _SpecError(*(re.sub(r"[^ -~]+", " ", part).strip()[:200] for part in parts))

    def error(self, address: OciAddress) -> D8Error:
        """Return the error to raise, with its hint; *address* is the registry's."""
        reason = self._immutable_tag() or self._by_status(address)
        message = f"{self.clause}{': ' if reason.clause else ''}{reason.clause}"
        return reason.kind(message, hint=reason.hint, code=reason.code or None)

    def _immutable_tag(self) -> _Reason | None:
        tag = re.fullmatch(_TAG_PUT, self.url, re.ASCII)
        if self.method != "PUT" or tag is None:
            return None
        is_told = self.status < 500 and re.search(_IMMUTABLE, " ".join(self._spec_error), re.IGNORECASE)
        if self.status not in (409, 412) and not is_told:
            return None
        return _Reason(
            NotAllowedError,
            f"the tag {tag[1][:128]} exists, and this registry does not allow a tag to change",
            "publish another version",
            code="already-published",
        )

    def _by_status(self, address: OciAddress) -> _Reason:
        if wants_tls(self.status, self.body):
            return _Reason(
                UnreachableError, "it speaks https", f"write the address as {address.other_scheme}", code="no-tls"
            )
        if wants_certificate(self.status, self.body):
            return _Reason(
                NotAllowedError, "it requires a client certificate", CLIENT_CERTIFICATE_HINT, code="client-certificate"
            )
        if self.status == 413:
            return _Reason(UnreachableError, f"it does not accept a body of {self.sent} bytes", _BODY_LIMIT)
        if self.status == 429:
            login = f"or log in, which often raises the limit: `docker login {address.login}`"
            return _Reason(
                TryAgainError, "it limits the rate of requests", f"try again later, {login}", code="rate-limited"
            )
        if self.method in ("POST", "PUT", "PATCH"):
            return self._of_upload(address)
        if self.status == 404:
            return _Reason(
                NotFoundError, "", "check the image's name and tag, and the registry's root", code="no-such-image"
            )
        if is_passing(self.status):
            return _Reason(TryAgainError, "", _TRY_LATER, code="server-fails")
        return _Reason(UnreachableError, "", f"check that {address.origin} is an OCI registry", code="not-a-source")

    def _of_upload(self, address: OciAddress) -> _Reason:
        code = self._spec_error.code
        if is_passing(self.status) or code in _LOST_UPLOAD:
            return _Reason(TryAgainError, "", _TRY_LATER, code="server-fails")
        if self.status == 404:
            return _Reason(
                NotFoundError,
                "it has no such repository",
                "create the repository first: this registry does not create one at the first publish",
            )
        if self.status in (405, 501):
            return _Reason(
                NotAllowedError, "it accepts no uploads", "publish to a registry that is not a read-only cache"
            )
        if code in _BROKEN_UPLOAD:
            return _Reason(MismatchError, "", "publish again: the registry did not receive what was announced")
        return _Reason(UnreachableError, "", f"check that {address.origin} is an OCI registry", code="not-a-source")
