"""Run within a container of the stack, which has the credentials: a bucket to and from a tar on the streams.

`list BUCKET` tells its keys; `save BUCKET`, given such a list, writes the tar; `load BUCKET` reads one, and
`clear BUCKET` empties the bucket.
"""

import json
import os
import sys
import tarfile
from collections.abc import Sequence
from shutil import copyfileobj

from pyarrow import fs

from servicio_ml.adapters.lake import s3_filesystem

POINTER = ".json"
"""Of objects that name others, which are written before them."""


def keys(service: fs.FileSystem, bucket: str) -> Sequence[str]:
    """The keys of a bucket."""
    found = service.get_file_info(fs.FileSelector(bucket, recursive=True))
    return sorted(info.path.removeprefix(f"{bucket}/") for info in found if info.type == fs.FileType.File)


def save(service: fs.FileSystem, bucket: str, before: Sequence[str]) -> None:
    """What was there before anything was copied, those that name others first, and what came meanwhile."""
    first = [key for key in before if key.endswith(POINTER)]
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for key in first:
            _add(archive, service, bucket, key)
        for key in sorted({*before, *keys(service, bucket)} - set(first)):
            _add(archive, service, bucket, key)


def _add(archive: tarfile.TarFile, service: fs.FileSystem, bucket: str, key: str) -> None:
    with service.open_input_file(f"{bucket}/{key}") as source:
        member = tarfile.TarInfo(key)
        member.size = source.size()
        archive.addfile(member, source)


def load(service: fs.FileSystem, bucket: str) -> None:
    """Put every member of the tar."""
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
        for member in archive:
            source = archive.extractfile(member)
            if source is not None:
                with service.open_output_stream(f"{bucket}/{member.name}") as sink:
                    copyfileobj(source, sink)


def clear(service: fs.FileSystem, bucket: str) -> None:
    """Delete every object, the empty ones included that stand for folders."""
    service.delete_dir_contents(bucket)


def main(verb: str, bucket: str) -> None:
    """Do what the command line says."""
    service = s3_filesystem(os.environ["SERVICIO_ML_S3_ENDPOINT"])
    if verb == "list":
        print(json.dumps(keys(service, bucket)))
    elif verb == "save":
        save(service, bucket, json.load(sys.stdin))
    elif verb == "load":
        load(service, bucket)
    elif verb == "clear":
        clear(service, bucket)


if __name__ == "__main__":
    main(*sys.argv[1:])
