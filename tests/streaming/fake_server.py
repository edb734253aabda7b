"""The real server with the fake engine, to work on the page: ``python -m tests.streaming.fake_server``.

Every setting can be given as ``VIVIDLIVE_NAME`` in the environment.
"""

import argparse
import os
import tempfile
from pathlib import Path

from streaming.log import configure
from streaming.serve import serve
from streaming.settings_sources import gather_settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--latency-ms", type=float)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = gather_settings(
            {
                "port": options.port,
                "latency_ms": options.latency_ms,
                "data_dir": Path(folder),
                "engine": "tests.streaming.fake_engine:fake_engine",
                "creator": "tests.streaming.fake_engine:fake_creator",
                "photo_check": "tests.streaming.fake_engine:fake_photo_check",
            },
            environ=os.environ,
        )
        configure(settings.log_format)
        serve(settings)


if __name__ == "__main__":
    main()
