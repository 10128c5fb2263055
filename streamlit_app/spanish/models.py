"""Spanish of the page Models."""

TEXTS: dict[str, str] = {
    "Which version answers, which one wants to, and why it was decided so.": (
        "Qué versión responde, cuál aspira a hacerlo, y por qué se decidió así."
    ),
    "Candidates": "Candidatos",
    "Pictures": "Imágenes",
    "Card": "Ficha",
    "History": "Historia",
    "Administration": "Administración",
    "No training has ended well yet. Start one: `servicio-ml train {model}`.": (
        "Ningún entrenamiento ha terminado bien todavía. Inicie uno: `servicio-ml train {model}`."
    ),
    "champion": "campeón",
    "challenger": "aspirante",
    "There is none yet. `servicio-ml train {model}` makes one.": (
        "Todavía no hay ninguno. `servicio-ml train {model}` lo crea."
    ),
    "The latest challenger, version {version}, is the champion.": (
        "El último aspirante, la versión {version}, es el campeón."
    ),
    "The latest judgement": "El último juicio",
    "The champion has changed since. Judge again with `servicio-ml promote {model}`.": (
        "El campeón ha cambiado desde entonces. Júzguelo de nuevo con `servicio-ml promote {model}`."
    ),
    "There is nothing to judge yet.": "Todavía no hay nada que juzgar.",
    "Nobody has judged version {version} yet. `servicio-ml promote {model}` does, and makes it champion if "
    "it passes.": (
        "Nadie ha juzgado todavía la versión {version}. `servicio-ml promote {model}` lo hace, y la "
        "convierte en campeona si lo supera."
    ),
    "No version is champion, so nothing answers. Promote one with `servicio-ml promote {model}`, or below, "
    "under Administration.": (
        "Ninguna versión es campeona, así que nada responde. Promueva una con "
        "`servicio-ml promote {model}`, o abajo, en Administración."
    ),
    "The server does not answer with it: {problem}": "El servidor no responde con ella: {problem}",
    "it is loading": "se está cargando",
    "Trained {at} UTC on the data of {period}.": "Entrenada el {at} UTC con los datos de {period}.",
    "It learned from rows up to {until}.": "Aprendió de filas hasta el {until}.",
    "{metric} on the same rows": "{metric} sobre las mismas filas",
    "version {version}": "versión {version}",
    "no champion": "ningún campeón",
    "**{decision}**: version {version} against {against}, on {rows} rows of {period} that neither had learnt "
    "from; by {by}, {at} UTC.": (
        "**{decision}**: versión {version} contra {against}, sobre {rows} filas de {period} de las que "
        "ninguna había aprendido; por {by}, {at} UTC."
    ),
    "Passed": "Superada",
    "Condition": "Condición",
    "Measured": "Medido",
    "The conditions of a promotion, and which were passed": (
        "Las condiciones de una promoción, y cuáles se superaron"
    ),
    "The gain of {metric} is not defined on these rows.": (
        "La ganancia de {metric} no está definida sobre estas filas."
    ),
    "Gain": "Ganancia",
    "From": "Desde",
    "To": "Hasta",
    "Limit": "Límite",
    "Number": "Número",
    "Gain of {metric} over the champion": "Ganancia de {metric} sobre el campeón",
    "The gain is {gain}, its 95 % interval from {low} to {high}; the interval must begin above the limit "
    "{limit}, and the gain must be above 0.": (
        "La ganancia es {gain}, su intervalo del 95 % va de {low} a {high}; el intervalo debe empezar por "
        "encima del límite {limit}, y la ganancia debe ser mayor que 0."
    ),
    "gain of {metric}": "ganancia de {metric}",
    "The line is the 95 % interval; it must begin to the right of the dashed limit.": (
        "La línea es el intervalo del 95 %; debe empezar a la derecha del límite discontinuo."
    ),
    "now": "ahora",
    "promoted": "promovida",
    "rejected": "rechazada",
    "rolled back": "restituida",
    "Good enough by itself": "Bastante buena por sí misma",
    "Quick enough": "Bastante rápida",
    "Probabilities hold": "Las probabilidades se cumplen",
    "Not worse than the champion": "No peor que el campeón",
    "No part of the rows loses": "Ninguna parte de las filas pierde",
    "The latest training, ended {at} UTC: {train} rows of {period} taught, {test} tested. The winner is "
    "first; the metrics are those on the test rows.": (
        "El último entrenamiento, terminado el {at} UTC: {train} filas de {period} enseñaron, {test} "
        "probaron. El ganador va primero; las métricas son las de las filas de prueba."
    ),
    "The candidates with their metrics, the winner first": (
        "Los candidatos con sus métricas, el ganador primero"
    ),
    "Validation": "Validación",
    "± error": "± error",
    "One row (ms)": "Una fila (ms)",
    "Candidate": "Candidato",
    "May be promoted": "Puede promoverse",
    "Trials": "Pruebas",
    "Hyperparameters": "Hiperparámetros",
    "No version is registered yet.": "Todavía no hay ninguna versión registrada.",
    "MLflow holds no pictures of this version.": "MLflow no guarda imágenes de esta versión.",
    "Picture": "Imagen",
    "{title} of version {version} of {model}": "{title} de la versión {version} de {model}",
    "Feature importance": "Importancia de las variables",
    "Feature correlation": "Correlación de las variables",
    "Confusion matrix": "Matriz de confusión",
    "ROC curve": "Curva ROC",
    "Precision and recall": "Precisión y exhaustividad",
    "Calibration": "Calibración",
    "Residuals": "Residuos",
    "Trials of the tuning": "Pruebas del ajuste",
    "Importance of the hyperparameters": "Importancia de los hiperparámetros",
    "Trials of the refining": "Pruebas del refinamiento",
    "Importance of the hyperparameters in the refining": (
        "Importancia de los hiperparámetros en el refinamiento"
    ),
    "How much the metric loses on test rows when one column is shuffled; the longest bar matters most.": (
        "Cuánto pierde la métrica en las filas de prueba al barajar una columna; la barra más larga es la "
        "que más importa."
    ),
    "How the columns of the training rows go together, from -1 to 1.": (
        "Cómo van juntas las columnas de las filas de entrenamiento, de -1 a 1."
    ),
    "How many test rows of each class were given each label.": (
        "Cuántas filas de prueba de cada clase recibieron cada etiqueta."
    ),
    "Share of the positives found against share of false alarms, over all thresholds.": (
        "Parte de los positivos encontrados frente a parte de falsas alarmas, para todos los umbrales."
    ),
    "Share of right alarms against share of the positives found.": (
        "Parte de alarmas acertadas frente a parte de los positivos encontrados."
    ),
    "What share of rows with a predicted probability really was positive.": (
        "Qué parte de las filas con una probabilidad predicha fue realmente positiva."
    ),
    "How far each prediction of the test rows was off.": (
        "Cuánto se desvió cada predicción de las filas de prueba."
    ),
    "How the tuning of the hyperparameters went.": "Cómo fue el ajuste de los hiperparámetros.",
    "No decision has been made yet.": "Todavía no se ha tomado ninguna decisión.",
    "Decisions": "Decisiones",
    "When (UTC)": "Cuándo (UTC)",
    "Instead of": "En lugar de",
    "By": "Por",
    "Every decision, the newest first": "Todas las decisiones, la más reciente primero",
    "Judgement": "Juicio",
    "From (UTC)": "Desde (UTC)",
    "To (UTC)": "Hasta (UTC)",
    "time (UTC)": "tiempo (UTC)",
    "Version {version} has been champion since {since} UTC; {count} reigns in all.": (
        "La versión {version} es campeona desde el {since} UTC; {count} reinados en total."
    ),
    "Champions over time": "Campeones a lo largo del tiempo",
    "An administrator may make any version champion. The reason and the name of the API key stand in the "
    "history.": (
        "Un administrador puede hacer campeona a cualquier versión. El motivo y el nombre de la clave de "
        "API quedan en la historia."
    ),
    "Where the server has API keys, this needs one with the scope `admin`, typed into the field at the side. "
    "A key for predictions may read all of this page, and change nothing.": (
        "Donde el servidor tiene claves de API, esto requiere una con el alcance `admin`, escrita en el "
        "campo del lateral. Una clave para predicciones puede leer toda esta página, y no cambiar nada."
    ),
    "Reload": "Recargar",
    "Reload…": "Recargar…",
    "Have every process look for a new champion now; by itself it does every few seconds.": (
        "Haga que cada proceso busque ahora un campeón nuevo; por sí solo lo hace cada pocos segundos."
    ),
    "Promote": "Promover",
    "Promote the challenger": "Promover al aspirante",
    "There is no challenger that is not champion already.": (
        "No hay ningún aspirante que no sea ya campeón."
    ),
    "Nobody has judged version {version} yet.": "Nadie ha juzgado todavía la versión {version}.",
    "The judgement rejected version {version}: {reason}": (
        "El juicio rechazó la versión {version}: {reason}"
    ),
    "Promote version {version}…": "Promover la versión {version}…",
    "Roll back": "Restituir",
    "No other version has been champion.": "Ninguna otra versión ha sido campeona.",
    "To version": "A la versión",
    "Roll back to version {version}…": "Restituir la versión {version}…",
    "Version **{version}** of **{model}** becomes champion.": (
        "La versión **{version}** de **{model}** pasa a ser campeona."
    ),
    "Version **{version}** of **{model}** becomes champion instead of version **{instead}**.": (
        "La versión **{version}** de **{model}** pasa a ser campeona en lugar de la versión **{instead}**."
    ),
    "Give a reason: it stands in the history.": "Dé un motivo: queda en la historia.",
    "Version {version} of {model} is champion.": "La versión {version} de {model} es campeona.",
    "Every process looks for the champion of **{model}** now.": (
        "Cada proceso busca ahora el campeón de **{model}**."
    ),
    "Version {version} of {model} answers.": "La versión {version} de {model} responde.",
    "Cancel": "Cancelar",
    "No version of {model} answers.": "Ninguna versión de {model} responde.",
}
