"""`vcci demo`: a service, a sample file, an upload, and what it came to."""
