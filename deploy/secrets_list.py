"""Every secret of the production stack: the name of its file, how it is made, who else keeps the old one."""

import base64
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from servicio_ml.serving.keys import Scope, new_key

PASSWORD_BYTES = 24
"""As hexadecimal digits, which need no quoting in addresses and on command lines; bcrypt reads 72 of them."""
FERNET_BYTES = 32
ACCESS_KEY_CHARACTERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One file of the folder.

    Attributes:
        about: What it opens, for the one who reads the list.
        make: Gives a new one.
        kept_by: Who knows the old one and must be told first; empty where a restart is enough.
    """

    about: str
    make: Callable[[], str]
    kept_by: str = ""


def password() -> str:
    """A random password."""
    return secrets.token_hex(PASSWORD_BYTES)


def fernet_key() -> str:
    """A random key of Fernet: 32 bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(FERNET_BYTES)).decode()


def access_key() -> str:
    """A random name in the form of AWS's: 20 capitals and digits."""
    return "".join(
        secrets.choice(string.ascii_uppercase + string.digits) for _ in range(ACCESS_KEY_CHARACTERS)
    )


def _role(name: str) -> str:
    return f"the database keeps it, too: first ALTER ROLE {name} PASSWORD …"


SECRETS: Mapping[str, Secret] = MappingProxyType(
    {
        "postgres_password": Secret(
            about="PostgreSQL, the superuser", make=password, kept_by=_role("postgres")
        ),
        "airflow_db_password": Secret(
            about="PostgreSQL, Airflow's role", make=password, kept_by=_role("airflow")
        ),
        "mlflow_db_password": Secret(
            about="PostgreSQL, MLflow's role", make=password, kept_by=_role("mlflow")
        ),
        "servicio_ml_db_password": Secret(
            about="PostgreSQL, the prediction log's role", make=password, kept_by=_role("servicio_ml")
        ),
        "pg_exporter_password": Secret(
            about="PostgreSQL, the role that reads statistics", make=password, kept_by=_role("exporter")
        ),
        "s3_access_key": Secret(about="the lake and MLflow's artifacts, the key's name", make=access_key),
        "s3_secret_key": Secret(about="the lake and MLflow's artifacts, the key", make=password),
        "valkey_password": Secret(about="the streams and Airflow's queue", make=password),
        "airflow_admin_password": Secret(about="Airflow's pages and API, user admin", make=password),
        "airflow_jwt_secret": Secret(about="signs what Airflow's parts tell each other", make=password),
        "airflow_fernet_key": Secret(
            about="encrypts the connections in Airflow's database",
            make=fernet_key,
            kept_by="what is encrypted with the old one would be lost: use `airflow rotate-fernet-key`",
        ),
        "airflow_secret_key": Secret(about="signs the sessions of Airflow's pages", make=password),
        "grafana_admin_password": Secret(
            about="Grafana's pages, user admin",
            make=password,
            kept_by="Grafana keeps it, too: first `grafana cli admin reset-admin-password`",
        ),
        "hook_token": Secret(about="what Alertmanager shows to the server's hook", make=password),
        "api_admin_key": Secret(about="the API, to change things: Airflow's and yours", make=new_key),
        "api_predict_key": Secret(about="the API, to predict and read: Streamlit's", make=new_key),
    }
)
API_KEYS = "api_keys"
"""The server's file of hashed keys. It follows from the plain ones, and may hold more."""
KEY_FILES: Mapping[str, Scope] = MappingProxyType(
    {"api_admin_key": Scope.ADMIN, "api_predict_key": Scope.PREDICT}
)
NAMES = (*SECRETS, API_KEYS)
"""Every file of the folder."""
