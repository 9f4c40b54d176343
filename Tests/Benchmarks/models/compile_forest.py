#!/usr/bin/env python3
"""Compiles an XGBoost model (JSON) to a shared library by way of tl2cgen's C and the system's compiler.

    compile_forest.py model.json library.so
"""
import pathlib
import subprocess
import sys
import tempfile

import tl2cgen
import treelite


def main():
    model = treelite.frontend.load_xgboost_model(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        tl2cgen.generate_c_code(model, dirpath=folder, params={"parallel_comp": 0})
        sources = [str(path) for path in pathlib.Path(folder).glob("*.c")]
        subprocess.run(["gcc", "-O3", "-shared", "-fPIC", "-o", sys.argv[2], *sources, "-lm"], check=True)


if __name__ == "__main__":
    main()
