"""Archives of model files: checked by what they declare before anything is unpacked."""

from pathlib import Path, PurePosixPath
from zipfile import ZipFile

from ..errors import ModelFileError

MAX_UNPACKED_BYTES = 2 << 30
"""Maximum size of all members, unpacked, in bytes; no member can give more than it declares."""
MAX_MEMBERS = 100_000


def check_archive(path: Path) -> None:
    """Check a zip archive.

    Raises:
        ModelFileError: Its members are too large or too many, or one leads out of a folder.
    """
    with ZipFile(path) as archive:
        members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise ModelFileError(f"it has {len(members)} members, more than {MAX_MEMBERS}")
    if (size := sum(each.file_size for each in members)) > MAX_UNPACKED_BYTES:
        raise ModelFileError(
            f"it has {size} bytes when unpacked, of {path.stat().st_size} packed; at most"
            f" {MAX_UNPACKED_BYTES} are read"
        )
    for each in members:
        # both separators, as the archive may come from any system
        name = PurePosixPath(each.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts:
            raise ModelFileError(f"its member {each.filename!r} leads out of the archive")
