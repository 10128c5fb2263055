"""Which columns of a file are a model's fields: of a raw file in one of its dialects, or of a typed table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from servicio_ml.domain.schema import FeatureSchema, Field, Parse
from servicio_ml.domain.use_case import MISSING, Dialect, UseCase
from servicio_ml.errors import ColumnsError, SourceError, listed
from servicio_ml.pipeline.ingest import is_data
from servicio_ml.pipeline.plan import Reading, reading

ORIGINAL, TYPED = "original", "typed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a file to be scored is read.

    Attributes:
        dialect: Its name.
        names: Of the file's columns in order.
        headless: Whether the file's first line is a row.
        reading: The fields that the file holds.
        absent: Fields that it lacks and may lack: they are missing in every row.
        kept: Working name to the column that is passed on to the output.
    """

    dialect: str
    names: tuple[str, ...]
    headless: bool
    reading: Reading
    absent: tuple[str, ...]
    kept: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a file shall be read as.

    Attributes:
        schema: The model's.
        use_case: Whose raw files may be read, where it is known here.
        keep: Columns of the file to be passed on.
        dialect: Name of the only one that shall be tried; any when empty.
    """

    schema: FeatureSchema
    use_case: UseCase | None = None
    keep: tuple[str, ...] = ()
    dialect: str = ""

    @property
    def dialects(self) -> tuple[Dialect, ...]:
        """All spellings, the typed table last: where both fit, the values are read as in the raw file."""
        names = self.schema.field_names
        typed = Dialect(
            name=TYPED, columns={name: name for name in names}, parse=dict.fromkeys(names, Parse())
        )
        raw = self.use_case.dialects if self.use_case else (Dialect(name=ORIGINAL),)
        return (*raw, typed)

    def sources(self, dialect: Dialect) -> dict[str, str]:
        """Field name to its column in a dialect."""
        return {each.name: dialect.columns.get(each.name, each.column) for each in self.schema.fields}


def find_layout(wanted: Wanted, header: Sequence[str], *, named: str, parquet: bool) -> Layout:
    """How a file with that first line is read.

    A dialect whose target column is there too goes before one that fits without; of these, several that read
    the fields differently are not chosen between.

    Args:
        wanted: What it shall be read as.
        header: Cells of its first line, or its columns.
        named: What the user called it, for messages.
        parquet: Whether it is a Parquet file, which has column names always.

    Raises:
        ColumnsError: Columns are missing.
        SourceError: Its columns are ambiguous, or there is no such dialect.
    """
    known = wanted.dialects
    tried = [dialect for dialect in known if wanted.dialect in {"", dialect.name}]
    if not tried:
        every = listed(dialect.name for dialect in known)
        raise SourceError(named, f"there is no dialect {wanted.dialect!r}; dialects are {every}")
    headless = wanted.use_case is not None and not parquet and is_data(header, wanted.use_case)
    tried = [dialect for dialect in tried if bool(dialect.header) == headless] or tried
    dialect = _chosen(wanted, tried, header, named)
    columns = tuple(dialect.header or header)
    if lacking := set(wanted.keep) - set(columns):
        raise ColumnsError(named, lacking, columns)
    sources = {name: column for name, column in wanted.sources(dialect).items() if column in columns}
    read = (*sources.values(), *wanted.keep)
    if twice := sorted({column for column in read if columns.count(column) > 1}):
        raise SourceError(named, f"column {listed(map(repr, twice))} is there twice; keep one of them")
    marks = wanted.use_case.missing if wanted.use_case else MISSING
    return Layout(
        dialect=dialect.name,
        names=columns,
        headless=headless,
        reading=reading(wanted.schema.fields, sources, dialect.parse, marks),
        absent=tuple(name for name in wanted.schema.field_names if name not in sources),
        kept={f"_keep_{i}": column for i, column in enumerate(dict.fromkeys(wanted.keep))},
    )


def _chosen(wanted: Wanted, tried: Sequence[Dialect], header: Sequence[str], named: str) -> Dialect:
    fitting = [dialect for dialect in tried if not _missing(wanted, dialect, header)]
    if not fitting:
        closest = min(tried, key=lambda dialect: len(_missing(wanted, dialect, header)))
        raise ColumnsError(named, _missing(wanted, closest, header), closest.header or header)
    for dialect in fitting:
        if _target(wanted, dialect) in (dialect.header or header):
            return dialect
    raw = [dialect for dialect in fitting if dialect.name != TYPED]
    if any(_spelling(wanted, dialect) != _spelling(wanted, raw[0]) for dialect in raw[1:]):
        names = listed(repr(dialect.name) for dialect in raw)
        raise SourceError(
            named, f"its columns fit the dialects {names}, which read them differently; name one by --dialect"
        )
    return fitting[0]


def _missing(wanted: Wanted, dialect: Dialect, header: Sequence[str]) -> set[str]:
    if dialect.header and len(dialect.header) != len(header):
        return set(dialect.header)
    sources = wanted.sources(dialect)
    needed = {sources[each.name] for each in wanted.schema.fields if not _may_lack(each)}
    return needed - set(dialect.header or header)


def _may_lack(each: Field) -> bool:
    return each.optional and each.nullable


def _target(wanted: Wanted, dialect: Dialect) -> str | None:
    if wanted.use_case is None or dialect.name == TYPED:
        return None
    target = wanted.use_case.target
    return dialect.columns.get(target.name, target.column)


def _spelling(wanted: Wanted, dialect: Dialect) -> Mapping[str, tuple[str, Parse]]:
    """Each field's column and parsing."""
    sources = wanted.sources(dialect)
    return {
        each.name: (sources[each.name], dialect.parse.get(each.name, each.parse))
        for each in wanted.schema.fields
    }
