"""Secrets of the production stack: name of the file, generator, and step before a renewal."""

import base64
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from servicio_ml.serving.http.api_keys import Scope, generate_key

PASSWORD_BYTES = 24
"""Random bytes of a password. Hexadecimal digits need no quoting in URLs; bcrypt reads up to 72 of them."""
FERNET_BYTES = 32
ACCESS_KEY_CHARACTERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Secret in a file of the folder.

    Attributes:
        about: Service that the secret gives access to, for the list that `make env` prints.
        generate: Function that returns a new secret.
        renewal_step: Step before a renewal, where a service stores the old secret; empty if none is needed.
    """

    about: str
    generate: Callable[[], str]
    renewal_step: str = ""


def generate_password() -> str:
    """Generate a random password."""
    return secrets.token_hex(PASSWORD_BYTES)


def generate_fernet_key() -> str:
    """Generate a random Fernet key: 32 bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(FERNET_BYTES)).decode()


def generate_access_key() -> str:
    """Generate a random access key in the form of AWS's: 20 capitals and digits."""
    return "".join(
        secrets.choice(string.ascii_uppercase + string.digits) for _ in range(ACCESS_KEY_CHARACTERS)
    )


def _describe_role_change(name: str) -> str:
    return f"the database stores it, too: first run ALTER ROLE {name} PASSWORD …"


SECRETS: Mapping[str, Secret] = MappingProxyType(
    {
        "postgres_password": Secret(
            about="PostgreSQL, the superuser",
            generate=generate_password,
            renewal_step=_describe_role_change("postgres"),
        ),
        "airflow_db_password": Secret(
            about="PostgreSQL, Airflow's role",
            generate=generate_password,
            renewal_step=_describe_role_change("airflow"),
        ),
        "mlflow_db_password": Secret(
            about="PostgreSQL, MLflow's role",
            generate=generate_password,
            renewal_step=_describe_role_change("mlflow"),
        ),
        "servicio_ml_db_password": Secret(
            about="PostgreSQL, the prediction log's role",
            generate=generate_password,
            renewal_step=_describe_role_change("servicio_ml"),
        ),
        "pg_exporter_password": Secret(
            about="PostgreSQL, the role that reads statistics",
            generate=generate_password,
            renewal_step=_describe_role_change("exporter"),
        ),
        "s3_access_key": Secret(
            about="the lake and MLflow's artifacts, the key's name", generate=generate_access_key
        ),
        "s3_secret_key": Secret(about="the lake and MLflow's artifacts, the key", generate=generate_password),
        "valkey_password": Secret(about="the streams and Airflow's queue", generate=generate_password),
        "airflow_admin_password": Secret(
            about="Airflow's pages and API, user admin", generate=generate_password
        ),
        "airflow_jwt_secret": Secret(
            about="signs the messages between Airflow's components", generate=generate_password
        ),
        "airflow_fernet_key": Secret(
            about="encrypts the connections in Airflow's database",
            generate=generate_fernet_key,
            renewal_step="encrypted connections would be lost: first run `airflow rotate-fernet-key`",
        ),
        "airflow_secret_key": Secret(
            about="signs the sessions of Airflow's pages", generate=generate_password
        ),
        "grafana_admin_password": Secret(
            about="Grafana's pages, user admin",
            generate=generate_password,
            renewal_step="Grafana stores it, too: first run `grafana cli admin reset-admin-password`",
        ),
        "hook_token": Secret(
            about="token with which Alertmanager calls the server's hook", generate=generate_password
        ),
        "api_admin_key": Secret(about="the API, scope admin: for Airflow and for you", generate=generate_key),
        "api_predict_key": Secret(about="the API, scope predict: for Streamlit", generate=generate_key),
    }
)
API_KEYS = "api_keys"
"""Server's file of hashed API keys: the hashes of the plain keys, and others that an operator adds."""
KEY_FILES: Mapping[str, Scope] = MappingProxyType(
    {"api_admin_key": Scope.ADMIN, "api_predict_key": Scope.PREDICT}
)
SECRET_FILES = (*SECRETS, API_KEYS)
"""Names of all files in the folder of secrets."""
