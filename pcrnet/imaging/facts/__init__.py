"""Cheap facts of scans as they came: what tells a scan that is like no other from the rest."""
