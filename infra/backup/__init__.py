"""Backup and restore of everything that the system keeps: journal, topics, tables, secrets."""
