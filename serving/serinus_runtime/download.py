"""A model over HTTPS, from a stranger: one file, streamed, hashed and bounded, from public addresses only.

Used by `model_store.py` (once, at start) and `source_watch.py` (a look a minute). Each redirect is judged like the
first URL: https, no credentials, and an address that is public or allowed (`addresses.py`).
"""

import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from yarl import URL

from serinus_api.conditions import Reason
from serinus_api.runtime import CA_MOUNT, ModelSource
from serinus_runtime.addresses import GuardedResolver
from serinus_runtime.copying import CHUNK, Sink
from serinus_runtime.errors import ModelRefused

MAX_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_CONNECT_SECONDS = 10.0
_WATCHED = ("ETag", "Last-Modified")
_PARTIAL = 206


async def download(source: ModelSource, sink: Sink, begun: Callable[[], None]) -> dict[str, str]:
    """Stream the file into `sink`; `begun` is called when the server has found it. Its ETag and the like, to compare.

    Raises:
        ModelRefused: NotFound, AccessDenied, DownloadFailed, DownloadStalled, TooLarge or UnsupportedScheme.

    """
    async with _Fetch(source, {}) as response:
        sink.check_size(response.content_length or 0)
        begun()
        async for piece in response.content.iter_chunked(CHUNK):
            sink.write(piece)
        return _facts(response)


async def look(source: ModelSource) -> dict[str, str]:
    """What the server says of the file now, without fetching it. A GET of one byte: a signed URL allows no HEAD."""
    async with _Fetch(source, {"Range": "bytes=0-0"}) as response:
        return _facts(response)


@dataclass(frozen=True)
class _Failure:
    reason: Reason
    words: str


_STATUSES = {
    401: _Failure(Reason.ACCESS_DENIED, "needs credentials"),
    403: _Failure(Reason.ACCESS_DENIED, "is forbidden"),
    404: _Failure(Reason.NOT_FOUND, "does not exist"),
    407: _Failure(Reason.ACCESS_DENIED, "needs credentials for a proxy"),
    410: _Failure(Reason.NOT_FOUND, "is gone"),
}


class _Fetch:
    """One GET with its redirects, as a context: the response that is to be read."""

    def __init__(self, source: ModelSource, headers: dict[str, str]) -> None:
        self._source = source
        self._headers = {"Accept-Encoding": "identity"} | headers
        self._resolver = GuardedResolver(source.allow_hosts)
        self._url = self._parsed(source.uri)
        self._shown = shown(self._url)
        self._responses: list[aiohttp.ClientResponse] = []

    async def __aenter__(self) -> aiohttp.ClientResponse:
        connector = aiohttp.TCPConnector(resolver=self._resolver, ssl=_trust(self._source), force_close=True)
        stall = self._source.stall_seconds
        self._session = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(stall, _CONNECT_SECONDS), sock_read=stall),
        )
        async with contextlib.AsyncExitStack() as undo:
            undo.push_async_exit(self)
            response = await self._follow(self._url)
            undo.pop_all()
        return response

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        await self._session.close()  # breaks connections off, also in the middle of a body, and waits until they are
        for response in self._responses:
            response.close()
        if isinstance(error, _CLIENT_ERRORS):
            raise self._translated(error) from error

    async def _follow(self, url: URL) -> aiohttp.ClientResponse:
        for _ in range(MAX_REDIRECTS + 1):
            self._check(url)
            response = await self._session.get(url, headers=self._headers, allow_redirects=False)
            self._responses.append(response)
            if response.status not in _REDIRECTS:
                return self._checked(response)
            url = self._parsed(response.headers.get("Location", ""), url)
        raise ModelRefused(Reason.DOWNLOAD_FAILED, f"{self._shown} redirects more than {MAX_REDIRECTS} times")

    def _parsed(self, text: str, base: URL | None = None) -> URL:
        try:
            url = URL(text)
            return base.join(url) if base is not None else url
        except ValueError as error:
            if base is None:
                raise ModelRefused(Reason.UNSUPPORTED_SCHEME, "the URI is not a URL") from error
            msg = f"{self._shown} redirects to something that is not a URL"
            raise ModelRefused(Reason.DOWNLOAD_FAILED, msg) from error

    def _check(self, url: URL) -> None:
        if url.scheme != "https" or not url.host:
            msg = f"{self._shown} redirects to {shown(url)}, and only https is followed"
            raise ModelRefused(Reason.DOWNLOAD_FAILED, msg)
        if url.user is not None or url.password is not None:
            msg = f"{shown(url)} carries credentials, which a URL must not"
            raise ModelRefused(Reason.UNSUPPORTED_SCHEME, msg)
        self._resolver.check_literal(url.host, url.port or 443)

    def _checked(self, response: aiohttp.ClientResponse) -> aiohttp.ClientResponse:
        if response.status in (200, _PARTIAL):
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise ModelRefused(Reason.DOWNLOAD_FAILED, f"{self._shown} comes compressed, though that was not asked")
            return response
        failure = _STATUSES.get(response.status, _Failure(Reason.DOWNLOAD_FAILED, "cannot be downloaded"))
        raise ModelRefused(failure.reason, f"{self._shown} {failure.words} (HTTP {response.status})")

    def _translated(self, error: BaseException) -> ModelRefused:
        if isinstance(error, TimeoutError):
            seconds = self._source.stall_seconds
            return ModelRefused(Reason.DOWNLOAD_STALLED, f"{self._shown} sent nothing for {seconds} seconds")
        return ModelRefused(Reason.DOWNLOAD_FAILED, f"{self._shown} cannot be downloaded: {error}")


_CLIENT_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)


def shown(url: URL) -> str:
    """A URL for messages: without credentials, query and fragment, which may hold secrets."""
    return str(url.with_user(None).with_query(None).with_fragment(None)) if url.host else str(url.path)


def _trust(source: ModelSource) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if source.ca_file is not None:
        files = _certificates(Path(CA_MOUNT, source.ca_file))
        if not files:
            raise ModelRefused(Reason.NOT_FOUND, "spec.runtime.caConfigMapRef names no ConfigMap with certificates")
        try:
            for file in files:
                context.load_verify_locations(cafile=file)
        except (ssl.SSLError, OSError) as error:
            raise ModelRefused(
                Reason.DOWNLOAD_FAILED, f"the extra trusted certificates are unusable: {error}"
            ) from error
    return context


def _certificates(place: Path) -> list[Path]:
    """The file itself, or all files of the folder. A mounted ConfigMap also has folders of its own, `..data`."""
    if place.is_dir():
        return sorted(file for file in place.iterdir() if file.is_file())
    return [place] if place.exists() else []


def _facts(response: aiohttp.ClientResponse) -> dict[str, str]:
    """What tells one content from another, as far as the server says it."""
    facts = {name: response.headers[name] for name in _WATCHED if name in response.headers}
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    size = total if response.status == _PARTIAL else response.headers.get("Content-Length", "")
    return facts | ({"size": size} if size.isdigit() else {})
