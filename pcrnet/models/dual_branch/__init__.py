"""The network: an encoder a branch, fusion over the visits, the joint head."""
