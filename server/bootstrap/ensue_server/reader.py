"""The reader process, which the server starts: see `server/intake`."""

from __future__ import annotations

from ensue_server.entry import enter

if __name__ == "__main__":
    enter()
    from server.intake.process import main

    main()
