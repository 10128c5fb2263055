"""Drafts of small messy files: the right line of the file, or one sentence on what is wrong."""

# ruff: noqa: E501  whole lines as literals
import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from draft_reasons import find_unknown_sentences
from messy_files import list_answers, write_gzip, write_json_lines, write_parquet, write_rows, write_zip
from servicio_ml.errors import DataError
from servicio_ml.pipeline.drafting.answers import DraftAnswers
from servicio_ml.pipeline.drafting.draft import Draft, draft_use_case

TARGET = DraftAnswers(target="y")
READ: dict[str, tuple[str | bytes, list[str]]] = {
    "commas": (
        write_rows("a", lambda i: f"{i * 13 % 70}"),
        ['Field(name="a", kind=Kind.INTEGER, example=34, minimum=0, maximum=104)'],
    ),
    "counts, scales and flags": (
        write_rows("a,b,c", lambda i: f"{i * i % 4 % 3 + i % 3},{i % 5 + 1},{i * 7 % 11 % 2}"),
        [
            'Field(name="a", kind=Kind.INTEGER, example=1, minimum=0, maximum=5)',
            'Field(name="b", kind=Kind.INTEGER, minimum=1, maximum=5)',
            'Field(name="c", kind=Kind.CATEGORY, levels=("0", "1"))',
        ],
    ),
    "semicolons with decimal commas": (
        write_rows("a", lambda i: f"{i % 9},{i % 7}5", delimiter=";"),
        [
            'Field(name="a", kind=Kind.NUMBER, example=4.35, minimum=0, maximum=13)',
            'dialects=(Dialect(name="original", decimal=","),)',
            "format: CSV with semicolons, UTF-8; decimal mark ','",
        ],
    ),
    "semicolons with decimal points": (
        write_rows("a", lambda i: f"{i % 9}.{i % 7}25", delimiter=";"),
        [
            'Field(name="a", kind=Kind.NUMBER, example=4.325, minimum=0, maximum=13)',
            'dialects=(Dialect(name="original", decimal="."),)',
            "format: CSV with semicolons, UTF-8; decimal mark '.'",
        ],
    ),
    "tabs": (
        write_rows("a", lambda i: f"{i * 13 % 70}", delimiter="\t"),
        [
            'Field(name="a", kind=Kind.INTEGER, example=34, minimum=0, maximum=104)',
            "format: CSV with tabs, UTF-8",
        ],
    ),
    "bars": (
        write_rows("a", lambda i: f"{i * 13 % 70}", delimiter="|"),
        [
            'Field(name="a", kind=Kind.INTEGER, example=34, minimum=0, maximum=104)',
            "format: CSV with bars, UTF-8",
        ],
    ),
    "UTF-16": (
        write_rows("größe", lambda i: ("klein", "groß")[i * i % 3 % 2]).encode("utf-16"),
        [
            'Field(name="grosse", kind=Kind.CATEGORY, column="größe", levels=("groß", "klein"))',
            "format: CSV with commas, UTF-16",
        ],
    ),
    "UTF-16 without a mark": (
        write_rows("a", lambda i: f"{i * 13 % 70}").encode("utf-16-le"),
        [
            'Field(name="a", kind=Kind.INTEGER, example=34, minimum=0, maximum=104)',
            "format: CSV with commas, UTF-16-LE",
        ],
    ),
    "mark": (
        write_rows("a", lambda i: f"{i * 13 % 70}").encode("utf-8-sig"),
        ['Field(name="a", kind=Kind.INTEGER, example=34, minimum=0, maximum=104)'],
    ),
    "gzip": (
        write_gzip(write_rows("a", lambda i: f"{i * 13 % 70}")),
        [
            'Field(name="a", kind=Kind.INTEGER, example=34, minimum=0, maximum=104)',
            "format: CSV with commas, UTF-8, gzip",
        ],
    ),
    "zip": (
        write_zip(write_rows("a", lambda i: f"{i * 13 % 70}")),
        [
            'Field(name="a", kind=Kind.INTEGER, example=34, minimum=0, maximum=104)',
            "format: CSV with commas, UTF-8, zip",
        ],
    ),
    "CR LF": (
        write_rows("a", lambda i: f"{i * 13 % 70}", line_end="\r\n"),
        ['Field(name="a", kind=Kind.INTEGER, example=34, minimum=0, maximum=104)'],
    ),
    "CR": (
        write_rows("a", lambda i: f"{i * 13 % 70}", line_end="\r"),
        ['Field(name="a", kind=Kind.INTEGER, example=34, minimum=0, maximum=104)'],
    ),
    "line breaks in quotes": (
        write_rows("a", lambda i: f'"red\nor {i % 3}"'),
        ["# left out: a: texts of several lines"],
    ),
    "delimiters in quotes": (
        write_rows("a", lambda i: f'"{("red, dark", "blue, light", "green")[i * i % 5 % 3]}"'),
        ['Field(name="a", kind=Kind.CATEGORY, levels=("blue, light", "red, dark"))'],
    ),
    "line break in the header": (
        write_rows('"a\nb"', lambda i: f"{i * 13 % 70}"),
        ["# left out: a b: its name begins with a blank or has several lines; rename it"],
    ),
    "duplicate headers": (
        write_rows("a,a", lambda i: f"{i * 13 % 70},{i % 8}"),
        [
            "# left out: a: 2 columns have this name; rename them",
            "# left out: a#1: 2 columns have this name; rename them",
        ],
    ),
    "unnamed index": (
        write_rows("", lambda i: f"{i}"),
        ["# left out: (no name): it has no name, as the row numbers that pandas writes"],
    ),
    "blank before the name": (
        write_rows(" a", lambda i: f"{i * 13 % 70}"),
        ["# left out: a: its name begins with a blank or has several lines; rename it"],
    ),
    "accents and a unit in the name": (
        write_rows("Größe (cm)", lambda i: f"{i * 13 % 70}"),
        [
            'Field(name="grosse_cm", kind=Kind.INTEGER, column="Größe (cm)", example=34, minimum=0, maximum=104)'
        ],
    ),
    "camel case": (
        write_rows("WindDir9am", lambda i: f"{i * 13 % 70}"),
        [
            'Field(name="wind_dir_9am", kind=Kind.INTEGER, column="WindDir9am", example=34, minimum=0, maximum=104)'
        ],
    ),
    "no Latin letter": (
        write_rows("价格", lambda i: f"{i * 13 % 70}"),
        ['Field(name="column_1", kind=Kind.INTEGER, column="价格", example=34, minimum=0, maximum=104)'],
    ),
    "names that are one": (
        write_rows("a_b,ab", lambda i: f"{i * 13 % 70},{i * 11 % 50}"),
        [
            'Field(name="a_b", kind=Kind.INTEGER, example=34, minimum=0, maximum=104)',
            'Field(name="ab_v2", kind=Kind.INTEGER, column="ab", example=24, minimum=0, maximum=74)',
        ],
    ),
    "a name of the platform": (
        write_rows("prediction", lambda i: f"{i * 13 % 70}"),
        [
            'Field(name="input_prediction", kind=Kind.INTEGER, column="prediction", example=34, minimum=0, maximum=104)'
        ],
    ),
    "a name that begins with a digit": (
        write_rows("1st", lambda i: f"{i * 13 % 70}"),
        ['Field(name="input_1st", kind=Kind.INTEGER, column="1st", example=34, minimum=0, maximum=104)'],
    ),
    "mixed numbers and texts": (
        write_rows("a", lambda i: f"{i % 80}" if i % 5 < 3 else f"t{i % 80}"),
        ["# left out: a: text: 80 different values, such as '0'"],
    ),
    "a few texts among numbers": (
        write_rows("a", lambda i: "abc" if i == 7 else f"{i * 13 % 70}"),
        [
            'Field(name="a", kind=Kind.INTEGER, example=34, minimum=0, maximum=104)',
            "quarantine: a: it is not a whole number from 0 to 104 (such as 'abc'): 1 row, first in line 9",
        ],
    ),
    "180 levels, of which 100 are in 20 rows and more": (
        write_rows("a", lambda i: f"town {i % 100}" if i % 4 else f"town {i % 179}", rows=4_000),
        [
            'Field(name="a", kind=Kind.CATEGORY, example="town 1", learned_levels=LearnedLevels())',
            "from servicio_ml.domain.schema import FeatureSchema, Field, Kind, LearnedLevels",
        ],
    ),
    "214 levels of many rows": (
        write_rows("a", lambda i: f"country {i % 214}", rows=8_000),
        ["learned_levels=LearnedLevels(maximum=300)"],
    ),
    "150 levels of few rows": (
        write_rows("a", lambda i: f"tree {i % 150}", rows=1_200),
        ["learned_levels=LearnedLevels(maximum=300, minimum_rows=5)"],
    ),
    "no value in the rows that train": (
        write_rows(
            "day,a", lambda i: f"{date(2020, 1, 1) + timedelta(days=i)},{i % 9 if i > 380 else ''}", rows=400
        ),
        [
            'Field(name="a", kind=Kind.INTEGER, example=4, minimum=0, maximum=12, nullable=True)',
            'split=DateSplit(field="day")',
        ],
    ),
    "10,000 levels": (
        write_rows("a", lambda i: f"town {i % 10_000}", rows=20_000),
        ["# left out: a: text: 10000 different values, such as 'town 0'"],
    ),
    "all missing": (write_rows("a", lambda _: ""), ["# left out: a: it has no value in any row"]),
    "all NA": (write_rows("a", lambda _: "NA"), ["# left out: a: it has no value in any row"]),
    "constant": (write_rows("a", lambda _: "same"), ["# left out: a: it is 'same' in every row"]),
    "one value or none": (
        write_rows("a", lambda i: "same" if i * i % 3 else ""),
        ['Field(name="a", kind=Kind.CATEGORY, levels=("same",), nullable=True)'],
    ),
    "numbers of the rows": (
        write_rows("a", lambda i: f"{i + 1}"),
        ["# left out: a: an identifier: it numbers the rows"],
    ),
    "other text in each row": (
        write_rows("a", lambda i: f"k{i:04}"),
        ["# left out: a: an identifier: every row has another text", 'identifier="a",'],
    ),
    "identifier by its name": (
        write_rows("customer_id", lambda i: f"{i * 31 % 67 + 1000}"),
        ["# left out: customer_id: an identifier by its name, with 67 different whole numbers"],
    ),
    "copied column": (
        write_rows("a,b", lambda i: f"{i * 13 % 70},{i * 13 % 70}.0"),
        [
            'Field(name="a", kind=Kind.INTEGER, example=34, minimum=0, maximum=104)',
            "# left out: b: its values are those of 'a'",
        ],
    ),
    "levels by other names": (
        write_rows("a,b", lambda i: f"{('red', 'blue', 'green')[i % 3]},{'rbg'[i % 3]}"),
        ["# left out: b: its levels are other names for those of 'a'"],
    ),
    "finer levels": (
        write_rows("a,b", lambda i: f"{('red', 'blue')[i % 2]},{('r1', 'b1', 'r2', 'b2')[i % 4]}"),
        ['Field(name="b", kind=Kind.CATEGORY, levels=("b1", "b2", "r1", "r2"))'],
    ),
    "giving the target away": (
        write_rows("a", lambda i: f"{(90 if list_answers()[i] == 'yes' else 10) + i % 9}"),
        ["# left out: a: it gives y away by itself (score 1.000 of 1)"],
    ),
    "giving the target away as text": (
        write_rows("a", lambda i: f"{list_answers()[i].upper()}"),
        ["# left out: a: it gives y away by itself (score 1.000 of 1)"],
    ),
    "words for missing numbers": (
        write_rows("a", lambda i: ("unknown", "n/a", "-")[i % 3] if i % 8 == 0 else f"{i * 13 % 70}"),
        [
            'Field(name="a", kind=Kind.INTEGER, example=34, minimum=0, maximum=104, nullable=True)',
            'missing=("", "NA", "?", "-", "n/a", "unknown")',
        ],
    ),
    "unknown among levels": (
        write_rows("a", lambda i: ("unknown", "red", "blue")[i * i % 7 % 3]),
        [
            'Field(name="a", kind=Kind.CATEGORY, levels=("blue", "red"), nullable=True)',
            'missing=("", "NA", "?", "unknown")',
        ],
    ),
    "none as a level": (
        write_rows("a", lambda i: ("none", "red", "blue")[i * i % 7 % 3]),
        ['Field(name="a", kind=Kind.CATEGORY, levels=("blue", "none", "red"))'],
    ),
    "-999": (
        write_rows("a", lambda i: "-999" if i % 9 == 0 else f"{i * 13 % 70}"),
        [
            'Field(name="a", kind=Kind.INTEGER, example=35, minimum=0, maximum=104, nullable=True, parse=Parse(missing_numbers=(-999,)))'
        ],
    ),
    "9999": (
        write_rows("a", lambda i: "9999" if i % 9 == 0 else f"{i * 13 % 70}.5"),
        [
            'Field(name="a", kind=Kind.NUMBER, example=36, minimum=0, maximum=104, nullable=True, parse=Parse(missing_numbers=(9999,)))'
        ],
    ),
    "-1": (
        write_rows("a", lambda i: "-1" if i % 9 == 0 else f"{i * 13 % 70}"),
        [
            'Field(name="a", kind=Kind.INTEGER, example=35, minimum=0, maximum=104, nullable=True, parse=Parse(missing_numbers=(-1,)))'
        ],
    ),
    "-1 among others below zero": (
        write_rows("a", lambda i: f"{i * 13 % 41 - 20}"),
        ['Field(name="a", kind=Kind.INTEGER, minimum=-40, maximum=40)'],
    ),
    "short texts": (
        write_rows(
            "a",
            lambda i: (
                f"{('Red', 'green', 'BLUE')[i % 3]} {('small', 'large')[i % 2]} box "
                f"{('of', 'with')[i % 2]} {i * 7919 % 1000}"
            ),
        ),
        ['Field(name="a", kind=Kind.TEXT, example="Red small box of 0")'],
    ),
    "a level that was seen once": (
        write_rows("a", lambda i: "violet" if i == 9 else ("red", "green", "blue")[i % 3]),
        [
            'Field(name="a", kind=Kind.CATEGORY, example="blue", learned_levels=LearnedLevels())',
        ],
    ),
    "a count of at most ten": (
        write_rows("a", lambda i: "10" if i == 9 else f"{i * i % 7}"),
        ['Field(name="a", kind=Kind.INTEGER, example=2, minimum=0, maximum=20)'],
    ),
    "one outlier": (
        write_rows("a", lambda i: "9999" if i == 9 else f"{i * 13 % 70}"),
        ['Field(name="a", kind=Kind.INTEGER, example=34, minimum=0, maximum=20000)'],
    ),
    "dates": (
        write_rows("a", lambda i: f"2020-{1 + i * 5 % 12:02}-{1 + i * 11 % 28:02}"),
        ['Field(name="a", kind=Kind.DATE, example="2020-12-26")'],
    ),
    "dates in order": (
        write_rows("a", lambda i: f"20{10 + i // 40}-{1 + i // 4 % 10:02}-{1 + i % 4 * 7:02}"),
        [
            'Field(name="a", kind=Kind.DATE, example="2013-10-22", direct=False)',
            'split=DateSplit(field="a", test_share=0.38)',
        ],
    ),
    "groups whose rows are alike": (
        write_rows("patient id,age", lambda i: f"{7000 + i // 2},{20 + i // 2 * 7 % 60}"),
        [
            'Field(name="patient_id", kind=Kind.INTEGER, column="patient id", direct=False)',
            'split=GroupSplit(field="patient_id", test_share=0.38)',
        ],
    ),
    "groups whose rows are as different as others": (
        write_rows("patient id,age", lambda i: f"{7000 + i % 80},{20 + i * i * 7 % 61}"),
        ["split=HashedSplit(test_share=0.38)"],
    ),
    "moments of one time of day": (
        write_rows("a", lambda i: f"2020-{1 + i * 5 % 12:02}-{1 + i * 11 % 28:02} 12:00:00"),
        [
            'Field(name="a", kind=Kind.DATE, example="2020-12-26", parse=Parse(pattern=r"^(\\d{4}-\\d{2}-\\d{2})(?:[T ]\\d|$)"))'
        ],
    ),
    "the day first": (
        write_rows("a", lambda i: f"{1 + i * 11 % 28:02}/{1 + i * 5 % 12:02}/2020"),
        ['Field(name="a", kind=Kind.DATE, example="2020-12-26", parse=Parse(date_format="%d/%m/%Y"))'],
    ),
    "month-first dates with a time of day": (
        write_rows("a", lambda i: f"{1 + i * 5 % 12}/{1 + i * 11 % 28}/2020 {i % 24}:30"),
        [
            'Field(name="a", kind=Kind.DATETIME, example="2020-12-26T',
            'parse=Parse(date_format="%m/%d/%Y"))',
            'DatePart(name="a_weekday", source="a", part="weekday")',
        ],
    ),
    "seconds since 1970": (
        write_rows("createdAt", lambda i: f"{1577836800 + i * 67 % 160 * 500_011}"),
        [
            'Field(name="created_at", kind=Kind.DATETIME, column="createdAt", example="2022-07-09T',
            'parse=Parse(date_format="epoch_s"))',
        ],
    ),
    "midnights in milliseconds since 1970": (
        write_rows("a", lambda i: f"{1577836800000 + i * 7 % 60 * 86_400_000}"),
        ['Field(name="a", kind=Kind.DATE, example="2020-02-29", parse=Parse(date_format="epoch_ms"))'],
    ),
    "numbers of ten digits": (
        write_rows("a", lambda i: f"{1577836801 + i * 67 % 160 * 500_011}"),
        ["# left out: a: its numbers from 1538000000 to 1698000000 are too coarse in float32 (7 digits)"],
    ),
    "year, month and day": (
        write_rows("day,year,month", lambda i: f"{1 + i * 11 % 28},{2018 + i * 7 % 2},{1 + i * 5 % 12}"),
        [
            "# left out: day: a part of date",
            'Field(name="date", kind=Kind.DATE, column=("year", "month", "day"), example="2019-12-26", direct=False, parse=Parse(date_format="%Y %m %d"))',
            "# left out: month: a part of date",
        ],
    ),
    "the names of months beside years and days": (
        write_rows(
            "arrival_date_year,arrival_date_month,arrival_date_day_of_month",
            lambda i: f"2019,{('Jan', 'May', 'December')[i % 3]},{1 + i * 11 % 28}",
        ),
        [
            'Field(name="arrival_date", kind=Kind.DATE, column=("arrival_date_year", "arrival_date_month", "arrival_date_day_of_month"), example="2019-12-28", parse=Parse(date_format="%Y %b %d"))',
        ],
    ),
    "a year and a month": (
        write_rows("year,month", lambda i: f"{2010 + i * 7 % 9},{1 + i * 5 % 12}"),
        ['Field(name="month", kind=Kind.INTEGER, example=6, minimum=0, maximum=18)'],
    ),
    "date-times": (
        write_rows(
            "a", lambda i: f"2020-{1 + i * 5 % 12:02}-{1 + i * 11 % 28:02}T{i % 24:02}:{i % 60:02}:00Z"
        ),
        [
            'Field(name="a", kind=Kind.DATETIME, example="2020-12-26T',
        ],
    ),
    "date-times of twelve hours beside a column with the name of their weekday": (
        write_rows(
            "a,a weekday",
            lambda i: f"2020-{1 + i * 5 % 12:02}-{1 + i * 11 % 28:02} {1 + i % 12}:30 PM,{i * 7 % 50}",
        ),
        [
            'Field(name="a", kind=Kind.DATETIME, example="2020-12-26T',
            'parse=Parse(date_format="%Y-%m-%d"))',
            "schema=FeatureSchema(fields=FIELDS),",
        ],
    ),
    "a date-time that follows another one": (
        write_rows(
            "a,b",
            lambda i: (
                f"2020-01-{1 + i // 4 % 28:02} {i % 4 * 5:02}:{i % 60:02}:00,"
                f"2020-01-{1 + i // 4 % 28:02}T{i % 4 * 5 + 1 + i % 3:02}:00:00Z"
            ),
        ),
        ['Difference(name="b_after_a", minuend="b", subtrahend="a")'],
    ),
    "dates with the names of months": (
        write_rows("a", lambda i: f'"{("Jan", "May", "Dec")[i % 3]} {1 + i * 11 % 28}, 2020"'),
        ['Field(name="a", kind=Kind.DATE, example="2020-12-28", parse=Parse(date_format="%b %d, %Y"))'],
    ),
    "dates of two meanings": (
        write_rows("a", lambda i: f"{1 + i * 7 % 12:02}/{1 + i * 5 % 12:02}/2020"),
        ["# left out: a: dates such as '01/01/2020', of which no day is above 12; use them by"],
    ),
    "dollars": (
        write_rows("a", lambda i: f'"$1,{200 + i * 13 % 70}.50"'),
        [
            'Field(name="a", kind=Kind.NUMBER, example=1234, unit="$", minimum=1166, maximum=1304, parse=Parse(pattern=r"^(?:\\$)?\\s*([+-]?[\\d.,]+)\\s*$"))'
        ],
    ),
    "percent": (
        write_rows("a", lambda i: f"{i * 13 % 70} %"),
        [
            'Field(name="a", kind=Kind.INTEGER, example=34, unit="%", minimum=0, maximum=104, parse=Parse(pattern=r"^([+-]?[\\d.,]+)\\s*(?:%)?$"))'
        ],
    ),
    "units": (
        write_rows("a", lambda i: f"{i * 13 % 70}.5 bhp" if i % 50 else ""),
        [
            'Field(name="a", kind=Kind.NUMBER, example=34.5, unit="bhp", minimum=0, maximum=104, nullable=True, parse=Parse(pattern=r"^([+-]?[\\d.,]+)\\s*(?:bhp)?$"))'
        ],
    ),
    "two units": (
        write_rows("a", lambda i: f"{i * 13 % 70} {('cm', 'in')[i % 2]}"),
        ["# left out: a: text: 70 different values, such as '0 cm'"],
    ),
    "plus": (
        write_rows("a", lambda i: f'"{1 + i * 13 % 70},000+"'),
        [
            'Field(name="a", kind=Kind.INTEGER, example=35000, minimum=0, maximum=105000, parse=Parse(pattern=r"^([+-]?[\\d.,]+)\\s*(?:\\+)?$"))'
        ],
    ),
    "magnitudes": (
        write_rows("a", lambda i: f"{1 + i * 13 % 70}{'kM'[i % 2]}"),
        [
            'Field(name="a", kind=Kind.NUMBER, example=1034000, minimum=0, maximum=105000000, parse=Parse(pattern=r"^([+-]?[\\d.,]+)\\s*[kKmMbB]?$", units={"k": 1000, "m": 1000000}))'
        ],
    ),
    "booleans": (
        write_rows("a", lambda i: ("true", "false")[i * i % 3 % 2]),
        ['Field(name="a", kind=Kind.BOOLEAN)'],
    ),
    "booleans as pandas writes them": (
        write_rows("a", lambda i: ("True", "False", "")[i * i % 7 % 3]),
        ['Field(name="a", kind=Kind.BOOLEAN, nullable=True)'],
    ),
    "an ordered scale": (
        write_rows("a", lambda i: ("medium", "High", "low", "very_high")[i * i % 13 % 4]),
        [
            'Field(name="a", kind=Kind.CATEGORY, levels=("low", "medium", "High", "very_high"), ordered=True)',
        ],
    ),
    "yes and no": (
        write_rows("a", lambda i: ("Yes", "No")[i * i % 3 % 2]),
        ['Field(name="a", kind=Kind.CATEGORY, levels=("No", "Yes"))'],
    ),
    "0.0 and 1.0": (
        write_rows("a", lambda i: ("0.0", "1.0")[i * i % 3 % 2]),
        ['Field(name="a", kind=Kind.CATEGORY, levels=("0", "1"))'],
    ),
    "upper and lower case": (
        write_rows("a", lambda i: ("Male", "male", "Female")[i * i % 7 % 3]),
        [
            'Field(name="a", kind=Kind.CATEGORY, levels=("Female", "male"), parse=Parse(recode={"Male": "male"}))'
        ],
    ),
    "thousands": (
        write_rows("a", lambda i: f'"{1 + i * 13 % 70},{i * 7 % 900 + 100}"'),
        ['Field(name="a", kind=Kind.INTEGER, example=35441, minimum=0, maximum=106000)'],
    ),
    "exponents": (
        write_rows("a", lambda i: f"{1 + i * 13 % 70}e-3"),
        ['Field(name="a", kind=Kind.NUMBER, example=0.035, minimum=0, maximum=0.105)'],
    ),
    "years": (
        write_rows("a", lambda i: f"{1990 + i * 13 % 30}"),
        ['Field(name="a", kind=Kind.INTEGER, minimum=1975, maximum=2034)'],
    ),
    "nanoseconds": (
        write_rows("a", lambda i: f"{1577836800000000000 + i * 1_000_000_007}"),
        [
            "# left out: a: its numbers from 1.57783672e+18 to 1.577837039e+18 are too coarse in float32 (7 digits)"
        ],
    ),
    "a scale": (
        write_rows("a", lambda i: f"{1 + i * i % 7 % 5}"),
        ['Field(name="a", kind=Kind.INTEGER, minimum=1, maximum=5)'],
    ),
    "surplus cells": (
        write_rows("a", lambda i: f"{i * 13 % 70}") + "1,2,yes,4\n",
        [
            'Field(name="a", kind=Kind.INTEGER, example=34, minimum=0, maximum=104)',
            "quarantine: line: the line has more fields than there are columns: 1 row, first in line 162",
        ],
    ),
    "few different rows": (
        "a,y\n" + "\n".join(f"{i * i % 13},{'yes' if i * i % 7 < 3 else 'no'}" for i in range(300)),
        ["split=HashedSplit(test_share=0.3)", "deduplicate=False"],
    ),
    "quotes and backslashes": (
        write_rows("a", lambda i: ('"say ""hi"""', "back\\slash", "end\\")[i * i % 7 % 3]),
        ["""levels=(r"back\\slash", "end\\\\", 'say "hi"')"""],
    ),
    "JSON lines": (
        write_json_lines(),
        [
            'Field(name="flag", kind=Kind.BOOLEAN)',
            'Field(name="size", kind=Kind.INTEGER, example=20, minimum=0, maximum=58, nullable=True)',
            "format: JSON lines, UTF-8",
        ],
    ),
    "Parquet": (
        write_parquet(),
        [
            'Field(name="bought_on", kind=Kind.DATE, example="2020-12-31")',
            'Field(name="flag", kind=Kind.BOOLEAN)',
            "format: Parquet",
        ],
    ),
    "three classes": (
        "x,y\n" + "\n".join(f"{i * 7 % 50},{'cab'[i * i % 7 % 3]}" for i in range(400)),
        ['target=Target(name="y", labels=("a", "b", "c"))'],
    ),
    "rare class of three": (
        "x,y\n"
        + "\n".join(f"{i * 7 % 50},{'rare' if i % 40 == 0 else 'ab'[i * i % 5 % 2]}" for i in range(300)),
        [
            'target=Target(name="y", labels=("a", "b"))',
            "quarantine: y: it is not one of a, b (such as 'rare'): 8 rows, first in line 2",
        ],
    ),
    "codes": (
        "x,y\n" + "\n".join(f"{i * 7 % 50},{i * i % 7 % 3}.0" for i in range(400)),
        ['target=Target(name="y", labels=("0", "1", "2"))'],
    ),
    "counts, whose tail has few rows": (
        "x,y\n" + "\n".join(f"{i * 7 % 50},{min(i * i % 31, 30) // 5}" for i in range(200)),
        [
            'target=Target(name="y", minimum=0, maximum=8)',
        ],
    ),
    "-1 and 1": (
        "x,y\n" + "\n".join(f"{i * 7 % 50},{1 if i * i % 5 < 2 else -1}" for i in range(400)),
        ['target=Target(name="y", labels=("-1", "1"))'],
    ),
    "a number": (
        "x,y\n" + "\n".join(f"{i * 7 % 50},{i * 7 % 50 + i % 9 - 4}.5" for i in range(400)),
        ['target=Target(name="y", minimum=-34, maximum=83)'],
    ),
    "a skewed number": (
        "x,y\n" + "\n".join(f"{i * 7 % 50},{round(1000 * 1.2 ** (i * i % 37)) + i % 40}" for i in range(400)),
        [],
    ),
    "dollars as a target": (
        "x,y\n" + "\n".join(f"{i * 7 % 50},$ {i * 7 % 50 + i % 9}.5" for i in range(400)),
        [
            'target=Target(name="y", unit="$", minimum=0, maximum=86, parse=Parse(pattern=r"^(?:\\$)?\\s*([+-]?[\\d.,]+)\\s*$"))'
        ],
    ),
}
"""File by what is odd about it, with the lines of its draft; `format` and `quarantine` are what is said."""

REFUSED: dict[str, tuple[str | bytes, str]] = {
    "3 rows": (
        write_rows("a", lambda i: f"{i}", rows=3),
        "cannot read rows.csv: it has 3 rows, at least 100 are needed to train and test: add rows",
    ),
    "empty": ("", "cannot read rows.csv: it is empty"),
    "header only": (
        "a,x,y\n",
        "cannot read rows.csv: it has 0 rows, at least 100 are needed to train and test: add rows",
    ),
    "no header": (
        write_rows("1", lambda i: f"{i}").replace("1,x,y\n", ""),
        "cannot read rows.csv: its first line holds values (0, 0) and no column names; add a header line",
    ),
    "no feature": (
        "y\n" + "\n".join(list_answers()) + "\n",
        "rows.csv: no column can be a feature (there is no other); nothing was written",
    ),
    "only an identifier": (
        "id,y\n" + "\n".join(f"{i},{y}" for i, y in enumerate(list_answers())) + "\n",
        "rows.csv: no column can be a feature (id: an identifier by its name, with 160 different whole numbers); nothing was written",
    ),
    "single class": (
        write_rows("a", lambda i: f"{i}").replace(",no\n", ",yes\n"),
        "rows.csv: the target 'y' has only the value 'yes'; a model needs two different ones; nothing was written",
    ),
    "no target": (
        write_rows("a", lambda i: f"{i}").replace(",no\n", ",\n").replace(",yes\n", ",\n"),
        "rows.csv: the target 'y' has no value; a model needs two different ones; nothing was written",
    ),
    "dates as a target": (
        "x,y\n" + "\n".join(f"{i * 7 % 50},2020-01-{1 + i % 28:02}" for i in range(160)),
        "rows.csv: the target 'y' holds dates; only classes and numbers are predicted; nothing was written",
    ),
    "texts as a target": (
        "x,y\n" + "\n".join(f"{i * 7 % 50},name {i}" for i in range(160)),
        "rows.csv: the target 'y' has 160 different texts; name a column of classes or numbers by --target; nothing was written",
    ),
    "a rare class of two": (
        "x,y\n" + "\n".join(f"{i * 7 % 50},{'yes' if i < 9 else 'no'}" for i in range(160)),
        "rows.csv: too few rows of a class of 'y': 'yes' has 9 rows; 40 are needed of each; nothing was written",
    ),
    "target twice": (
        write_rows("y", lambda i: f"{i}"),
        "rows.csv: the target 'y' cannot be read: 2 columns have this name; rename them; nothing was written",
    ),
    "other target": (
        write_rows("a", lambda i: f"{i}").replace("y\n", "z\n", 1),
        "rows.csv: there is no column 'y' for --target; columns are a, x, z; nothing was written",
    ),
    "broken workbook": (
        write_zip("<xml/>", "[Content_Types].xml"),
        "cannot read rows.csv: its workbook cannot be read (Cannot detect file format); save the sheet as CSV (UTF-8)",
    ),
    "JSON array": (
        '[{"y": 1}]',
        "cannot read rows.csv: it is a JSON array; write one object a line (JSON lines), CSV (UTF-8) or Parquet",
    ),
    "page": (
        "<html><body>no</body></html>",
        "cannot read rows.csv: it is a page of HTML or XML and no CSV file; check the address, or export CSV (UTF-8)",
    ),
    "Windows-1252": (
        write_rows("größe", lambda i: f"{i}").encode("cp1252"),
        "cannot read rows.csv: line 1, byte 3: 0xf6 is no UTF-8; save the file as UTF-8, for example with `iconv -f WINDOWS-1252 -t UTF-8`",
    ),
    "open quote": (
        write_rows("a", lambda i: '"open' if i == 20 else f"{i}"),
        "cannot read rows.csv: line 22: a quote is opened and not closed; fix this line",
    ),
    "all columns give the number away": (
        "x,y\n" + "\n".join(f"{i * 7 % 50},{round(1000 * 1.2 ** (i * 7 % 50)) + i % 40}" for i in range(400)),
        "rows.csv: features that cannot be left out give the target away: x >= 25 exactly when y > 79529; nothing was written",
    ),
}
"""File by what is wrong with it, with the message."""


def _draft(folder: Path, content: str | bytes, answers: DraftAnswers = TARGET) -> Draft:
    path = folder / "rows.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return draft_use_case("messy", answers, path, source_name="rows.csv")


@pytest.mark.parametrize(("content", "lines"), READ.values(), ids=READ)
def test_a_messy_file_has_the_right_draft(tmp_path: Path, content: str | bytes, lines: list[str]) -> None:
    draft = _draft(tmp_path, content)
    said = [
        f"format: {draft.decisions['format']}",
        *(f"quarantine: {each}" for each in draft.check.quarantine),
    ]
    found = re.sub(r"\s+", " ", "\n".join((draft.source, *said)))
    assert [line for line in lines if line not in found] == []
    assert draft.check.problems == []
    assert [each for reason in _list_reasons(draft) for each in find_unknown_sentences(reason)] == []


def _list_reasons(draft: Draft) -> list[str]:
    """List the reasons that pages translate; the texts that mean missing are none."""
    of_file = [reason for name, reason in draft.file_reasons.items() if name != "missing"]
    return [draft.target_reason, *draft.column_reasons.values(), *of_file]


def test_several_targets_are_refused(tmp_path: Path) -> None:
    two = DraftAnswers(target="y, x")
    with pytest.raises(
        DataError, match="--target has 2 columns; a use case predicts one: draft one for each"
    ):
        _draft(tmp_path, write_rows("a", lambda i: f"{i}"), two)


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
def test_a_file_without_a_draft_is_refused_in_one_sentence(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        _draft(tmp_path, content)
    assert str(caught.value) == message
