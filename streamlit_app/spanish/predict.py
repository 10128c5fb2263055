"""Spanish of the page Predict."""

TEXTS: dict[str, str] = {
    "One record": "Un registro",
    "A file": "Un archivo",
    "What really happened": "Lo que pasó de verdad",
    "May be left empty ({count})": "Pueden quedar vacíos ({count})",
    "from {least} to {most}": "de {least} a {most}",
    "at least {least}": "al menos {least}",
    "at most {most}": "como máximo {most}",
    "a whole number": "un número entero",
    "may be left empty": "puede quedar vacío",
    "missing": "sin dato",
    "{field}: it must not be empty.": "{field}: no puede quedar vacío.",
    "{field}: {value} does not fit; allowed: {allowed}.": "{field}: {value} no vale; se admite: {allowed}.",
    "{value} does not fit; allowed: {allowed}.": "{value} no vale; se admite: {allowed}.",
    "Map of {count} places; {place} is picked. The list above picks a place by the keyboard.": (
        "Mapa de {count} lugares; está elegido {place}. La lista de arriba elige un lugar con el teclado."
    ),
    "Longitude (°)": "Longitud (°)",
    "Latitude (°)": "Latitud (°)",
    "Answer": "Respuesta",
    "Answers": "Respuestas",
    "Probability of {label}": "Probabilidad de {label}",
    "From {threshold} on the answer is {label}.": "A partir de {threshold} la respuesta es {label}.",
    "Version": "Versión",
    "Prediction id: with it you can tell later what really happened.": (
        "Identificador de la predicción: con él se puede decir después lo que pasó de verdad."
    ),
    "Probability": "Probabilidad",
    "Class": "Clase",
    "Probability of each class": "Probabilidad de cada clase",
    "the probability of {label}": "la probabilidad de {label}",
    "the number": "el número",
    "What moved {what}": "Qué movió {what}",
    "From {base}, the mean of the model's reference rows, to {score}. Most of it: {top}.": (
        "De {base}, la media de las filas de referencia del modelo, a {score}. Lo que más: {top}."
    ),
    "Change of the probability (percentage points)": "Cambio de la probabilidad (puntos porcentuales)",
    "Change of the number ({unit})": "Cambio del número ({unit})",
    "Change of the number": "Cambio del número",
    "Change": "Cambio",
    "Field": "Campo",
    "{count} others together": "Los otros {count} juntos",
    "What if?": "¿Y si…?",
    "The score of this record if one value were another and all else stayed. Nothing of it is logged.": (
        "El resultado de este registro si un valor fuera otro y lo demás igual. Nada de esto se registra."
    ),
    "Value that varies": "Valor que varía",
    "As it is: {value}": "Tal como es: {value}",
    "If it were {value}": "Si fuera {value}",
    "Read it at": "Leer en",
    "{change} percentage points": "{change} puntos porcentuales",
    "Between {low} and {high}; as it is, {value}, {score}.": (
        "Entre {low} y {high}; tal como es, {value}, {score}."
    ),
    "Circle: where it is read.": "Círculo: donde se lee.",
    "Diamond: as it is ({value}).": "Rombo: tal como es ({value}).",
    "Dashed: from there on the answer is {label}.": "Línea discontinua: desde ahí la respuesta es {label}.",
    "{what} over: {field}": "{what} según: {field}",
    "A CSV with a column for each field, named as in the template; cells parted by comma, semicolon or tab; "
    "an empty cell is missing. At most {rows} rows; `servicio-ml score` takes more.": (
        "Un CSV con una columna por campo, con los nombres de la plantilla; celdas separadas por coma, punto "
        "y coma o tabulador; una celda vacía es un dato que falta. Como máximo {rows} filas; "
        "`servicio-ml score` admite más."
    ),
    "Template": "Plantilla",
    "CSV file": "Archivo CSV",
    "Score {count} rows": "Predecir {count} filas",
    "Each row is logged as a prediction, once each time you press this.": (
        "Cada fila se registra como una predicción, una vez por cada pulsación."
    ),
    "Scoring": "Prediciendo",
    "Column `{name}` is no field and is not sent; is `{meant}` meant?": (
        "La columna `{name}` no es un campo y no se envía; ¿quiere decir `{meant}`?"
    ),
    "Column `{name}` is no field and is not sent.": "La columna `{name}` no es un campo y no se envía.",
    "Without a column, and so missing in every row: {names}.": (
        "Sin columna, y por tanto sin dato en todas las filas: {names}."
    ),
    "The file is empty.": "El archivo está vacío.",
    "The file has a header and no rows.": "El archivo tiene cabecera y ninguna fila.",
    "The file has more than {rows} rows. Score it with `servicio-ml score`.": (
        "El archivo tiene más de {rows} filas. Use `servicio-ml score`."
    ),
    "A column is there twice: {names}.": "Una columna está dos veces: {names}.",
    "Needed columns are lacking: {names}. The first line must name the columns.": (
        "Faltan columnas necesarias: {names}. La primera línea debe nombrar las columnas."
    ),
    "The file is no CSV. Line {names}": "El archivo no es un CSV. Línea {names}",
    "Answers to {name}": "Respuestas a {name}",
    "Rows answered": "Filas respondidas",
    "Rows refused": "Filas rechazadas",
    "{left} of {total} rows are not scored: {why}": "{left} de {total} filas quedan sin predecir: {why}",
    "Score the rest": "Predecir el resto",
    "The first {count} rows; the file has all.": "Las primeras {count} filas; el archivo las tiene todas.",
    "Download the rows with their answers": "Descargar las filas con sus respuestas",
    "scoring was interrupted": "se interrumpió",
    "Refused rows": "Filas rechazadas",
    "Line": "Línea",
    "Value": "Valor",
    "What is allowed": "Qué se admite",
    "as many cells as the header has names": "tantas celdas como nombres tiene la cabecera",
    "not asked for: too many other rows were refused": "sin enviar: se rechazaron demasiadas otras filas",
    "The platform measures how good its answers are by what is told here. A correction is a new revision.": (
        "Con lo que se dice aquí, la plataforma mide lo buenas que son sus respuestas. Una corrección es una "
        "revisión nueva."
    ),
    "Prediction id": "Identificador de la predicción",
    "Tell it": "Comunicarlo",
    "Choose": "Elegir",
    "Give the prediction id of an answer.": "Indique el identificador de la predicción de una respuesta.",
    "Say what really happened.": "Diga lo que pasó de verdad.",
    "No prediction of this use case has the id {id}. Copy it from its answer; old ones are deleted after a "
    "while.": (
        "Ninguna predicción de este caso de uso tiene el identificador {id}. Cópielo de su respuesta; las "
        "antiguas se borran pasado un tiempo."
    ),
    "Taken, as revision {revision}.": "Anotado, como revisión {revision}.",
    "Taken as a correction, as revision {revision}.": "Anotado como corrección, revisión {revision}.",
    "That was known already (revision {revision}); nothing changed.": (
        "Ya se sabía (revisión {revision}); nada ha cambiado."
    ),
}
