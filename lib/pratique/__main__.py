"""The command line as a module: `python -m pratique`."""

from pratique.cli.app import main

if __name__ == "__main__":
    main()
