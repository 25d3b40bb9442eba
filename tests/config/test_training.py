"""Settings of a fit: what they refuse."""


def test_a_value_out_of_range_names_the_key_and_what_was_found(refusal):
    text = refusal("training.max_epochs=0")
    assert "training.max_epochs" in text
    assert "found 0" in text


def test_there_is_nothing_to_freeze_without_weights(refusal):
    assert "nothing to freeze" in refusal("training.freeze_epochs=1")


def test_an_encoder_of_a_branch_names_its_kind(refusal):
    assert "kind" in refusal("model.encoders={pet: {weights: file.pth}}")
