"""Views: read-only questions about a corpus. They return dataclasses, write nothing and print nothing."""
