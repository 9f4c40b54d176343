// XGBoost: training of gradient-boosted trees.
#pragma once
#include <xgboost/c_api.h>
