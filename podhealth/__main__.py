"""``python -m podhealth`` is the ``podhealth`` command."""

from podhealth.cli import main

if __name__ == "__main__":
    main()
