"""The cached ensemble of teachers: samples, their mean and variance, features (Eqs. 3 to 6, 9)."""
