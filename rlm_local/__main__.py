"""`python -m rlm_local` is `rlm-local`."""

from rlm_local.cli.main import main

if __name__ == "__main__":
    main()
