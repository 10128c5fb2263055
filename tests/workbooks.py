"""Excel workbooks, written without a library: the few parts that a reader needs."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from string import ascii_uppercase
from xml.sax.saxutils import escape

Cell = str | float | bool | date | None
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
EPOCH = datetime.fromisoformat("1899-12-30")
FORMATS = '<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs>'
STYLES = f'<styleSheet xmlns="{MAIN}">{FORMATS}</styleSheet>'
"""Style 1 shows a number as a date."""


def build_workbook(sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> bytes:
    """Build a workbook; a text that begins with `#` is an error value."""
    numbered = list(enumerate(sheets.items(), 1))
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
        "_rels/.rels": _build_relations({"rId1": ("officeDocument", "xl/workbook.xml")}),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        + "".join(f'<sheet name="{name}" sheetId="{i}" r:id="rId{i}"/>' for i, (name, _) in numbered)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": _build_relations(
            {f"rId{i}": ("worksheet", f"worksheets/sheet{i}.xml") for i, _ in numbered}
            | {"rId99": ("styles", "styles.xml")}
        ),
        "xl/styles.xml": STYLES,
        **{f"xl/worksheets/sheet{i}.xml": _build_sheet(rows) for i, (_, rows) in numbered},
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return packed.getvalue()


def _build_relations(targets: Mapping[str, tuple[str, str]]) -> str:
    found = "".join(
        f'<Relationship Id="{name}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{found}</Relationships>'


def _build_sheet(rows: Sequence[Sequence[Cell]]) -> str:
    lines = ""
    for row, cells in enumerate(rows, 1):
        places = (f"{column}{row}" for column in ascii_uppercase)
        lines += f'<row r="{row}">{"".join(map(_build_cell, places, cells))}</row>'
    return f'<worksheet xmlns="{MAIN}"><sheetData>{lines}</sheetData></worksheet>'


def _build_cell(place: str, cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return f'<c r="{place}" t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, date):
        moment = cell if isinstance(cell, datetime) else datetime.combine(cell, datetime.min.time())
        return f'<c r="{place}" s="1"><v>{(moment - EPOCH).total_seconds() / 86400!r}</v></c>'
    if isinstance(cell, str) and cell.startswith("#"):
        return f'<c r="{place}" t="e"><v>{cell}</v></c>'
    if isinstance(cell, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>'
    return f'<c r="{place}"><v>{cell!r}</v></c>'
