import Testing

/// Everything that needs the whole suite running, one at a time: each test starts eight processes of its own.
@Suite("End to end", .serialized, .enabled(if: RunningSuite.areBuilt, "the executables are not built"))
enum EndToEnd {}
