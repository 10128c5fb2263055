"""Spanish of the page Live."""

TEXTS: dict[str, str] = {
    "Range": "Período",
    "Look again every {seconds} seconds": "Volver a mirar cada {seconds} segundos",
    "Prometheus has never seen this server: it must scrape it as the job `servicio-ml` and load the rules of "
    "`monitoring/prometheus`. `docs/monitoring.md` tells how.": (
        "Prometheus nunca ha visto este servidor: debe consultarlo como el trabajo `servicio-ml` y cargar "
        "las reglas de `monitoring/prometheus`. `docs/monitoring.md` explica cómo."
    ),
    "Server": "Servidor",
    "ready": "listo",
    "not ready": "no listo",
    "Champion": "Campeón",
    "Challenger": "Aspirante",
    "Loaded (UTC)": "Cargado (UTC)",
    "none": "ninguno",
    "version {number}": "versión {number}",
    "Retrainings by alerts": "Reentrenamientos por alertas",
    "In quarantine: {names}. Alerts may not retrain this model.": (
        "En cuarentena: {names}. Las alertas no pueden reentrenar este modelo."
    ),
    "Alerts may still start {number} this month.": "Las alertas aún pueden iniciar {number} este mes.",
    "No alert has asked for a retraining in the last 30 days.": (
        "Ninguna alerta ha pedido un reentrenamiento en los últimos 30 días."
    ),
    "Time (UTC)": "Hora (UTC)",
    "Decision": "Decisión",
    "Reason": "Motivo",
    "Run": "Ejecución",
    "Alerts": "Alertas",
    "No alert fires.": "No hay ninguna alerta activa.",
    "Pending: {names}.": "Pendientes: {names}.",
    "Firing for other models: {names}.": "Activas en otros modelos: {names}.",
    "since {time} UTC": "desde {time} UTC",
    "page": "aviso inmediato",
    "ticket": "incidencia",
    "Runbook": "Guía",
    "What to do:": "Qué hacer:",
    "Requests per second": "Peticiones por segundo",
    "Requests that fail": "Peticiones que fallan",
    "Predictions per second": "Predicciones por segundo",
    "Rows not yet logged": "Filas aún sin registrar",
    "Requests by route, the busiest": "Peticiones por ruta, las más usadas",
    "Duration by route: the middle (p50) and the slowest of a hundred (p99)": (
        "Duración por ruta: la mediana (p50) y la más lenta de cada cien (p99)"
    ),
    "Milliseconds": "Milisegundos",
    "Requests that the server failed": "Peticiones en las que falló el servidor",
    "Share of the requests (%)": "Parte de las peticiones (%)",
    "Rows scored by protocol": "Filas evaluadas por protocolo",
    "Rows per second": "Filas por segundo",
    "Nothing was measured in this time.": "No se midió nada en este período.",
    "Series": "Serie",
    "Last: {values}.": "Último: {values}.",
    "Performance": "Rendimiento",
    "Of the rows of the last {window} at each time.": "Sobre la ventana de {window} hasta cada momento.",
    "Expected: from the calibrated probabilities. Realised: by the labels that came.": (
        "Esperado: de las probabilidades calibradas. Realizado: según las etiquetas que llegaron."
    ),
    "Nothing is known of the performance yet: it takes scored rows, and labels by `feedback`.": (
        "Todavía no se sabe nada del rendimiento: hacen falta filas evaluadas y etiquetas por `feedback`."
    ),
    "Accuracy": "Exactitud",
    "F1, mean of the classes": "F1, media de las clases",
    "Mean absolute error": "Error absoluto medio",
    "Share (0 to 1)": "Proporción (0 a 1)",
    "F1 (0 to 1)": "F1 (0 a 1)",
    "Unit of the prediction": "Unidad de la predicción",
    "labelled": "etiquetadas",
    "Label coverage": "Cobertura de etiquetas",
    "expected": "esperado",
    "realised": "realizado",
    "limit": "límite",
    "Freshness of the pipelines": "Frescura de los procesos",
    "No step has told of a success yet: steps send their times to StatsD (`STATSD_HOST`).": (
        "Ningún paso ha comunicado un éxito todavía: los pasos envían sus tiempos a StatsD (`STATSD_HOST`)."
    ),
    "Step": "Paso",
    "Last success": "Último éxito",
    "At most": "Como máximo",
    "late": "tarde",
    "in time": "a tiempo",
    "{number} days": "{number} días",
    "{number} hours": "{number} horas",
}
