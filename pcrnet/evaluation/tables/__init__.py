"""Tables of predictions: ours or anybody's, read, mapped and checked at the border."""
