"""python -m jensen.cli"""

from jensen.cli import main

main()
