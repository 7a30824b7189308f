"""NumPy's names: which elementary functions stand behind each ufunc and each NumPy function."""
