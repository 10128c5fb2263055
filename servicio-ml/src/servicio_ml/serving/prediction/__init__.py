"""The predictor that every interface calls, with its log and metrics."""
