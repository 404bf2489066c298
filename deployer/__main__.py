"""`python -m deployer`: the program `aduana`, where no script of that name is installed."""

from deployer.cli import main

if __name__ == "__main__":
    main()
