"""Spanish of the page Drift."""

TEXTS: dict[str, str] = {
    "Do the rows that are asked today still look like those that the model learned from?": (
        "¿Se parecen todavía las filas que se consultan hoy a aquellas con las que aprendió el modelo?"
    ),
    "Window": "Ventana",
    "1 hour": "1 hora",
    "6 hours": "6 horas",
    "24 hours": "24 horas",
    "7 days": "7 días",
    "30 days": "30 días",
    "Version {version} has scored no rows in this window. Choose a longer one, or ask for a prediction on "
    "the page Predict.": (
        "La versión {version} no ha evaluado ninguna fila en esta ventana. Elija una más larga, o pida una "
        "predicción en la página Predecir."
    ),
    "Rows in the window": "Filas en la ventana",
    "Drifted features": "Variables con deriva",
    "drifted": "con deriva",
    "not drifted": "sin deriva",
    "The prediction itself": "La propia predicción",
    "Column": "Columna",
    "Prediction": "Predicción",
    "Index over threshold": "Índice entre umbral",
    "Verdict": "Veredicto",
    "Index (PSI)": "Índice (PSI)",
    "Threshold": "Umbral",
    "Missing": "Sin dato",
    "Missing now": "Sin dato ahora",
    "Missing in training": "Sin dato en el entrenamiento",
    "Beyond the threshold: {names}.": "Por encima del umbral: {names}.",
    "No column is beyond its threshold; the closest is {name}.": (
        "Ninguna columna supera su umbral; la más cercana es {name}."
    ),
    "How far each column has moved": "Cuánto se ha movido cada columna",
    "The population stability index of each column over the threshold for so many rows. From 1 on, the "
    "dashed line, it is drift.": (
        "El índice de estabilidad poblacional de cada columna entre el umbral para ese número de filas. "
        "Desde 1, la línea discontinua, es deriva."
    ),
    "Training rows of the same seasons": "Filas de entrenamiento de las mismas épocas",
    "Rows of the window": "Filas de la ventana",
    "Bin": "Intervalo",
    "Share of the rows (%)": "Parte de las filas (%)",
    "The greatest change: {bin}, from {then} % to {now} %.": (
        "El mayor cambio: {bin}, del {then} % al {now} %."
    ),
    "{name}: reference and window": "{name}: referencia y ventana",
    "{share} % in training": "{share} % en el entrenamiento",
    "The latest report": "El último informe",
    "There is no report yet. Make one: `servicio-ml report {model}`.": (
        "Todavía no hay ningún informe. Cree uno: `servicio-ml report {model}`."
    ),
    "Version {version}, {rows} rows from {start} to {end} (UTC). {verdict}": (
        "Versión {version}, {rows} filas del {start} al {end} (UTC). {verdict}"
    ),
    "No drift.": "Sin deriva.",
    "Drift, without harm to the performance.": "Deriva, sin daño para el rendimiento.",
    "Drift that harms the performance.": "Deriva que daña el rendimiento.",
    "Show the report (some megabytes)": "Mostrar el informe (algunos megabytes)",
    "Download the report": "Descargar el informe",
    "The drift report of Evidently": "El informe de deriva de Evidently",
}
