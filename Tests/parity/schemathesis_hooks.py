"""What the run leaves out of the document."""

import schemathesis


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Basic authentication: failed attempts slow down those that come after them, so that trying it by the hundred gives 429 in place of
    401. That a wrong password is 401, and a guessed one slow, is shown by test_api.py."""
    raw_schema["security"] = [{"session": []}]
    del raw_schema["components"]["securitySchemes"]["basic"]


@schemathesis.serializer("application/vnd.sqlite3")
def as_it_is(context, value):
    """What is uploaded as a backup; that real ones are taken is shown by test_restore_running.py."""
    return value if isinstance(value, bytes) else getattr(value, "data", str(value).encode())
