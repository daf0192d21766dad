"""The network of the ATVIO paper in PyTorch: two encoders, attention-guided fusion, an LSTM and a pose head."""
