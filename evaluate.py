"""Judge predictions and write their report.

python evaluate.py RUN [section.key=value ...]
python evaluate.py --predictions P.csv --out DIR [section.key=value ...]
python evaluate.py --bundle BUNDLE --cohort COHORT.csv --out DIR [section.key=value ...]

Of a run, what training decided cannot be changed here; evaluation.protocol,
evaluation.bootstrap_draws and evaluation.seed can. Any table of predictions will do; without a
column `fold` it is one external test set. `--help` lists the columns, and the options that name
them in a table of somebody else.
"""

from __future__ import annotations

import sys

from pcrnet.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
