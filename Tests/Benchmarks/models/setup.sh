#!/usr/bin/env bash
# The peers of the models' benchmarks that are not Debian packages.
set -euo pipefail
python=.build/bench-python
[ -x "$python/bin/python" ] || python3 -m venv "$python"
"$python/bin/python" -c 'import tl2cgen, treelite, pandas, xgboost, sklearn' 2>/dev/null ||
  "$python/bin/pip" install --quiet --disable-pip-version-check tl2cgen==1.0.0 treelite==4.1.2 'numpy<3' pandas scikit-learn scipy xgboost
