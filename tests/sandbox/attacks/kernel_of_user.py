"""Become nobody first, then a simulated kernel, then the attacks: `KERNEL[,KERNEL] CASE[,CASE]`.

The other way round the filter would keep root from becoming nobody.
"""

import sys

from tests.sandbox.attacks.as_user import become_user

if __name__ == "__main__":
    kernel, cases = sys.argv[1:]
    attacks = ["tests.sandbox.attacks", "--quiet", "--cases", cases]
    become_user([kernel, "--", sys.executable, "-m", *attacks], "tests.sandbox.simulated_kernels")
