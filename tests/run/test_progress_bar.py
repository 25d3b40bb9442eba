"""The bar is for eyes: nothing of it reaches a file."""

from pcrnet.run.progress_bar import ProgressBar


def test_where_standard_error_is_no_terminal_nothing_is_written(capsys):
    with ProgressBar("working") as bar:
        for done in range(3):
            bar.update(done + 1, 3)
    assert capsys.readouterr() == ("", "")
