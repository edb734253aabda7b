"""The real server with the fake engine, to work on the page: ``python -m tests.streaming.fake_server``."""

import argparse
import logging
import tempfile
from pathlib import Path

from streaming.serve import serve
from streaming.settings import ServeSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--latency-ms", type=float)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with tempfile.TemporaryDirectory() as folder:
        serve(
            ServeSettings(
                port=options.port,
                latency_ms=options.latency_ms,
                data_dir=Path(folder),
                engine="tests.streaming.fake_engine:fake_engine",
                creator="tests.streaming.fake_engine:fake_creator",
                photo_check="tests.streaming.fake_engine:fake_photo_check",
            )
        )


if __name__ == "__main__":
    main()
