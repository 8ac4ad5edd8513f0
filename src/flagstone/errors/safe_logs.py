"""
Loggers that mask the secrets of URLs and escape line breaks in messages.
"""

import logging

from flagstone.errors.safe_text import mask_text, one_line

_PLAIN = logging.Formatter()


class _Safe(logging.Filter):
    """Makes records safe before handlers see them, and indents the lines of tracebacks."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = one_line(mask_text(record.getMessage())), None
        if record.exc_info and not record.exc_text:
            lines = mask_text(_PLAIN.formatException(record.exc_info)).split("\n")
            record.exc_text = "\n".join(f"  {one_line(line)}" for line in lines)
        return True


def logger_of(name: str) -> logging.Logger:
    """Return the logger *name*, with a filter that makes its records safe."""
    logger = logging.getLogger(name)
    if not any(isinstance(each, _Safe) for each in logger.filters):
        logger.addFilter(_Safe())
    return logger
