"""API keys and their file."""

from pathlib import Path

import pytest

from servicio_ml.errors import ForbiddenError, SettingsError, UnauthorizedError
from servicio_ml.serving.http.api_keys import (
    ApiKeys,
    Scope,
    format_key_line,
    generate_key,
    hash_key,
    read_keys,
    read_presented_key,
)

USER_KEY, ADMIN_KEY = generate_key(), generate_key()
DIGEST = hash_key("a")
ADMIN_LINE = format_key_line("boss", frozenset({Scope.ADMIN, Scope.PREDICT}), ADMIN_KEY)
FILE = f"""# who may ask
{format_key_line("user", frozenset({Scope.PREDICT}), USER_KEY)}

  {ADMIN_LINE.replace("boss", "boss  ")}   # the operator
"""


@pytest.fixture
def keys(tmp_path: Path) -> ApiKeys:
    (tmp_path / "keys").write_text(FILE)
    return read_keys(tmp_path / "keys")


def test_the_scopes_are_these() -> None:
    assert [scope.value for scope in Scope] == ["predict", "admin"]


def test_a_line_is_name_scopes_digest() -> None:
    assert format_key_line("a", frozenset(Scope), "a") == f"a admin,predict {DIGEST}"
    assert DIGEST == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"


def test_a_new_key_is_long_and_new() -> None:
    assert len({generate_key() for _ in range(100)}) == 100
    assert len(generate_key()) >= 43


def test_a_file_is_read(keys: ApiKeys) -> None:
    assert not keys.is_open
    assert keys.authorize(USER_KEY, Scope.PREDICT) == "user"
    assert keys.authorize(ADMIN_KEY, Scope.PREDICT) == keys.authorize(ADMIN_KEY, Scope.ADMIN) == "boss"


def test_a_scope_that_is_lacking(keys: ApiKeys) -> None:
    with pytest.raises(ForbiddenError, match="'user' lacks the scope 'admin'"):
        keys.authorize(USER_KEY, Scope.ADMIN)


@pytest.mark.parametrize(
    "given",
    ["", "x", DIGEST, hash_key(USER_KEY), USER_KEY[:-1], USER_KEY + " ", USER_KEY.swapcase(), "ÿ"],
    # the keys are new in every process
    ids=["empty", "short", "a digest", "its digest", "cut", "longer", "other case", "no ASCII"],
)
def test_an_unknown_key(keys: ApiKeys, given: str) -> None:
    with pytest.raises(UnauthorizedError):
        keys.authorize(given, Scope.PREDICT)


def test_the_digest_of_nothing_admits_nobody(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"nobody admin {hash_key('')}")
    with pytest.raises(UnauthorizedError):
        read_keys(tmp_path / "keys").authorize("", Scope.PREDICT)


def test_admin_alone_may_predict(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"boss admin {hash_key('a').upper()}")
    assert read_keys(tmp_path / "keys").authorize("a", Scope.PREDICT) == "boss"


def test_without_keys_everything_is_open() -> None:
    assert ApiKeys().is_open
    assert ApiKeys().authorize("whatever", Scope.ADMIN) == ""


@pytest.mark.parametrize(
    "wrong",
    [
        "user predict",
        f"user predict {DIGEST} more",
        f"user forecast {DIGEST}",
        f"user predict,root {DIGEST}",
        f"user predict, {DIGEST}",
        f"user PREDICT {DIGEST}",
        "user predict secret",
        f"user predict {DIGEST[:-2]}",
        f"user predict {DIGEST}00",
        f"user predict {'g' * 64}",
    ],
    ids=["two words", "four words", "scope", "one scope of two", "empty scope", "capitals", "the key itself",
         "short", "long", "no hex"],
)  # fmt: skip
def test_a_wrong_line_is_named(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# first\nfine predict {DIGEST}\n{wrong}\n")
    with pytest.raises(SettingsError, match="SERVICIO_ML_KEYS_FILE") as caught:
        read_keys(path)
    assert f"{path}, line 3: a line is `name scopes sha256`" in str(caught.value)
    # it may be the key itself
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "\n\n", "# nothing yet\n"])
def test_a_file_without_keys_opens_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys").write_text(content)
    with pytest.raises(SettingsError, match="holds no key; make one with `servicio-ml key`"):
        read_keys(tmp_path / "keys")


@pytest.mark.parametrize("make", [lambda _: None, Path.mkdir, lambda path: path.write_bytes(b"\xff\xfe k")],
                         ids=["absent", "a folder", "no text"])  # fmt: skip
def test_a_file_that_cannot_be_read(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "keys")
    with pytest.raises(SettingsError, match="SERVICIO_ML_KEYS_FILE"):
        read_keys(tmp_path / "keys")


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, ""),
        ({b"x-api-key": b" k "}, "k"),
        ({b"authorization": b"Bearer k"}, "k"),
        ({b"authorization": b"bearer  k"}, "k"),
        ({b"authorization": b"Basic k"}, ""),
        ({b"authorization": b"Bearer"}, ""),
        ({b"x-api-key": b"k", b"authorization": b"Bearer other"}, "k"),
        ({b"x-api-key": b"\xe9"}, "é"),
    ],
)
def test_where_a_key_is_presented(headers: dict[bytes, bytes], key: str) -> None:
    assert read_presented_key(headers) == key
