"""Spanish of what all pages share."""

TEXTS: dict[str, str] = {
    "Predict": "Predecir",
    "Data": "Datos",
    "Models": "Modelos",
    "Drift": "Deriva",
    "Live": "En vivo",
    "Use case": "Caso de uso",
    "API key": "Clave de API",
    "For what only administrators may do. It stays in this browser session.": (
        "Para lo que solo pueden hacer los administradores. Queda en esta sesión del navegador."
    ),
    "As a table": "Como tabla",
    "The server at {url} does not answer.": "El servidor en {url} no responde.",
    "Prometheus at {url} does not answer.": "Prometheus en {url} no responde.",
    "Start it with `make up` or `servicio-ml serve`, or name another in `SERVICIO_ML_API_URL`. "
    "This page asks again when you reload it.": (
        "Inícielo con `make up` o `servicio-ml serve`, o indique otro en `SERVICIO_ML_API_URL`. Esta página "
        "vuelve a preguntar cuando la recarga."
    ),
    "Install it and start it with `make up`, or name another in `SERVICIO_ML_PROMETHEUS_URL`. "
    "Everything else works without it.": (
        "Instálelo e inícielo con `make up`, o indique otro en `SERVICIO_ML_PROMETHEUS_URL`. Todo lo demás "
        "funciona sin él."
    ),
    "Details": "Detalles",
    "The server serves no model yet. Make one: `servicio-ml etl USE_CASE` and `servicio-ml train USE_CASE`, "
    "or `make up`.": (
        "El servidor todavía no sirve ningún modelo. Cree uno: `servicio-ml etl CASO` y "
        "`servicio-ml train CASO`, o `make up`."
    ),
    "The server asks for an API key. Type one into the field at the side, or name a file with one "
    "in `SERVICIO_ML_API_KEY_FILE`; `servicio-ml key NAME` makes one.": (
        "El servidor pide una clave de API. Escríbala en el campo del lateral, o indique un archivo "
        "con una en `SERVICIO_ML_API_KEY_FILE`; `servicio-ml key NOMBRE` la crea."
    ),
    "The server does not know this API key. Check the one in the field at the side.": (
        "El servidor no conoce esta clave de API. Revise la del campo del lateral."
    ),
    "This API key may not do that: it needs the scope `admin` (`servicio-ml key NAME --admin`). "
    "Type another into the field at the side.": (
        "Esta clave de API no permite hacerlo: necesita el alcance `admin` "
        "(`servicio-ml key NOMBRE --admin`). Escriba otra en el campo del lateral."
    ),
    "This is not there yet.": "Esto todavía no existe.",
    "The server refused this.": "El servidor lo rechazó.",
    "The server is busy or not ready. Try again in a moment.": (
        "El servidor está ocupado o no está listo. Inténtelo de nuevo en un momento."
    ),
    "The file with the API key cannot be read: set `SERVICIO_ML_API_KEY_FILE` right, or unset it.": (
        "No se puede leer el archivo con la clave de API: corrija `SERVICIO_ML_API_KEY_FILE` o quítelo."
    ),
    "Or type a key into the field at the side.": "O escriba una clave en el campo del lateral.",
}
