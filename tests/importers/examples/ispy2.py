"""One visit of an I-SPY 2 patient: a dynamic series."""


def write(folder, make):
    series = folder / "ISPY2-100899" / "T0" / "1"
    make.mr(series, phases=6, SeriesDescription="ISPY2: VOLSER: uni-lateral: original DCE")
    return folder
