"""Where the lesion lies: its mask, or the place found for it, and the crop around both."""
