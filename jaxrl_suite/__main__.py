"""`python -m jaxrl_suite` is `jaxrl`."""

from jaxrl_suite.runner.cli import entry

if __name__ == "__main__":
    entry()
