"""One subcommand a module: its options, and a thin call of one function."""
