"""Settings of the network: what they refuse."""


def test_a_value_out_of_range_names_the_key_and_what_was_found(refusal):
    text = refusal("model.encoder.widths=[8]")
    assert "widths has 1, blocks has 2" in text
