"""Errors that users can meet; each message names the subject, its value and what to do.

ServicioError
├── UseCaseError            a use-case file or its schema is wrong
│   └── UnknownUseCaseError
├── SettingsError           a setting is missing or wrong
├── DataError               the input data cannot be used
│   ├── SourceError         the file or address cannot be read
│   ├── ColumnsError        the columns are not those of the use case
│   ├── ContractError       what would be published breaks the contract
│   ├── DraftError          no use case can be drafted from a file
│   ├── ModelImportError    a model of another tool cannot be imported
│   └── EncodingError       a value does not fit its field
├── OutputError             a file cannot be written
├── ProgramError            a program is missing or fails
├── StoreError              the lake cannot be read or written
│   └── NotPublishedError   nothing has been published for the period
├── RegistryError           MLflow cannot be reached or refuses
│   └── NoSuchModelError
├── RetrainingError         a retraining cannot be started
├── ReloadError             a server cannot be notified of a new champion
├── TrainingError           no model can be trained, exported or promoted
│   ├── PromotionError      the version is the champion already, or the champion has changed
│   ├── RolloutError        a rollout cannot begin, or cannot be changed now
│   └── ArtifactError       a model artifact is incomplete or wrong
│       └── ForeignModelError   a registered version has no artifact of this platform
└── ServingError            a request cannot be answered
    ├── InvalidError        rows do not fit the schema; lists the errors of fields
    ├── UnknownPredictionError
    ├── RequestError        the interface does not accept a request
    │   ├── TooLargeError
    │   ├── TextEncodingError
    │   ├── JsonError
    │   └── MediaTypeError
    │       └── ContentEncodingError
    ├── UnauthorizedError   an API key is absent or unknown
    │   └── HookTokenError  the token of the hook is absent or wrong
    ├── ForbiddenError      an API key lacks the scope
    │   ├── HookClosedError no token is set for the hook
    │   └── ForeignPageError a request from a foreign page to a server without keys
    ├── DraftingError       a use case cannot be drafted, written or trained as asked
    ├── DraftingClosedError use cases cannot be drafted by this server, or not now
    ├── BusyError           too many requests are in flight
    ├── NotReadyError       no version of the model is loaded yet
    ├── ModelWorkerError    the process of an isolated model has no answer
    ├── ModelFailureError   an isolated model has failed on the rows that it got
    ├── JournalError        the journal cannot be written
    ├── LogError            the prediction log cannot be reached or refuses
    ├── LoggedRowsError     logged rows cannot be decoded by the version that scored them
    └── BrokerError         the stream cannot be reached or refuses
"""

from servicio_ml.errors.access import (
    ForbiddenError,
    ForeignPageError,
    HookClosedError,
    HookTokenError,
    UnauthorizedError,
)
from servicio_ml.errors.base import ServicioError, escape_unprintable, format_names, format_value
from servicio_ml.errors.configuration import ProgramError, SettingsError, UnknownUseCaseError, UseCaseError
from servicio_ml.errors.data import (
    ColumnsError,
    ContractError,
    DataError,
    DraftError,
    EncodingError,
    ModelImportError,
    NotPublishedError,
    OutputError,
    SourceError,
    StoreError,
)
from servicio_ml.errors.models import (
    ArtifactError,
    ForeignModelError,
    NoSuchModelError,
    PromotionError,
    RegistryError,
    ReloadError,
    RetrainingError,
    RolloutError,
    TrainingError,
)
from servicio_ml.errors.requests import (
    ContentEncodingError,
    FieldError,
    InvalidError,
    JsonError,
    MediaTypeError,
    RequestError,
    TextEncodingError,
    TooLargeError,
    UnknownPredictionError,
)
from servicio_ml.errors.serving import (
    BrokerError,
    BusyError,
    DraftingClosedError,
    DraftingError,
    JournalError,
    LogError,
    LoggedRowsError,
    ModelFailureError,
    ModelWorkerError,
    NotReadyError,
    ServingError,
    WorkerFailure,
)

__all__ = [
    "ArtifactError",
    "BrokerError",
    "BusyError",
    "ColumnsError",
    "ContentEncodingError",
    "ContractError",
    "DataError",
    "DraftError",
    "DraftingClosedError",
    "DraftingError",
    "EncodingError",
    "FieldError",
    "ForbiddenError",
    "ForeignModelError",
    "ForeignPageError",
    "HookClosedError",
    "HookTokenError",
    "InvalidError",
    "JournalError",
    "JsonError",
    "LogError",
    "LoggedRowsError",
    "MediaTypeError",
    "ModelFailureError",
    "ModelImportError",
    "ModelWorkerError",
    "NoSuchModelError",
    "NotPublishedError",
    "NotReadyError",
    "OutputError",
    "ProgramError",
    "PromotionError",
    "RegistryError",
    "ReloadError",
    "RequestError",
    "RetrainingError",
    "RolloutError",
    "ServicioError",
    "ServingError",
    "SettingsError",
    "SourceError",
    "StoreError",
    "TextEncodingError",
    "TooLargeError",
    "TrainingError",
    "UnauthorizedError",
    "UnknownPredictionError",
    "UnknownUseCaseError",
    "UseCaseError",
    "WorkerFailure",
    "escape_unprintable",
    "format_names",
    "format_value",
]
