"""Program that copies a bucket to and from a tar archive; it runs in a container that has the credentials.

`list BUCKET` prints the keys as JSON. `save BUCKET` reads such a list from standard input and writes the
archive to standard output. `load BUCKET` reads an archive from standard input. `clear BUCKET` empties the
bucket.
"""

import json
import os
import sys
import tarfile
from collections.abc import Sequence
from shutil import copyfileobj

from pyarrow import fs

from servicio_ml import bootstrap

POINTER_SUFFIX = ".json"
"""Suffix of objects that refer to other objects, which are always written before them."""


def list_keys(service: fs.FileSystem, bucket: str) -> Sequence[str]:
    """List the keys of a bucket in alphabetical order."""
    found = service.get_file_info(fs.FileSelector(bucket, recursive=True))
    return sorted(info.path.removeprefix(f"{bucket}/") for info in found if info.type == fs.FileType.File)


def save(service: fs.FileSystem, bucket: str, before: Sequence[str]) -> None:
    """Write the archive: objects that refer to others first, then all others, including new ones.

    Args:
        service: S3 service.
        bucket: Name of the bucket.
        before: Keys of the objects that existed before the databases were copied.
    """
    first = [key for key in before if key.endswith(POINTER_SUFFIX)]
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for key in first:
            _add(archive, service, bucket, key)
        for key in sorted({*before, *list_keys(service, bucket)} - set(first)):
            _add(archive, service, bucket, key)


def _add(archive: tarfile.TarFile, service: fs.FileSystem, bucket: str, key: str) -> None:
    with service.open_input_file(f"{bucket}/{key}") as source:
        member = tarfile.TarInfo(key)
        member.size = source.size()
        archive.addfile(member, source)


def load(service: fs.FileSystem, bucket: str) -> None:
    """Write every member of the archive to the bucket."""
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
        for member in archive:
            source = archive.extractfile(member)
            if source is not None:
                with service.open_output_stream(f"{bucket}/{member.name}") as sink:
                    copyfileobj(source, sink)


def clear(service: fs.FileSystem, bucket: str) -> None:
    """Delete every object, including the empty ones that represent folders."""
    service.delete_dir_contents(bucket)


def main(verb: str, bucket: str) -> None:
    """Run the command."""
    service = bootstrap.create_s3_filesystem(os.environ["SERVICIO_ML_S3_ENDPOINT"])
    if verb == "list":
        print(json.dumps(list_keys(service, bucket)))
    elif verb == "save":
        save(service, bucket, json.load(sys.stdin))
    elif verb == "load":
        load(service, bucket)
    elif verb == "clear":
        clear(service, bucket)


if __name__ == "__main__":
    main(*sys.argv[1:])
