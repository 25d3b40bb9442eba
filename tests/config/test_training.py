"""Settings of a fit: what they refuse."""


def test_a_value_out_of_range_names_the_key_and_what_was_found(refusal):
    text = refusal("training.max_epochs=0")
    assert "training.max_epochs" in text
    assert "found 0" in text
