"""What training asks of a machine: memory, arithmetic, time, precision."""
