"""Route that explains the score of a record."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from servicio_ml.features.encoder import Matrix
from servicio_ml.features.explain import explain, get_background
from servicio_ml.serving.http.call import JSON
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.openapi import VERSION_PARAMETERS, describe_errors
from servicio_ml.serving.prediction.service import Service
from servicio_ml.serving.rest.predict import parse_version_query

# described by hand: the decoder validates the body, as for a prediction
RECORD_OPENAPI = {
    "parameters": VERSION_PARAMETERS,
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": {
                    "type": "object",
                    "description": "A record, as in `/models/{model}/predict`.",
                }
            }
        },
    },
}


class ExplanationState(BaseModel):
    """Explanation of a record's score."""

    model: str
    version: int
    label: str | None = Field(
        description="Class of the probability: the positive one, or the predicted one of several; "
        "null for a regression."
    )
    base: float = Field(
        description="Mean score of the background rows, which are the golden rows of the version."
    )
    score: float = Field(description="Score of the record: a calibrated probability, or the number.")
    contributions: dict[str, float] = Field(
        description="Contribution of each field; their sum is score - base."
    )


def explain_record(loaded_model: LoadedModel, matrix: Matrix) -> ExplanationState:
    """Explain the score of a record `[1, features]`."""
    explanation = explain(loaded_model.artifact, matrix, get_background(loaded_model.artifact))
    return ExplanationState(
        model=loaded_model.model,
        version=loaded_model.version,
        label=explanation.label,
        base=explanation.base,
        score=explanation.score,
        contributions=dict(explanation.contributions),
    )


def build_routes(service: Service) -> APIRouter:
    """Build the route."""
    router = APIRouter(prefix="/models/{model}", tags=["insight"])

    @router.post(
        "/explain",
        summary="Explain the score of a record",
        openapi_extra=RECORD_OPENAPI,
        responses=describe_errors(400, 401, 403, 404, 413, 422, 500, 503),
    )
    @require(Access.PREDICT)
    async def explain_score(model: str, request: Request) -> ExplanationState:
        """Return the contribution of each field to the score; nothing is logged as a prediction."""
        loaded_model, _ = await service.predictor.resolve(
            model, parse_version_query(request.scope["query_string"])
        )
        matrix = loaded_model.decoder.decode_record(await request.body()).matrix
        # hundreds of evaluations of the model: too long for the event loop
        return await service.predictor.run_in_thread(loaded_model, explain_record, loaded_model, matrix)

    return router
