"""The Hugging Face hub: what of a model is fetched, how much that still is, and what to do where it cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch

from blockwright.files import LICENCE_FILES

WANTED = ("*.json", "*.safetensors", "*.model", "*.jinja", "*.txt", *LICENCE_FILES)  # of a model's files


def refused(error: BaseException, model: str) -> str | None:
    """Why the hub did not give a model, and what to do; None for an error that is not the hub's.

    transformers words such errors anew, at length, and keeps the hub's own as the cause.
    """
    from huggingface_hub import errors

    for one in _chain(error):
        if isinstance(one, errors.GatedRepoError):
            return (
                f"'{model}' is gated: accept its terms at https://huggingface.co/{model}, then type `hf auth login` "
                "(or set HF_TOKEN)"
            )
        if isinstance(one, errors.RepositoryNotFoundError):
            return (
                f"there is no '{model}' on the hub, or it is private; look for its name at "
                "https://huggingface.co/models, or type `hf auth login` (or set HF_TOKEN) where it is private"
            )
        if isinstance(one, errors.RevisionNotFoundError):
            return f"'{model}' has no such revision; its branches are at https://huggingface.co/{model}/tree/main"
    return _unreachable(error, model)


def _unreachable(error: BaseException, model: str) -> str | None:
    from huggingface_hub import errors

    offline = errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError
    for one in _chain(error):
        if isinstance(one, errors.EntryNotFoundError) and not isinstance(one, errors.LocalEntryNotFoundError):
            return f"'{model}' is on the hub but lacks a file that is needed ({_first_line(one)})"
        if isinstance(one, errors.HfHubHTTPError):
            return f"the hub did not give '{model}' ({_first_line(one)}); the same command tries again"
        if isinstance(one, (*offline, ConnectionError, TimeoutError)) or _is_of_the_network(one):
            return (
                f"'{model}' is not on this machine and the hub cannot be reached; connect it (HF_HUB_OFFLINE unset), "
                f"or fetch it elsewhere with `hf download {model} --local-dir FOLDER` and name that folder"
            )
    return None


def bytes_to_fetch(model: str, revision: str | None) -> int | None:
    """Of the files that a run needs and that are not in the hub's cache; None where the hub does not answer."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    try:
        files = HfApi().model_info(model, revision=revision, files_metadata=True).siblings or []
    except Exception as error:  # the network's own errors have no base that the hub's have too
        if refused(error, model) is None:
            raise
        return None
    missing = [
        file
        for file in files
        if any(fnmatch(file.rfilename, pattern) for pattern in WANTED)
        and not isinstance(try_to_load_from_cache(model, file.rfilename, revision=revision), str)
    ]
    return sum(file.size or 0 for file in missing)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _is_of_the_network(error: BaseException) -> bool:
    """Of the library that huggingface_hub speaks through, which is another one from version to version."""
    return type(error).__module__.partition(".")[0].rstrip("2") in ("httpx", "httpcore", "requests", "urllib3")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")
