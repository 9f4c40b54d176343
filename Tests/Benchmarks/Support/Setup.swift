import Foundation

/// Ends the process with status 69 (`EX_UNAVAILABLE` of `sysexits.h`) and one line that names the setup to run, where a file is missing
/// that an area's `setup.sh` makes or installs.
///
/// - Parameter files: paths, relative ones from the repository's root, where benchmarks are started.
public func requireSetup(area: String, files: [String]) {
    guard let missing = files.first(where: { !FileManager.default.fileExists(atPath: $0) }) else { return }
    let line = "bench-\(area): there is no \(missing); run Tests/Benchmarks/\(area)/setup.sh from the repository's root, or make bench AREA=\(area)\n"
    FileHandle.standardError.write(Data(line.utf8))
    exit(69)
}
