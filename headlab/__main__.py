"""``python -m headlab``."""

import sys


def run() -> int:
    """The command line, or one sentence from a Python that lacks its packages."""
    try:
        from headlab.cli import main

        return main()
    except ModuleNotFoundError as error:
        package = (error.name or "headlab").partition(".")[0]
        if package == "headlab":
            raise
        print(
            f"headlab: this Python has no package {package}; run `python start.py` with the same "
            "arguments, which installs what is needed.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:  # while the packages were being imported
        print("headlab: stopped.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(run())
