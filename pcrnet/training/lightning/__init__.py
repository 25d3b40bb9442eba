"""One network trained by Lightning: module, trainer, callbacks, loop and resume point."""
