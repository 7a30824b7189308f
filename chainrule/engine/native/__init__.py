"""The native engine: a graph becomes LLVM IR with explicit vectors, and then machine code."""
