"""Spanish of the page Data."""

TEXTS: dict[str, str] = {
    "Period": "Período",
    "Overview": "Resumen",
    "Columns": "Columnas",
    "Missing values": "Valores faltantes",
    "Distributions": "Distribuciones",
    "Correlations": "Correlaciones",
    "First rows": "Primeras filas",
    "Quarantine": "Cuarentena",
    # overview
    "Rows read": "Filas leídas",
    "Rows kept": "Filas conservadas",
    "From `{source}` (spelling: {dialect}); {train} rows teach, {test} rows test.": (
        "De `{source}` (formato: {dialect}); {train} filas enseñan, {test} filas prueban."
    ),
    "{number} test rows are equal to a training row in all features.": (
        "{number} filas de prueba son iguales a una de entrenamiento en todas las variables."
    ),
    "Left out: {name} ({reason}).": "Excluida: {name} ({reason}).",
    "not in the file": "no está en el archivo",
    "kept": "conservada",
    "duplicate": "duplicada",
    "later than the period": "posterior al período",
    "without a label": "sin etiqueta",
    "in quarantine": "en cuarentena",
    "What became of it": "Qué fue de ella",
    "What became of each row": "Qué fue de cada fila",
    "Share": "Parte",
    "Classes: {target}": "Clases: {target}",
    # columns
    "{rows} rows and {columns} columns; the last one is predicted.": (
        "{rows} filas y {columns} columnas; la última es la que se predice."
    ),
    "number": "número",
    "whole number": "número entero",
    "category": "categoría",
    "date": "fecha",
    "Name": "Nombre",
    "Rows": "Filas",
    "Type": "Tipo",
    "Values": "Valores",
    "Unique values": "Valores únicos",
    "Mean": "Media",
    "Standard deviation": "Desviación estándar",
    "Minimum": "Mínimo",
    "Lower quartile": "Cuartil inferior",
    "Median": "Mediana",
    "Upper quartile": "Cuartil superior",
    "Maximum": "Máximo",
    "Most frequent": "Más frecuentes",
    # missing values
    "No value is missing in the rows that are kept.": "No falta ningún valor en las filas conservadas.",
    "Missing (% of the rows)": "Faltan (% de las filas)",
    "{number} columns miss values; most of all {most}.": (
        "A {number} columnas les faltan valores; sobre todo {most}."
    ),
    "Missing values of each column": "Valores faltantes de cada columna",
    "{column}: {number}": "{column}: {number}",
    "Missing in all rows of a level, by how many levels: {columns}.": (
        "Faltan en todas las filas de un nivel, en cuántos niveles: {columns}."
    ),
    "No column is missing in all rows of any level.": (
        "Ninguna columna falta en todas las filas de algún nivel."
    ),
    "Missing values by column and level: {field}": "Valores faltantes por columna y nivel: {field}",
    # distributions
    "{low} to {high}": "{low} a {high}",
    "Share of each class": "Parte de cada clase",
    "Share of the class (%)": "Parte de la clase (%)",
    "Height of the bars": "Altura de las barras",
    "This column holds no value.": "Esta columna no tiene ningún valor.",
    "all rows": "todas las filas",
    "Distribution: {column}": "Distribución: {column}",
    "{count} values, {missing} missing, {unique} different; the fullest bar is {bin}.": (
        "{count} valores, {missing} faltantes, {unique} distintos; la barra más alta es {bin}."
    ),
    "{number} less frequent values are not shown.": "No se muestran {number} valores menos frecuentes.",
    # correlations
    "Correlation of numbers": "Correlación de números",
    "Association of categories": "Asociación de categorías",
    "Pearson's r": "r de Pearson",
    "Cramér's V": "V de Cramér",
    "What is predicted counts as a number: {places}.": "Lo que se predice cuenta como número: {places}.",
    "The strongest: {pairs}.": "Las más fuertes: {pairs}.",
    # rows
    "The first {number} rows as they are published.": "Las primeras {number} filas tal como se publican.",
    "`line` is the row's line in the raw file.": "`line` es la línea de la fila en el archivo original.",
    "No row was rejected.": "No se rechazó ninguna fila.",
    "**{rows} rows were rejected**, and why:": "**Se rechazaron {rows} filas**, y por qué:",
    "**The first of them**": "**Las primeras de ellas**",
    # reasons
    "it is missing": "falta",
    "it is not": "no es",
    "the line has more fields than there are columns": "la línea tiene más campos que columnas",
    "one of": "uno de",
    "a number": "un número",
    "a date as": "una fecha como",
    "of at least": "de al menos",
    "of at most": "de a lo sumo",
    "from": "de",
    "to": "a",
}
