"""Backup and restore of everything, or of one tenant: an archive of binary COPY streams, with a manifest of hashes."""
